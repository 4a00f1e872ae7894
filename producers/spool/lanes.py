"""What waits in a lane, and which batches come of it: pure, time passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from producers.batcher import SealPolicy
from producers.spool.entries import Lane
from schemas.telemetry import HEARTBEAT_MS, MAX_BYTES

# Arrow's own frame and the dictionaries come on top of the entries' bytes.
_MAX_BATCH_BYTES = MAX_BYTES * 3 // 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that no batch has yet. `number` rises within the lane."""

    number: int
    rows: int
    size: int
    first_ms: int
    accepted_ms: int
    supersedes: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """A batch to be: the entries `first` to `last`, or none (a heartbeat: last < first)."""

    first: int
    last: int
    rows: int
    supersedes: str = ""
    reason: str = ""
    final: bool = False

    @property
    def heartbeat(self) -> bool:
        return self.last < self.first


@dataclass(slots=True)
class LaneState:
    """One lane in memory. `pending` counts sealed batches that are not acknowledged."""

    id: int
    lane: Lane
    next_number: int = 1
    sequence: int = 0
    watermark_ms: int = 0
    pending: int = 0
    last_sealed_ms: int = -HEARTBEAT_MS  # the first poll says hello
    waiting: deque[Waiting] = field(default_factory=deque)
    waiting_rows: int = 0

    def add(self, entry: Waiting) -> None:
        self.waiting.append(entry)
        self.waiting_rows += entry.rows

    def due(
        self, now_ms: int, policy: SealPolicy, *, all_of_it: bool = False, heartbeats: bool = True
    ) -> list[Cut]:
        """Batches to seal now, in order; a heartbeat where nothing was said for long.

        While a batch is on its way nothing else need be said: a heartbeat behind it would
        pile up for as long as Kafka is away.
        """
        cuts = []
        entries = deque(self.waiting)
        rows = self.waiting_rows
        while entries and (all_of_it or self._ripe(entries, rows, now_ms, policy)):
            cut = _take(entries, policy.max_rows)
            rows -= cut.rows
            cuts.append(cut)
        quiet = heartbeats and not self.waiting and not self.pending
        if quiet and now_ms - self.last_sealed_ms >= policy.heartbeat_ms:
            cuts.append(self.heartbeat())
        return cuts

    def heartbeat(self, *, final: bool = False) -> Cut:
        return Cut(self.next_number, self.next_number - 1, 0, final=final)

    def sealed(self, cut: Cut, now_ms: int, promise_ms: int) -> None:
        """The cut has been written down; see `watermark_after` for the promise."""
        self.watermark_ms = self.watermark_after(cut, promise_ms)
        while self.waiting and self.waiting[0].number <= cut.last:
            self.waiting_rows -= self.waiting.popleft().rows
        self.sequence += 1
        self.pending += 1
        self.last_sealed_ms = now_ms

    def watermark_after(self, cut: Cut, promise_ms: int) -> int:
        """Never beyond a row that still waits here, and never back.

        A row older than an earlier promise is late, which the receiving side sees by itself.
        """
        left = [w.first_ms for w in self.waiting if w.number > cut.last]
        return max(self.watermark_ms, min([promise_ms, *left]))

    def _ripe(self, entries: deque[Waiting], rows: int, now_ms: int, policy: SealPolicy) -> bool:
        old = now_ms - entries[0].accepted_ms >= policy.linger_ms
        return old or rows >= policy.max_rows or bool(entries[0].supersedes)


def _take(entries: deque[Waiting], max_rows: int) -> Cut:
    """Remove the entries of the next batch: at least one, a correction alone."""
    first = last = entries.popleft()
    rows, size = first.rows, first.size
    while entries and not first.supersedes and not entries[0].supersedes:
        following = entries[0]
        if rows + following.rows > max_rows or size + following.size > _MAX_BATCH_BYTES:
            break
        last = entries.popleft()
        rows, size = rows + last.rows, size + last.size
    return Cut(first.number, last.number, rows, first.supersedes, first.reason)
