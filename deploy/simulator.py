"""The simulator as a child process: how it is called, and how far its own book has come."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.stack.process import Child, ProcessId, last_lines
from producers.clock import EventClock
from producers.errors import PushError
from producers.ledger import read_clock
from producers.simulate.anomalies import Anomaly, read_truth
from schemas.telemetry import TOPICS, SampleType

_GRACE_S = 45.0


@dataclass(frozen=True)
class SimulatorOptions:
    """Of `livewatch-push simulate`; strings are passed on as they are."""

    sessions: int
    speed: float
    sample_every: str = "30s"
    duration: str | None = None
    start: str | None = None
    seed: int = 1
    spikes: int = 0
    spike_after: str = "30m"
    spike_excess: str = "20-40"
    goodbye: bool = True

    def arguments(self, bootstrap: str, out: Path) -> list[str]:
        """The command line; a run in `out` is replaced."""
        given: dict[str, object] = {
            "--bootstrap": bootstrap,
            "--sessions": self.sessions,
            "--speed": f"{self.speed:g}",
            "--sample-every": self.sample_every,
            "--seed": self.seed,
            "--spikes": self.spikes,
            "--spike-after": self.spike_after,
            "--spike-excess": self.spike_excess,
            "--out": out,
        }
        if self.duration:
            given["--duration"] = self.duration
        if self.start:
            given["--start"] = self.start
        flat = [str(part) for pair in given.items() for part in pair]
        goodbye = [] if self.goodbye else ["--no-goodbye"]
        return ["simulate", *flat, *goodbye, "--overwrite", "--json"]


@dataclass
class LedgerTail:
    """Rows in a book that is being written: only what is new is read."""

    path: Path
    rows: dict[SampleType, int] = field(default_factory=lambda: dict.fromkeys(SampleType, 0))
    newest_event_ms: int = 0
    _offset: int = 0

    def read(self) -> None:
        """Count the whole lines that came since the last call."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self._offset += whole
        for line in text[:whole].splitlines():
            entry = json.loads(line)
            if "topic" in entry:  # the first line is the header
                self.rows[TOPICS[entry["topic"]]] += entry["rows"]
                self.newest_event_ms = max(self.newest_event_ms, entry["max_event_ms"])

    @property
    def total(self) -> int:
        return sum(self.rows.values())


class Simulator:
    """One run of `livewatch-push simulate`; it dies with us."""

    def __init__(self, options: SimulatorOptions, bootstrap: str, out: Path, log: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("ledger.jsonl", "truth.jsonl"):
            (out / name).unlink(missing_ok=True)
        self.log, self.out = log, out
        log.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "producers.cli", *options.arguments(bootstrap, out)]
        self._child = Child(argv, {}, log)
        self.ledger = LedgerTail(out / "ledger.jsonl")

    @property
    def process(self) -> ProcessId:
        return self._child.id

    def exit_code(self) -> int | None:
        return self._child.exit_code()

    def check(self) -> None:
        """Raise StackError with its last words when it has failed."""
        code = self._child.exit_code()
        if code not in (None, 0):
            said = " ".join(last_lines(self.log)).removeprefix("livewatch-push: ")
            raise StackError(f"the simulator ended with exit code {code}: {said}")

    def summary(self) -> dict[str, Any]:
        """What it printed at its end."""
        for line in reversed(last_lines(self.log, 5)):
            if line.startswith("{"):
                told: dict[str, Any] = json.loads(line)
                return told
        raise StackError(f"the simulator printed no summary; see {self.log}")

    def clock(self) -> EventClock | None:
        """How its event time hangs together with the clock; None before it has started."""
        try:
            return read_clock(self.ledger.path)
        except (PushError, OSError):
            return None

    def truth(self) -> list[Anomaly]:
        """What it injects; empty before it has started."""
        path = self.out / "truth.jsonl"
        return list(read_truth(path)) if path.exists() else []

    def stop(self) -> int:
        """Orderly: what is sealed is sent. The exit code."""
        self._child.signal(signal.SIGTERM)
        code = self._child.wait(_GRACE_S)
        if code is None:
            self._child.kill()
            return -signal.SIGKILL
        return code
