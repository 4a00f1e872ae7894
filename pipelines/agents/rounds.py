"""Work that is repeated for each of many things, none of which waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

Work = Callable[[], Coroutine[Any, Any, None]]


class Rounds:
    """At most one run at a time of each key. `start` runs a coroutine beside the caller."""

    def __init__(self, start: Callable[[Coroutine[Any, Any, None]], asyncio.Future[Any]]) -> None:
        self._start = start
        self._running: dict[Hashable, asyncio.Future[Any]] = {}
        self._ended = False

    def begin(self, key: Hashable, work: Work) -> bool:
        """Start the work of `key`, unless its last run has not ended or no more is to begin."""
        if self._ended or key in self._running:
            return False
        run = self._running[key] = self._start(work())
        run.add_done_callback(lambda _: self._running.pop(key))
        return True

    async def end(self, patience_s: float) -> None:
        """Begin nothing more; wait for what runs, and cut off what takes longer than that."""
        self._ended = True
        running = set(self._running.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=patience_s)
        for run in late:
            run.cancel()
        if late:
            await asyncio.wait(late)
