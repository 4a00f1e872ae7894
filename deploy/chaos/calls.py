"""What the source processes of a round are told, and how they keep time with the others."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from producers.clock import EventClock
from producers.pacing import wall_ms


class Options:
    """A dataclass of str, int, float and Path that can be a command line."""

    def arguments(self) -> list[str]:
        """The command line."""
        given = {f"--{k.replace('_', '-')}": v for k, v in vars(self).items()}
        return [str(part) for pair in given.items() for part in pair]

    @classmethod
    def parse(cls, argv: Sequence[str] | None = None) -> Self:
        parser = argparse.ArgumentParser()
        for name, kind in cls.__annotations__.items():
            convert: Any = {"str": str, "int": int, "float": float, "Path": Path}[kind]
            parser.add_argument(f"--{name.replace('_', '-')}", type=convert, required=True)
        return cls(**vars(parser.parse_args(argv)))


class Pace:
    """One call every `every_s`, until event time `end_ms`, or a stop."""

    def __init__(
        self, clock: EventClock, end_ms: int, stop: threading.Event, every_s: float
    ) -> None:
        self._clock, self._end_ms, self._stop, self._every_s = clock, end_ms, stop, every_s

    def now_ms(self) -> int:
        """Event time; it follows the wall clock once it has reached it."""
        passed = max(0, wall_ms() - self._clock.start_wall_ms)
        event = self._clock.start_event_ms + round(passed * (self._clock.speed or 1.0))
        return min(event, wall_ms())

    def turn(self) -> bool:
        """Wait for the next call; False when there is none."""
        begun = wall_ms() < self._clock.start_wall_ms
        wait = (self._clock.start_wall_ms - wall_ms()) / 1000 if begun else self._every_s
        return not self._stop.wait(wait) and self.now_ms() < self._end_ms
