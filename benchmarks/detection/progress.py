"""Progress on stderr: the stage, how far the whole is, and about how long the rest takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_EVERY_S = 15.0
_KNOWN = 0.03
"""Share of the work from which this machine's own speed is known well enough."""


class Progress:
    """Weighs the stages by the seconds that each takes on an idle core."""

    def __init__(self, work: dict[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._clock = work, clock
        self._start = self._said = clock()
        self._done = 0.0
        minutes = sum(work.values()) / 60
        self._write(f"about {minutes:.1f} min on an idle core, more where others compute")

    def stage(self, name: str) -> Callable[[float], None]:
        """Say that a stage begins; what it returns takes the share of it that is done."""
        before, mine = self._done, self._work[name]
        self._done += mine

        def show(share: float) -> None:
            now = self._clock()
            if now - self._said >= _EVERY_S:
                self._said = now
                self._write(self._line(name, share, before + share * mine))

        self._write(self._line(name, 0.0, before))
        return show

    def _line(self, name: str, share: float, done: float) -> str:
        total, seconds = sum(self._work.values()), self._clock() - self._start
        whole = done / total
        left = seconds * (1 / whole - 1) if whole > _KNOWN else total - done
        return f"{seconds:6.0f} s  {whole:4.0%}, {left / 60:.1f} min left  {name} {share:.0%}"

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
