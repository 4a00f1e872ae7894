"""What was received and is not folded yet: complaints first, whatever else is waiting.

Folds commute between topics, and each topic-partition keeps its own order, so the order between
lanes is free. It is by rank, and within a rank by the time that Kafka took the record: lanes
then move on side by side, and few minutes are open at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

R = TypeVar("R")
OVERHEAD_BYTES = 1_000
"""What a record takes besides its value."""


class Lane(NamedTuple):
    """A topic-partition, in the order in which lanes are served."""

    rank: int
    topic: str
    partition: int


class _Letter(NamedTuple, Generic[R]):
    item: R
    size: int
    at_ms: int


@dataclass(slots=True)
class _Queue(Generic[R]):
    letters: deque[_Letter[R]] = field(default_factory=deque)
    bytes: int = 0


class Mailbox(Generic[R]):
    """Items by lane, in order. Sizes in bytes."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _Queue[R]] = {}
        self.bytes = 0

    def put(self, lane: Lane, item: R, size: int, at_ms: int) -> None:
        """The lane's next item, of `size` bytes, that Kafka took `at_ms`."""
        queue = self._lanes.setdefault(lane, _Queue())
        letter = _Letter(item, size + OVERHEAD_BYTES, at_ms)
        queue.letters.append(letter)
        queue.bytes += letter.size
        self.bytes += letter.size

    def take(self, may: Callable[[Lane, R], bool]) -> tuple[Lane, R] | None:
        """The item to fold next, of the lanes whose head may be folded now."""
        waiting = [(lane.rank, q.letters[0].at_ms, lane) for lane, q in self._lanes.items()]
        for _, _, lane in sorted(waiting):
            head = self._lanes[lane].letters[0].item
            if may(lane, head):
                return lane, self._pop(lane)
        return None

    def _pop(self, lane: Lane) -> R:
        queue = self._lanes[lane]
        letter = queue.letters.popleft()
        queue.bytes -= letter.size
        self.bytes -= letter.size
        if not queue.letters:
            del self._lanes[lane]
        return letter.item

    def drop(self, which: Callable[[Lane, R], bool]) -> int:
        """Forget items, wherever they stand; returns how many."""
        dropped = 0
        for lane in list(self._lanes):
            queue = self._lanes[lane]
            kept = deque(one for one in queue.letters if not which(lane, one.item))
            dropped += len(queue.letters) - len(kept)
            size = sum(one.size for one in kept)
            self.bytes += size - queue.bytes
            queue.letters, queue.bytes = kept, size
            if not kept:
                del self._lanes[lane]
        return dropped

    def size(self, lane: Lane) -> int:
        """Bytes that wait in a lane."""
        queue = self._lanes.get(lane)
        return 0 if queue is None else queue.bytes

    def count(self, lane: Lane) -> int:
        """Items that wait in a lane."""
        queue = self._lanes.get(lane)
        return 0 if queue is None else len(queue.letters)

    def __iter__(self) -> Iterator[Lane]:
        """Lanes in which something waits."""
        return iter(list(self._lanes))
