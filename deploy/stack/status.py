"""`livewatch status`: what runs, since when, and whether it answers now."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.stack import statefile
from deploy.stack.home import Home
from deploy.stack.services import Service, steps
from deploy.stack.statefile import ProcessRecord, State


@dataclass(frozen=True)
class Row:
    """One process. `why` says why it is not ready."""

    name: str
    pid: int | None
    ready: bool
    why: str
    uptime_s: float
    restarts: int
    ports: dict[str, int]


@dataclass(frozen=True)
class Status:
    """A whole stack; `phase` is `down` when no supervisor runs."""

    home: str
    phase: str
    message: str
    processes: list[Row]

    @property
    def all_ready(self) -> bool:
        return self.phase == "ready" and all(row.ready for row in self.processes)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "all_ready": self.all_ready}


def look(home: Path) -> Status:
    """Ask every process that the supervisor says it runs."""
    state = statefile.read(Home(home).state_file)
    if state is None or not state.running():
        message = state.message if state else ""
        return Status(str(home), "down", message, [])
    services = _services(state, home)
    rows = [_row(service, state.processes.get(service.name)) for service in services]
    return Status(str(home), state.phase.value, state.message, rows)


def show(status: Status, console: Console) -> None:
    """A table for a person."""
    if status.phase == "down":
        reason = f" (last run: {status.message})" if status.message else ""
        console.print(f"nothing runs in {status.home}{reason}", highlight=False)
        return
    table = Table(title=f"livewatch in {status.home}: {status.phase}", title_justify="left")
    for heading in ("process", "pid", "ready", "up", "restarts", "ports"):
        table.add_column(heading, justify="right" if heading in ("pid", "restarts") else "left")
    for row in status.processes:
        ready = "[green]yes[/]" if row.ready else f"[red]no[/]: {row.why}"
        ports = ", ".join(f"{name} {port}" for name, port in row.ports.items())
        pid = str(row.pid) if row.pid else "-"
        table.add_row(row.name, pid, ready, duration(row.uptime_s), str(row.restarts), ports)
    console.print(table)


def duration(seconds: float) -> str:
    """`75` is `1m15s`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def _services(state: State, home: Path) -> list[Service]:
    return [s for step in steps(state.settings(home)) if isinstance(step, list) for s in step]


def _row(service: Service, record: ProcessRecord | None) -> Row:
    if record is None:
        return Row(service.name, None, False, "not started yet", 0.0, 0, service.ports)
    if not record.id.alive():
        why = "given up, see its log" if record.gave_up else "ended; a restart is due"
        return Row(service.name, None, False, why, 0.0, record.restarts, record.ports)
    why = service.not_ready() or ""
    uptime = max(0.0, time.time() - record.since)
    return Row(service.name, record.pid, not why, why, uptime, record.restarts, record.ports)
