"""The programs of a round: started, started again when they end too soon, told when to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.chaos.programs import Program
from deploy.errors import StackError
from deploy.stack.process import Child, ProcessId, last_lines

_RESTART_S = 1.0
_LOOK_EVERY_S = 1.0
#: Ends in a row that nobody asked for.
_MOST_FAILURES = 8


@dataclass
class _Slot:
    program: Program
    child: Child
    failures: int = 0
    due: float | None = None
    look_at: float = 0.0
    asked: bool = False
    done: bool = False


@dataclass
class Sources:
    """All programs of a round. Call from the main thread."""

    programs: Sequence[Program]
    logs: Path
    _slots: list[_Slot] = field(default_factory=list)

    def start(self) -> None:
        self._slots = [_Slot(one, self._spawn(one)) for one in self.programs]

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
                slot.child, slot.due, slot.asked = self._spawn(slot.program), None, False
            return
        code = slot.child.exit_code()
        if code is None:
            if not slot.asked and now >= slot.look_at:
                slot.look_at = now + _LOOK_EVERY_S
                slot.asked = slot.program.over()
                if slot.asked:
                    slot.child.signal(signal.SIGTERM)
            return
        slot.child.sweep()
        slot.done = code == 0 and slot.program.finished()
        if not slot.done:
            slot.failures = slot.failures + 1 if code > 0 else 0
            if slot.failures >= _MOST_FAILURES:
                said = " ".join(last_lines(self._log(slot.program)))
                raise StackError(f"{slot.program.name} does not stay up: {said}")
            slot.due = now + _RESTART_S

    @property
    def done(self) -> bool:
        """All have said goodbye, and Kafka has everything."""
        return all(slot.done for slot in self._slots)

    def process(self, dice: float, *kinds: str) -> ProcessId | None:
        """One of these kinds that runs now."""
        running = [
            s.child.id
            for s in self._slots
            if s.program.kind in kinds and s.child.exit_code() is None
        ]
        return running[int(dice * len(running))] if running else None

    def stop(self) -> None:
        """At once: what they have not sent does not matter any more."""
        for slot in self._slots:
            slot.child.signal(signal.SIGCONT)
            slot.child.kill()

    def _spawn(self, program: Program) -> Child:
        return Child(program.argv, {}, self._log(program))

    def _log(self, program: Program) -> Path:
        return self.logs / f"{program.name}.log"
