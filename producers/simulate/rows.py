"""Sampled arrays become Arrow rows of the contract, cut by platform and partition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from producers.arrays import I32, I64
from producers.simulate.care import MODES, OUTCOMES, Care, ReviewRows
from producers.simulate.city import City
from producers.simulate.complaints import CHANNELS, CODES, ComplaintRows
from producers.simulate.effects import Effects
from producers.simulate.ids import to_arrow
from producers.simulate.sampling import Tick
from producers.simulate.sessions import Slots
from schemas.telemetry import ARROW, SampleType

_UTC_MS = pa.timestamp("ms", tz="UTC")
_CODES, _CHANNELS = pa.array(CODES, pa.utf8()), pa.array(list(CHANNELS), pa.utf8())
_MODES, _OUTCOMES = pa.array(list(MODES), pa.utf8()), pa.array(list(OUTCOMES), pa.utf8())


@dataclass(frozen=True)
class Shard:
    """Rows of one sample type for one platform (by number) and one partition."""

    sample: SampleType
    platform: int
    partition: int
    rows: pa.RecordBatch


class RowMaker:
    """Assembles rows by gathering; `slots` of a tick must be sorted by their key."""

    def __init__(self, city: City, slots: Slots, care: Care, partitions: int) -> None:
        self._city, self._slots, self._care = city, slots, care
        self._partitions = partitions

    def shards(self, tick: Tick, complaints: ComplaintRows, effects: Effects) -> Iterator[Shard]:
        """All rows of a tick; complaint rows may come in any order."""
        dims = self._dimensions(tick.slots)
        measures = [tick.viewers, tick.unique, tick.clicks, tick.interactions]
        counts = [pa.array(m, pa.uint32()) for m in measures]
        yield from self._cut(SampleType.VIEWERS, tick.slots, tick.event_ms, dims, counts)
        at = np.flatnonzero(tick.order_rows)
        if len(at):
            yield from self._orders(tick, at, dims)
        if len(complaints.slots):
            yield from self._complaints(complaints)
        reviews = self._care.reviews(tick, effects)
        if len(reviews.at):
            yield from self._reviews(tick, reviews, dims)

    def _orders(self, tick: Tick, at: I64, dims: list[pa.Array]) -> Iterator[Shard]:
        take = pa.array(at)
        measures = [
            pa.array(tick.orders[at], pa.uint32()),
            pa.array(tick.paid_fen[at], pa.int64()),
            pa.array(tick.refunds[at], pa.uint32()),
            pa.array(tick.refunded_fen[at], pa.int64()),
            *self._care.of_orders(tick, at),
        ]
        some = [d.take(take) for d in dims]
        yield from self._cut(SampleType.ORDERS, tick.slots[at], tick.event_ms[at], some, measures)

    def _complaints(self, rows: ComplaintRows) -> Iterator[Shard]:
        order = np.argsort(self._slots.key[rows.slots], kind="stable")
        slots = rows.slots[order]
        measures = [
            _coded(rows.code[order], _CODES),
            _coded(rows.channel[order], _CHANNELS),
            pa.array(rows.complaints[order], pa.uint32()),
            *(column.take(pa.array(order)) for column in self._care.of_complaints(rows)),
        ]
        dims = self._dimensions(slots)
        yield from self._cut(SampleType.COMPLAINTS, slots, rows.event_ms[order], dims, measures)

    def _reviews(self, tick: Tick, rows: ReviewRows, dims: list[pa.Array]) -> Iterator[Shard]:
        measures = [
            _coded(rows.mode, _MODES),
            _coded(rows.outcome, _OUTCOMES),
            pa.array(rows.reviews, pa.uint32()),
            pa.array(rows.latency_ms, pa.uint32()),
        ]
        some = [d.take(pa.array(rows.at)) for d in dims]
        slots, times = tick.slots[rows.at], tick.event_ms[rows.at]
        yield from self._cut(SampleType.REVIEWS, slots, times, some, measures)

    def _dimensions(self, slots: I64) -> list[pa.Array]:
        """Columns session_id to streamer_tier."""
        who = pa.array(self._slots.streamer[slots])
        # column by column: three times as fast as RecordBatch.take
        columns = [column.take(who) for column in self._city.streamers.columns]
        return [to_arrow(self._slots.session_id[slots]), *columns]

    def _cut(
        self,
        sample: SampleType,
        slots: I64,
        event_ms: I64,
        dims: list[pa.Array],
        measures: list[pa.Array],
    ) -> Iterator[Shard]:
        times = pa.array(event_ms, pa.int64()).view(_UTC_MS)
        rows = pa.RecordBatch.from_arrays([times, *dims, *measures], schema=ARROW[sample])
        for key, first, last in _runs(self._slots.key[slots]):
            platform, partition = divmod(key, self._partitions)
            yield Shard(sample, platform, partition, rows.slice(first, last - first))


def _runs(keys: I32) -> Iterator[tuple[int, int, int]]:
    """(key, first, last + 1) of each run of equal keys."""
    edges = np.flatnonzero(np.diff(keys)) + 1
    firsts = [0, *edges.tolist()]
    lasts = [*edges.tolist(), len(keys)]
    for first, last in zip(firsts, lasts, strict=True):
        if last > first:
            yield int(keys[first]), first, last


def _coded(index: npt.NDArray[np.integer], codes: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int16)), codes)
