"""Ctrl-C, SIGTERM and a closed terminal as one question that a loop can ask."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """The first signal asks for an orderly stop, the second for a quick one."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._hurry = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over, and give them back. From the main thread only."""
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def ask(self) -> None:
        """As one signal does."""
        if self._asked.is_set():
            self._hurry.set()
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a stop is asked for; whether it was."""
        return self._asked.wait(seconds)

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    @property
    def hurry(self) -> bool:
        return self._hurry.is_set()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()
