"""What a supervisor says of itself, in a file that other commands read."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.stack.process import ProcessId
from deploy.stack.settings import Detours, Ports, StackSettings


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ProcessRecord(BaseModel):
    """One process as last seen. `since` is Unix time; `exits` are its exit codes so far."""

    pid: int
    start: str
    since: float
    ports: dict[str, int]
    restarts: int = 0
    exits: list[int] = []
    gave_up: bool = False

    @property
    def id(self) -> ProcessId:
        return ProcessId(self.pid, self.start)


class Exit(BaseModel):
    """How a process ended when the stack was stopped."""

    code: int
    clean: bool


class State(BaseModel):
    """One supervisor and its processes; `exits` once they were stopped."""

    version: int = 1
    phase: Phase
    supervisor: ProcessId | None
    workers: int
    partitions: int
    screen: bool
    api: bool = False
    database: str
    unsigned: str = "refuse"
    ports: dict[str, int]
    brokers: int = 1
    detours: dict[str, int] = {}
    alerts: bool = False
    alertmanager: str = ""
    message: str = ""
    processes: dict[str, ProcessRecord] = {}
    exits: dict[str, Exit] = {}

    def running(self) -> bool:
        over = self.phase in (Phase.STOPPED, Phase.FAILED)
        return not over and self.supervisor is not None and self.supervisor.alive()

    def settings(self, home: Path) -> StackSettings:
        ports = Ports(**self.ports)
        return StackSettings(
            home,
            ports,
            self.workers,
            self.partitions,
            self.screen,
            self.database,
            self.unsigned,
            self.brokers,
            Detours(**self.detours),
            self.alerts,
            self.alertmanager,
            self.api,
        )


def write(path: Path, state: State) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    partial = path.with_suffix(".tmp")
    partial.write_text(state.model_dump_json(indent=1))
    os.replace(partial, path)  # noqa: PTH105 - same thing, said where atomicity matters


def read(path: Path) -> State | None:
    """None when there is no state, or it is not one of ours."""
    try:
        return State.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
