"""One source per platform that sends through this gateway; pure, time passed in.

Watermark. Rows come by HTTP in no strict order, so the source promises only that rows older than
the newest one by `lag_ms` are in. A platform that says nothing for `idle_ms` is no longer spoken
for: its source falls silent, as the platform did, and silence is what the regulator must see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from producers.batcher import Batcher, SealedBatch, SealPolicy
from producers.gateway.correction import Correction
from producers.gateway.places import Place, Shards, place_rows
from schemas.sharding import shards_of_column
from schemas.telemetry import MAX_ROWS, SampleType

_SESSION = 1  # column of session_id


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """`lag_ms`: how far rows may come out of order; `idle_ms`: silence that ends heartbeats."""

    lag_ms: int = 10_000
    idle_ms: int = 60_000
    heartbeat_ms: int = 4_000


class PlatformSource:
    """What one platform has said through this gateway."""

    def __init__(
        self, platform_id: str, source: str, epoch: int, partitions: int, policy: SourcePolicy
    ) -> None:
        seal = SealPolicy(MAX_ROWS, 0, policy.heartbeat_ms)
        self._batcher = Batcher(platform_id, source, epoch, partitions, seal, ordered=False)
        self._partitions, self._policy = partitions, policy
        self._heard_ms = 0
        self._gone = False

    @property
    def watermark_ms(self) -> int:
        return self._batcher.watermark_ms

    def active(self, now_ms: int) -> bool:
        """Whether the platform is spoken for at the moment."""
        return not self._gone and now_ms - self._heard_ms < self._policy.idle_ms

    def add(
        self, sample: SampleType, tables: list[pa.RecordBatch], now_ms: int
    ) -> tuple[list[SealedBatch], list[list[Place]]]:
        """Rows of one sample type, a table a request: the batches, and where each request's are."""
        rows = tables[0] if len(tables) == 1 else pa.concat_batches(tables)
        self._heard(now_ms)
        newest = pc.max(rows.column(0).cast(pa.int64())).as_py()
        shards = shards_of_column(rows.column(_SESSION), self._partitions)
        sealed: list[SealedBatch] = []
        for partition, part in split(rows, shards, self._partitions):
            sealed += self._batcher.add(sample, partition, part, now_ms)
        self._batcher.advance(min(newest, now_ms) - self._policy.lag_ms)
        sealed += self._batcher.flush(now_ms)
        ends = np.cumsum([t.num_rows for t in tables])[:-1]
        return sealed, place_rows(np.split(shards, ends), sealed)

    def correct(
        self, sample: SampleType, rows: pa.RecordBatch | None, what: Correction, now_ms: int
    ) -> list[SealedBatch]:
        """A batch for each thing withdrawn; the rows of a partition come with its last one.

        It speaks of the past: the watermark stays, and the platform is not heard by it.
        """
        parts: dict[int, pa.RecordBatch] = {}
        if rows is not None and rows.num_rows:
            shards = shards_of_column(rows.column(_SESSION), self._partitions)
            parts = dict(split(rows, shards, self._partitions))
        last = dict(what.targets)
        sealed: list[SealedBatch] = []
        for partition, target in what.targets:
            brought = parts.get(partition) if target == last[partition] else None
            why = target, what.reason
            sealed += self._batcher.correct(sample, partition, brought, why, now_ms)
        return sealed

    def alive(self, now_ms: int) -> None:
        """The platform is there and has nothing to say up to now."""
        self._heard(now_ms)
        self._batcher.advance(now_ms - self._policy.lag_ms)

    def goodbye(self, now_ms: int) -> list[SealedBatch]:
        """Nothing more is coming: nobody has to wait for this platform."""
        self._gone = True
        return self._batcher.close(now_ms, now_ms, final=True)

    def poll(self, now_ms: int) -> list[SealedBatch]:
        """Heartbeats where they are due."""
        return self._batcher.poll(now_ms) if self.active(now_ms) else []

    def _heard(self, now_ms: int) -> None:
        self._heard_ms, self._gone = now_ms, False


class Sources:
    """The sources of this run of the gateway, by platform."""

    def __init__(self, name: str, epoch: int, partitions: int, policy: SourcePolicy) -> None:
        self.name = f"gw-{name}"
        self.partitions, self._policy = partitions, policy
        self.epoch = epoch
        self._by_platform: dict[str, PlatformSource] = {}

    def of(self, platform_id: str) -> PlatformSource:
        """The source of a platform, made when it is first heard."""
        found = self._by_platform.get(platform_id)
        if found is None:
            found = PlatformSource(
                platform_id, self.name, self.epoch, self.partitions, self._policy
            )
            self._by_platform[platform_id] = found
        return found

    def get(self, platform_id: str) -> PlatformSource | None:
        return self._by_platform.get(platform_id)

    def poll(self, now_ms: int) -> list[SealedBatch]:
        return [b for s in self._by_platform.values() for b in s.poll(now_ms)]

    def renew(self, epoch: int) -> None:
        """Number anew under a new epoch: what was sealed last could not be written down, and a
        number that was never stored must not look like a lost batch."""
        self.epoch = epoch
        self._by_platform.clear()

    def __len__(self) -> int:
        return len(self._by_platform)


def split(
    rows: pa.RecordBatch, shards: Shards, partitions: int
) -> Iterable[tuple[int, pa.RecordBatch]]:
    """Rows by their partition, shape (rows,), in their order."""
    order = shards.argsort(kind="stable")
    ordered = rows.take(pa.array(order))
    ends = shards[order].searchsorted(range(partitions), side="right").tolist()
    start = 0
    for partition, end in enumerate(ends):
        if end > start:
            yield partition, ordered.slice(start, end - start)
        start = end
