"""Work that is repeated for each of many things, none of which waits for another."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any

Work = Callable[[], Coroutine[Any, Any, None]]


class Rounds:
    """At most one run at a time of each key. `start` runs a coroutine beside the caller."""

    def __init__(self, start: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        self._start = start
        self._running: set[Hashable] = set()

    def begin(self, key: Hashable, work: Work) -> bool:
        """Start the work of `key`, unless its last run has not ended."""
        if key in self._running:
            return False
        self._running.add(key)
        self._start(self._run(key, work))
        return True

    async def _run(self, key: Hashable, work: Work) -> None:
        try:
            await work()
        finally:
            self._running.discard(key)
