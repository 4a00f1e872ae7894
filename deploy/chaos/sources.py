"""The source processes of a round: started, started again when they end too soon, counted."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.chaos.book import Book
from deploy.chaos.source import SourceOptions
from deploy.errors import StackError
from deploy.stack.process import Child, ProcessId, last_lines

_RESTART_S = 1.0
#: Ends in a row that nobody asked for.
_MOST_FAILURES = 5


@dataclass
class _Slot:
    options: SourceOptions
    child: Child
    failures: int = 0
    due: float | None = None
    done: bool = False


@dataclass
class Sources:
    """All source processes of a round. Call from the main thread."""

    options: list[SourceOptions]
    logs: Path
    _slots: list[_Slot] = field(default_factory=list)

    def start(self) -> None:
        self._slots = [_Slot(one, self._spawn(one)) for one in self.options]

    def look(self) -> list[ProcessId]:
        """Start again whatever ended before its time; those that run now."""
        now = time.monotonic()
        for slot in self._slots:
            if not slot.done:
                self._look(slot, now)
        return [slot.child.id for slot in self._slots if slot.child.exit_code() is None]

    def _look(self, slot: _Slot, now: float) -> None:
        if slot.due is not None:
            if now >= slot.due:
                slot.child, slot.due = self._spawn(slot.options), None
            return
        code = slot.child.exit_code()
        if code is None:
            return
        slot.child.sweep()
        slot.done = code == 0 and self._finished(slot.options)
        if not slot.done:
            slot.failures = slot.failures + 1 if code > 0 else 0
            if slot.failures >= _MOST_FAILURES:
                said = " ".join(last_lines(self._log(slot.options)))
                raise StackError(f"source {slot.options.name} does not stay up: {said}")
            slot.due = now + _RESTART_S

    @property
    def done(self) -> bool:
        """All have said goodbye, and Kafka has everything."""
        return all(slot.done for slot in self._slots)

    def process(self, dice: float) -> ProcessId | None:
        """One that runs now."""
        running = [s.child.id for s in self._slots if s.child.exit_code() is None]
        return running[int(dice * len(running))] if running else None

    def books(self) -> list[Path]:
        return [one.out / "book.sqlite" for one in self.options]

    def stop(self) -> None:
        """At once: what they have not sent does not matter any more."""
        for slot in self._slots:
            slot.child.signal(signal.SIGCONT)
            slot.child.kill()

    def _finished(self, options: SourceOptions) -> bool:
        book = Book(options.out / "book.sqlite")
        try:
            return book.finished()
        finally:
            book.close()

    def _spawn(self, options: SourceOptions) -> Child:
        argv = [sys.executable, "-m", "deploy.chaos.source", *options.arguments()]
        return Child(argv, {}, self._log(options))

    def _log(self, options: SourceOptions) -> Path:
        return self.logs / f"{options.name}.log"
