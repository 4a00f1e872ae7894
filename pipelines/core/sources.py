"""A source as one topic-partition sees it: watermark, sequence numbers, counts.

Lateness is deterministic: a row is late if **its own source's** watermark on this
topic-partition had passed its minute by the allowed lateness, which depends only on the
records before it, or if its minute is closed already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from pipelines.core.sequence import SequenceRange
from schemas.telemetry import MAX_AHEAD_MS

# Epochs of one source whose sequence numbers are remembered; a producer starts a new one with
# each process. Of a batch from before them nobody can say whether it is a repeat: it is refused.
MAX_EPOCHS = 16


@dataclass
class SourceState:
    """State of (topic, partition, platform, source) after some record."""

    watermark_ms: int = 0
    last_broker_ms: int = 0
    final: bool = False
    batches: int = 0
    rows: int = 0
    duplicates: int = 0
    late_rows: int = 0
    refused: int = 0
    skew_ms: int = 0
    """The source's clock minus the broker's at the last batch; its way to the broker included."""
    skew_low_ms: int = 0
    skew_high_ms: int = 0
    ranges: dict[int, SequenceRange] = field(default_factory=dict)

    def is_stale(self, epoch: int) -> bool:
        """Whether the epoch is older than all that are remembered, and memory is full."""
        return len(self.ranges) >= MAX_EPOCHS and epoch < min(self.ranges)

    def receive(self, epoch: int, sequence: int) -> bool:
        """Take note of a batch; False when it is a repeat and must not be folded again."""
        known = self.ranges.get(epoch)
        if known is None:
            known = self.ranges[epoch] = SequenceRange()
            for old in sorted(self.ranges)[:-MAX_EPOCHS]:
                del self.ranges[old]
        if not known.add(sequence):
            self.duplicates += 1
            return False
        self.batches += 1
        return True

    def note_clock(self, sent_ms: int, broker_ms: int) -> None:
        """The source sealed a batch at `sent_ms` by its own clock; the broker had it later."""
        self.skew_ms = sent_ms - broker_ms
        first = self.batches <= 1
        self.skew_low_ms = self.skew_ms if first else min(self.skew_low_ms, self.skew_ms)
        self.skew_high_ms = self.skew_ms if first else max(self.skew_high_ms, self.skew_ms)

    def advance(self, watermark_ms: int, broker_ms: int, final: bool) -> None:
        """The record's header has been read, after its rows.

        The clock guard holds for watermarks too: a source that promises the future would make
        its own next rows late.
        """
        self.watermark_ms = max(self.watermark_ms, min(watermark_ms, broker_ms + MAX_AHEAD_MS))
        self.last_broker_ms = max(self.last_broker_ms, broker_ms)
        self.final = final

    def holds(self, clock_ms: int, idle_ms: int) -> bool:
        """Whether bins must wait for this source, by the topic-partition's own clock."""
        return not self.final and clock_ms - self.last_broker_ms <= idle_ms

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists: also the copy that each pending record carries."""
        return {
            "watermark_ms": self.watermark_ms,
            "last_broker_ms": self.last_broker_ms,
            "final": self.final,
            "batches": self.batches,
            "rows": self.rows,
            "duplicates": self.duplicates,
            "late_rows": self.late_rows,
            "refused": self.refused,
            "skew_ms": self.skew_ms,
            "skew_low_ms": self.skew_low_ms,
            "skew_high_ms": self.skew_high_ms,
            "ranges": {str(e): r.to_json() for e, r in self.ranges.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        ranges = {int(e): SequenceRange.from_json(r) for e, r in data["ranges"].items()}
        return cls(**(data | {"ranges": ranges}))
