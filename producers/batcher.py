"""Rows of one source become sealed batches with an identity; pure, time passed in.

One `Batcher` per source. Rows are kept by (sample type, partition) until there are enough
of them or they are old enough; a topic-partition with nothing to say gets a heartbeat, an
empty batch that carries the watermark on. The identity is fixed here, before anything is
written or sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from producers.corrections import correcting
from schemas.batch import encode, lean
from schemas.identity import BatchHeader, BatchIdentity, Supersedes
from schemas.telemetry import ARROW, HEARTBEAT_MS, MAX_BYTES, MAX_ROWS, SampleType


def _empty(sample: SampleType) -> bytes:
    schema = ARROW[sample]
    nothing = [pa.nulls(0, field.type) for field in schema]
    return encode(lean(pa.RecordBatch.from_arrays(nothing, schema=schema), sample))


#: The value of a heartbeat.
EMPTY = {t: _empty(t) for t in SampleType}


@dataclass(frozen=True, slots=True)
class SealPolicy:
    """When a batch is sealed. Milliseconds are of the sender's wall clock.

    `heartbeat_ms` is the longest silence of a topic-partition: the contract's bound is
    HEARTBEAT_MS; a source that replays faster than real time wants it shorter, since a
    second of silence is then a minute of event time.
    """

    max_rows: int = 1000
    linger_ms: int = 500
    heartbeat_ms: int = 2_000

    def __post_init__(self) -> None:
        if not 1 <= self.max_rows <= MAX_ROWS:
            raise ValueError(f"max_rows must be from 1 to {MAX_ROWS}")
        if not 0 < self.heartbeat_ms <= HEARTBEAT_MS:
            raise ValueError(f"heartbeat_ms must be from 1 to {HEARTBEAT_MS}")


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch that will never change again: header, bytes for the wire, and its rows."""

    header: BatchHeader
    value: bytes
    rows: pa.RecordBatch | None  # None for a heartbeat


@dataclass(slots=True)
class _Lane:
    """What waits for one topic-partition, and what was said to it last."""

    sample: SampleType
    partition: int
    chunks: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    oldest_ms: int = 0
    last_sealed_ms: int = -HEARTBEAT_MS  # so that the first poll says hello
    sequence: int = 0
    watermark_ms: int = 0


class Batcher:
    """Batches of one source. Not thread-safe.

    Call order: `add` rows, then `advance` once every row before that event time was added,
    then `poll` for what is due. Every sealed batch must be sent, in the order given.
    """

    def __init__(
        self,
        platform_id: str,
        source: str,
        epoch: int,
        partitions: int,
        policy: SealPolicy,
        *,
        watermark_ms: int = 0,
        ordered: bool = True,
    ) -> None:
        """`ordered` False: rows older than the watermark may come; they are late, not wrong."""
        self._ordered = ordered
        self.platform_id, self.source, self.epoch = platform_id, source, epoch
        self._policy = policy
        self._watermark = watermark_ms
        self._silent = False
        self._lanes = {(t, p): _Lane(t, p) for t in SampleType for p in range(partitions)}

    @property
    def watermark_ms(self) -> int:
        return self._watermark

    def add(
        self, sample: SampleType, partition: int, rows: pa.RecordBatch, now_ms: int
    ) -> list[SealedBatch]:
        """Take rows (schema `ARROW[sample]`) and return the batches that they filled.

        Raises ValueError when a row is older than the watermark of an ordered source: it has
        promised that no such row would come.
        """
        if not rows.num_rows or self._silent:
            return []
        if self._ordered and _first_event_ms(rows) < self._watermark:
            raise ValueError(f"a row is older than the watermark of {self.source}")
        lane = self._lanes[sample, partition]
        if not lane.rows:
            lane.oldest_ms = now_ms
        lane.chunks.append(rows)
        lane.rows += rows.num_rows
        sealed = []
        while lane.rows >= self._policy.max_rows:
            sealed.append(self._cut(lane, now_ms))
        return sealed

    @property
    def silent(self) -> bool:
        """Whether the source is dark at the moment."""
        return self._silent

    def advance(self, watermark_ms: int) -> None:
        """Promise that every row with an event time before `watermark_ms` was added."""
        self._watermark = max(self._watermark, watermark_ms)

    def poll(self, now_ms: int) -> list[SealedBatch]:
        """Seal what has waited long enough, and a heartbeat where nothing was said."""
        if self._silent:
            return []
        return list(self._due(now_ms))

    def flush(self, now_ms: int) -> list[SealedBatch]:
        """Seal all rows that wait, however young they are."""
        if self._silent:
            return []
        return [self._cut(lane, now_ms) for lane in self._lanes.values() if lane.rows]

    def correct(
        self,
        sample: SampleType,
        partition: int,
        rows: pa.RecordBatch | None,
        why: tuple[Supersedes, str],
        now_ms: int,
    ) -> list[SealedBatch]:
        """A correction, as a batch of its own behind all rows that wait in its lane.

        `why` is what it withdraws and the code of the reason; `rows`, at most `max_rows`, stand in
        its place. Raises ContractError for a reason that is not in the list.
        """
        lane = self._lanes[sample, partition]
        before = [self._cut(lane, now_ms)] if lane.rows else []
        made = self._seal(lane, rows, now_ms)
        return [*before, replace(made, header=correcting(made.header, *why))]

    def silence(self, silent: bool, now_ms: int) -> list[SealedBatch]:
        """Go dark (rows are dropped, no heartbeats) or come back; seals what still waits."""
        sealed = self.flush(now_ms)
        self._silent = silent
        return sealed

    def close(self, now_ms: int, watermark_ms: int, *, final: bool) -> list[SealedBatch]:
        """Seal everything; then a last heartbeat each: nothing before `watermark_ms` will come.

        `final` says goodbye: nothing at all will come, so nobody has to wait for this source.
        """
        sealed = self.flush(now_ms)
        self.advance(watermark_ms)
        lanes = self._lanes.values()
        return sealed + [self._seal(lane, None, now_ms, final=final) for lane in lanes]

    def _due(self, now_ms: int) -> Iterator[SealedBatch]:
        for lane in self._lanes.values():
            if lane.rows:
                if now_ms - lane.oldest_ms >= self._policy.linger_ms:
                    yield self._cut(lane, now_ms)
            elif now_ms - lane.last_sealed_ms >= self._policy.heartbeat_ms:
                yield self._seal(lane, None, now_ms)

    def _cut(self, lane: _Lane, now_ms: int) -> SealedBatch:
        """Seal the first rows of a lane, at most `max_rows`; the rest keep waiting."""
        rows = _concat(lane.chunks)
        head = rows.slice(0, self._policy.max_rows)
        rest = rows.slice(head.num_rows)
        lane.chunks = [rest] if rest.num_rows else []
        lane.rows = rest.num_rows
        return self._seal(lane, head, now_ms)

    def _seal(
        self, lane: _Lane, rows: pa.RecordBatch | None, now_ms: int, *, final: bool = False
    ) -> SealedBatch:
        identity = BatchIdentity(
            self.platform_id,
            self.source,
            self.epoch,
            lane.sample.topic,
            lane.partition,
            lane.sequence,
        )
        value = EMPTY[lane.sample] if rows is None else encode(lean(rows, lane.sample))
        if len(value) > MAX_BYTES:
            raise ValueError(f"a batch of {identity.topic} is over {MAX_BYTES} bytes")
        watermark = min([self._watermark, *(_first_event_ms(c) for c in lane.chunks)])
        watermark = lane.watermark_ms = max(lane.watermark_ms, watermark)
        lane.sequence += 1
        lane.last_sealed_ms = now_ms
        count = 0 if rows is None else rows.num_rows
        header = BatchHeader(identity, count, watermark, now_ms, final)
        return SealedBatch(header, value, rows)


def _concat(chunks: list[pa.RecordBatch]) -> pa.RecordBatch:
    return chunks[0] if len(chunks) == 1 else pa.concat_batches(chunks)


def _first_event_ms(rows: pa.RecordBatch) -> int:
    first: int = pc.min(rows.column(0).cast(pa.int64())).as_py()
    return first
