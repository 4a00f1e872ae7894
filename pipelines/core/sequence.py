"""What has been received of a source: sequence numbers make loss and repeats provable."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Self

# Ranges above the contiguous one. Beyond this many the lowest gap is given up and stays counted
# as lost: memory is bounded whatever a source sends.
MAX_RANGES = 512


@dataclass
class SequenceRange:
    """Sequence numbers received of one (source, epoch, topic, partition).

    All below `next` have been received or given up; `above` are disjoint, sorted [start, end)
    ranges beyond it.
    """

    next: int = 0
    above: list[tuple[int, int]] = field(default_factory=list)
    given_up: int = 0

    def add(self, sequence: int) -> bool:
        """Take note of a batch; False when it was received before."""
        if sequence < self.next:
            return False
        if sequence == self.next and not self.above:
            self.next += 1
            return True
        at = bisect_right(self.above, (sequence, 2**63))
        if at and self.above[at - 1][1] > sequence:
            return False
        self._insert(at, sequence)
        self._settle()
        return True

    @property
    def missing(self) -> int:
        """Batches known to have been sent and not received.

        As long as number 0 has not come, what lies before the first number met is not counted:
        a pipeline that starts in the middle of a stream must not report all the past as lost.
        """
        gaps, at = 0, self.next
        if self.next == 0 and self.above:
            at = self.above[0][0]
        for start, end in self.above:
            gaps += start - at
            at = end
        return gaps + self.given_up

    def _insert(self, at: int, sequence: int) -> None:
        start, end = sequence, sequence + 1
        if at < len(self.above) and self.above[at][0] == end:
            end = self.above.pop(at)[1]
        if at and self.above[at - 1][1] == start:
            start = self.above.pop(at - 1)[0]
            at -= 1
        self.above.insert(at, (start, end))

    def _settle(self) -> None:
        if len(self.above) > MAX_RANGES:
            self.given_up += self.above[0][0] - self.next
            self.next = self.above[0][0]
        while self.above and self.above[0][0] == self.next:
            self.next = self.above.pop(0)[1]

    def to_json(self) -> list[Any]:
        return [self.next, self.given_up, [list(r) for r in self.above]]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        return cls(data[0], [(a, b) for a, b in data[2]], data[1])
