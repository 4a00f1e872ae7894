"""Fold a batch into its minutes. Every step commutes but for lateness, which is deterministic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from pipelines.core.columns import TableColumns
from pipelines.core.fold.clock import SourceKey
from pipelines.core.fold.rows import event_ms, known, numbers, raw_columns
from pipelines.core.fold.sessions import FOREIGN
from pipelines.core.fold.state import FoldState
from pipelines.core.fold.tallies import add_tallies
from pipelines.core.metrics import MINUTE_MS, lag_bucket
from pipelines.core.minute import OpenMinute
from pipelines.core.sources import MAX_EPOCHS, SourceState
from schemas.batch import Batch
from schemas.errors import ContractError, RowError
from schemas.identity import BatchHeader
from schemas.telemetry import SampleType

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
NO_MINUTE = -1
# What a minute adds up by session, and what else is read of a row, by sample type.
_SUMS: dict[SampleType, tuple[str, ...]] = {
    SampleType.VIEWERS: ("clicks", "interactions"),
    SampleType.ORDERS: ("orders", "paid_fen", "refunds", "refunded_fen"),
    SampleType.COMPLAINTS: ("complaints",),
    SampleType.REVIEWS: ("reviews",),
}
_READ: dict[SampleType, tuple[str, ...]] = {
    SampleType.VIEWERS: ("viewers", "unique_viewers"),
    SampleType.ORDERS: ("cohort_days", "due_48h", "shipped_48h"),
    SampleType.COMPLAINTS: ("code", "responded", "response_minutes", "resolved", "closed"),
    SampleType.REVIEWS: ("latency_ms",),
}
CODES = {"safety": ("C06", "C0601"), "off_platform": ("L02",)}
# At the very start the first record need not be the oldest: this many minutes before it stay open.
START_MINUTES = 10


@dataclass(slots=True)
class Folded:
    """What a record did. `minute` is the last open minute that it touches, or NO_MINUTE."""

    minute: int
    source: SourceKey
    source_after: dict[str, Any]
    raw: TableColumns | None = None
    refused: list[RowError] | None = None
    duplicate: bool = False
    rows: int = 0
    late: int = 0
    correction: bool = False


def source_of(state: FoldState, header: BatchHeader) -> tuple[SourceKey, SourceState]:
    """The source of a batch as this topic-partition knows it."""
    ident = header.identity
    key = (ident.topic, ident.platform_id, ident.source)
    found = state.sources.get(key)
    if found is None:
        found = state.sources[key] = SourceState()
    return key, found


def fresh_epoch(state: FoldState, header: BatchHeader) -> None:
    """Raise ContractError for a batch of an epoch too old to tell whether it is a repeat."""
    _, source = source_of(state, header)
    if source.is_stale(header.identity.epoch):
        rule = f"must be one of the source's {MAX_EPOCHS} newest"
        raise ContractError("ce_epoch", rule)


def refuse(state: FoldState, header: BatchHeader, broker_ms: int) -> Folded:
    """A batch whose header is good and whose value is not: received, and not folded."""
    key, source = source_of(state, header)
    ident = header.identity
    stale = source.is_stale(ident.epoch)
    duplicate = not stale and not source.receive(ident.epoch, ident.sequence)
    if not duplicate:
        source.refused += header.rows
    if not duplicate and not stale:
        source.advance(0, broker_ms, header.final)
    return Folded(NO_MINUTE, key, source.to_json(), duplicate=duplicate)


def fold(state: FoldState, batch: Batch, offset: int, broker_ms: int) -> Folded:
    """Fold a decoded batch read at `offset`, appended by the broker at `broker_ms`."""
    header = batch.header
    key, source = source_of(state, header)
    if not source.receive(header.identity.epoch, header.identity.sequence):
        # Anybody who may write to the topic can copy a record: a repeat is no sign of life.
        return Folded(NO_MINUTE, key, source.to_json(), duplicate=True)
    source.note_clock(header.sent_ms, broker_ms)
    done = Folded(NO_MINUTE, key, {}, refused=list(batch.refused))
    done.correction = bool(header.supersedes)
    _start(state, header, batch)
    if batch.table.num_rows:
        _fold_rows(state, source, batch, done, (offset, broker_ms))
    source.rows += done.rows
    source.late_rows += 0 if done.correction else done.late
    source.refused += len(done.refused or ())
    source.advance(header.watermark_ms, broker_ms, header.final)
    done.source_after = source.to_json()
    return done


def _start(state: FoldState, header: BatchHeader, batch: Batch) -> None:
    """The first record of all decides where time begins."""
    if state.closed_through is not None:
        return
    rows = batch.table
    known = [int(event_ms(rows).min())] if rows.num_rows else []
    known += [header.watermark_ms] if header.watermark_ms else []
    if known:
        state.closed_through = min(known) // MINUTE_MS - 1 - START_MINUTES


def _fold_rows(
    state: FoldState, source: SourceState, batch: Batch, done: Folded, where: tuple[int, int]
) -> None:
    rows, ident = batch.table, batch.header.identity
    times = event_ms(rows)
    slots = state.sessions.find(rows, ident.platform_id, int(times[0]) // MINUTE_MS)
    state.fit()
    keep = np.arange(len(slots))
    if (slots == FOREIGN).any():
        rows, times, slots, keep = _drop_foreign(batch, times, slots, done)
    minutes = times // MINUTE_MS
    if done.correction:
        # On time or not, nothing of a correction is in provisional figures: what it withdraws
        # may be in them already, and would be counted beside what replaces it.
        late, counted = np.ones(len(slots), bool), np.zeros(len(slots), bool)
    else:
        late, counted = _late_or_counted(state, source, ident.topic, where[0], minutes)
    done.rows, done.late = len(slots), int(late.sum())
    done.raw = raw_columns(batch, keep, slots, times, late, state.sessions, where)
    rows = rows.select([*_SUMS[ident.sample], *_READ[ident.sample]])
    fresh = ~late & ~counted
    lags = lag_bucket(where[1] - times)
    for minute in np.unique(minutes[fresh]).tolist():
        at = np.flatnonzero((minutes == minute) & fresh)
        some = rows if len(at) == len(slots) else rows.take(pa.array(at))
        part = (slots[at], times[at], lags[at])
        _fold_minute(state, ident.platform_id, ident.sample, minute, some, part)
        done.minute = max(done.minute, minute)


def _drop_foreign(
    batch: Batch, times: Ints, slots: Ints, done: Folded
) -> tuple[pa.RecordBatch, Ints, Ints, Ints]:
    """Rows of sessions that belong to another partition would split the session in two."""
    rule = "must hash to the record's partition (murmur2, as Kafka's own clients do)"
    numbers_of_rows = batch.rows or list(range(len(slots)))
    done.refused = [*(done.refused or [])] + [
        RowError(numbers_of_rows[i], "session_id", rule)
        for i in np.flatnonzero(slots == FOREIGN).tolist()
    ]
    keep = np.flatnonzero(slots != FOREIGN)
    return batch.table.take(pa.array(keep)), times[keep], slots[keep], keep


def _late_or_counted(
    state: FoldState, source: SourceState, topic: str, offset: int, minutes: Ints
) -> tuple[Bools, Bools]:
    """Which rows [n] are late, and which a minute closed before this restart holds already."""
    nothing = np.zeros(len(minutes), bool)
    closed = state.closed_through if state.closed_through is not None else NO_MINUTE
    gone = minutes <= closed
    passed = (minutes + 1) * MINUTE_MS + state.clock.lateness_ms <= source.watermark_ms
    if not gone.any():
        return passed, nothing
    holding = [m for m, at in state.folded_at_close.items() if offset < at.get(topic, 0)]
    counted = np.isin(minutes, holding) & ~passed
    return passed | (gone & ~counted), counted


def _fold_minute(
    state: FoldState,
    platform: str,
    sample: SampleType,
    minute: int,
    rows: pa.RecordBatch,
    where: tuple[Ints, Ints, Ints],
) -> None:
    slots, times, lags = where
    into = state.open_minute(minute)
    into.add_lags(slots, lags)
    add_tallies(into, sample, platform, state.sessions.category[slots], rows)
    if sample is SampleType.VIEWERS:
        seen = known(rows, "viewers")
        viewers = numbers(rows, "viewers")
        into.add_viewers(slots[seen], times[seen] - minute * MINUTE_MS, viewers[seen])
        counted = known(rows, "unique_viewers")
        into.add_unique(slots[counted], numbers(rows, "unique_viewers")[counted])
    elif sample is SampleType.COMPLAINTS:
        _add_codes(into, slots, rows)
    for name in _SUMS[sample]:
        into.add(name, slots, numbers(rows, name))


def _add_codes(into: OpenMinute, slots: Ints, rows: pa.RecordBatch) -> None:
    """Complaints of the codes that rules of their own look at."""
    code, filed = rows.column("code").cast(pa.utf8()), numbers(rows, "complaints")
    for name, wanted in CODES.items():
        at = np.flatnonzero(pa.compute.is_in(code, pa.array(wanted)).to_numpy(zero_copy_only=False))
        if len(at):
            into.add(name, slots[at], filed[at])
