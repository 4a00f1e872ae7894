"""Fold in offset order, guarded by our own position (checkpoint protocol, step 1).

Around a rebalance the consumer was seen to deliver records twice, out of order, and to leave
one out. Our topics are neither compacted nor transactional, so offsets have no holes of their
own: whatever is not the next offset is a repeat, or a hole to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass
class Position(Generic[R]):
    """Where folding stands in one topic-partition. `next` is the next offset to fold."""

    next: int
    held: dict[int, R] = field(default_factory=dict)
    hole_since: float | None = None
    seeks: int = 0

    def offer(self, offset: int, record: R, now: float) -> list[tuple[int, R]]:
        """The records that can be folded now, in order; empty for a repeat or behind a hole."""
        if offset < self.next:
            return []
        self.held.setdefault(offset, record)
        ready = []
        while (found := self.held.pop(self.next, None)) is not None:
            ready.append((self.next, found))
            self.next += 1
        if not self.held:
            self.hole_since = None
        elif ready or self.hole_since is None:
            self.hole_since, self.seeks = now, 0
        return ready

    def hole_age(self, now: float) -> float:
        """Seconds for which a record has been missing; 0 without a hole."""
        return 0.0 if self.hole_since is None else now - self.hole_since

    def seek_due(self, now: float, after: float) -> bool:
        """Whether to ask for the missing record now: `after` seconds, then twice as long each time.

        A seek throws away what is being fetched: asked for again before a slow machine has fetched
        it, it would never come.
        """
        if self.hole_since is None or self.hole_age(now) < after * 2**self.seeks:
            return False
        self.seeks += 1
        return True
