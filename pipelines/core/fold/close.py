"""Close a minute: indicator rows, the partial for the cells, the detector's bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipelines.core.columns import TableColumns
from pipelines.core.flags import Entity, FlagEvent, flag_event
from pipelines.core.fold.rows import indicator_columns
from pipelines.core.fold.state import EXPECTED_MINUTES, FORGET_MINUTES, NEVER, FoldState
from pipelines.core.metrics import LAG_NAMES, MINUTE_MS, WINDOWS, Columns
from pipelines.core.minute import OpenMinute
from pipelines.core.orders import FOR_EVER, OrdersKnown
from pipelines.core.partials import CELL_METRICS, MERCHANT_METRICS, NOTHING_CLOSED, Partial, Rows
from pipelines.core.silence_flags import frozen_flag
from pipelines.core.spikes import OpenCounts
from schemas.telemetry import SampleType

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class ClosedMinute:
    """Everything that closing a minute gives: to the warehouse, to the next stage, to keep."""

    minute: int
    indicators: TableColumns | None
    partial: Partial
    columns: Columns
    latest: Ints
    flags: list[FlagEvent]


def close_minute(state: FoldState, minute: int, version: int, now_ms: int) -> ClosedMinute:
    """Close `minute`; `version` marks who wrote, `now_ms` when the flags were decided."""
    state.fit()
    state.start_series()
    opened = state.opens.pop(minute, None) or OpenMinute(state.sessions.capacity)
    seen = opened.seen
    state.last_seen[seen] = minute
    state.latest[seen] = opened.latest_viewers()[seen]
    expected = _expected(state, state.last_seen, state.latest, minute)
    columns = opened.columns(expected)
    state.rolling.close(minute, columns)
    heard = platform_heard(state, seen)
    events = state.monitor.close_minute(minute, columns["complaints"], columns["orders"], heard)
    at_ms = (minute + 1) * MINUTE_MS
    flags = [flag_event(e, _entity(state, e.series), at_ms, now_ms) for e in events]
    still = state.frozen.close_minute(minute, columns, seen)
    flags += [frozen_flag(one, _entity(state, one.key), now_ms) for one in still]
    gauges = _gauges(state.last_seen, state.latest, minute)
    busy = np.flatnonzero(expected | (columns["orders"] > 0) | (columns["complaints"] > 0))
    rows = None
    if len(busy):
        rows = indicator_columns(minute, busy, state.rolling, state.sessions, gauges)
        rows["version"] = np.full(len(busy), version, np.int64)
    partial = _partial(state, minute, columns | gauges, closed=True, version=version)
    latest = np.where(seen, state.latest, -1)
    state.closed_through = minute
    flags += _forget(state, minute, now_ms)
    return ClosedMinute(minute, rows, partial, columns, latest, flags)


def open_partials(state: FoldState, version: int) -> list[Partial]:
    """Partials of the open minutes that changed since the last call."""
    last_seen, latest = state.last_seen.copy(), state.latest.copy()
    out = []
    for minute, opened in sorted(state.opens.items()):
        opened.grow(state.sessions.capacity)
        seen = opened.seen
        last_seen[seen] = minute
        latest[seen] = opened.latest_viewers()[seen]
        if opened.dirty:
            columns = opened.columns(_expected(state, last_seen, latest, minute))
            columns = columns | _gauges(last_seen, latest, minute)
            out.append(_partial(state, minute, columns, closed=False, version=version))
            opened.dirty = False
    return out


def progress_ms(state: FoldState) -> int:
    """Event time that the complaints of this partition have reached."""
    topic = SampleType.COMPLAINTS.topic
    return max((s.watermark_ms for k, s in state.sources.items() if k[0] == topic), default=0)


def orders_until_ms(state: FoldState) -> dict[str, int]:
    """Event time up to which the orders of each platform have been read on this partition."""
    out: dict[str, int] = {}
    for (topic, platform, _), source in state.sources.items():
        if topic == SampleType.ORDERS.topic:
            until = FOR_EVER if source.final else source.watermark_ms
            out[platform] = max(out.get(platform, 0), until)
    return out


def tick(state: FoldState, now_ms: int) -> list[FlagEvent]:
    """Look for spikes in the open minutes."""
    opens = [
        OpenCounts(minute, one.sum("complaints"), one.sum("orders"))
        for minute, one in sorted(state.opens.items())
    ]
    if not any(one.complaints.any() for one in opens):
        return []
    state.fit()
    state.start_series()
    at_ms = progress_ms(state)
    sessions, until = state.sessions, orders_until_ms(state)
    known = OrdersKnown.of(sessions.platforms, {p: {0: ms} for p, ms in until.items()}, 1)
    known = replace(known, platform=sessions.platform.astype(np.int64))
    events = state.monitor.tick(at_ms, opens, known)
    return [flag_event(e, _entity(state, e.series), at_ms, now_ms) for e in events]


def _expected(state: FoldState, last_seen: Ints, latest: Ints, minute: int) -> Bools:
    """Sessions that are due a sample. One whose last gauge was 0 has said that it is over."""
    age = minute - last_seen
    due: Bools = state.sessions.live & (age < EXPECTED_MINUTES) & ((age == 0) | (latest > 0))
    return due


def platform_heard(state: FoldState, seen: Bools) -> Bools:
    """Series whose platform sent viewer samples: with no telemetry, no complaint says nothing."""
    sessions = state.sessions
    heard = np.zeros(max(len(sessions.platforms), 1), bool)
    heard[sessions.platform[seen]] = True
    known: Bools = heard[sessions.platform]
    return known


def _gauges(last_seen: Ints, latest: Ints, minute: int) -> Columns:
    """I01 and I02 of each slot: a sample within the window, and the latest viewers of it."""
    out = {}
    for w in WINDOWS:
        active = minute - last_seen < w
        out[f"active_{w}m"] = active.astype(np.int64)
        out[f"viewers_{w}m"] = np.where(active, latest, 0)
    return out


def _partial(
    state: FoldState, minute: int, columns: Columns, *, closed: bool, version: int
) -> Partial:
    sessions = state.sessions
    cells = _grouped(sessions.cell, sessions.cells.keys, {n: columns[n] for n in CELL_METRICS})
    # A merchant's orders matter to its exposure once they are final; until then only complaints.
    names = MERCHANT_METRICS
    merchants = _grouped(sessions.merchant, sessions.merchants.keys, {n: columns[n] for n in names})
    # An open minute's message may pass a closed one that is still on its way: it says nothing of
    # what is closed.
    through = minute if closed else NOTHING_CLOSED
    progress, until = progress_ms(state), orders_until_ms(state)
    return Partial(
        state.partition, minute, closed, through, version, progress, cells, merchants, until
    )


def _grouped(
    group: npt.NDArray[np.int32], keys: list[tuple[str, str, str] | None], columns: Columns
) -> Rows:
    """Sums of the columns [slot] by group [slot]; groups where all are zero are left out."""
    sums, some = {}, np.zeros(len(keys), bool)
    for name, values in columns.items():
        at = np.flatnonzero(values)
        total = np.zeros(len(keys), np.int64)
        np.add.at(total, group[at], values[at])
        sums[name] = total
        some |= total != 0
    at = np.flatnonzero(some)
    found = [key for i in at.tolist() if (key := keys[i]) is not None]
    return Rows(found, {name: total[at] for name, total in sums.items()})


def _entity(state: FoldState, slot: int) -> Entity:
    session = state.sessions.dims[slot]
    if session is None:
        raise LookupError(f"no session at slot {slot}")
    return Entity(
        "session", session.session_id, session.platform_id, session.category, session.district
    )


def _forget(state: FoldState, minute: int, now_ms: int) -> list[FlagEvent]:
    quiet = minute - np.maximum(state.last_seen, state.sessions.since) > FORGET_MINUTES
    gone = np.flatnonzero(state.sessions.live & quiet & ~_in_open(state))
    return forget(state, gone, minute, now_ms) if len(gone) else []


def forget(state: FoldState, gone: Ints, minute: int, now_ms: int) -> list[FlagEvent]:
    """Sessions at these slots are over as of `minute`; the flags that end with them."""
    state.fit()
    entities = {slot: _entity(state, slot) for slot in gone.tolist()}
    start = (minute // state.monitor.minutes_per_bin) * state.monitor.policy.bin_ms
    events = state.monitor.end(gone, start)
    state.sessions.forget(gone)
    state.rolling.reset(gone)
    state.frozen.end(gone)
    state.last_seen[gone] = NEVER
    state.latest[gone] = 0
    at_ms = (minute + 1) * MINUTE_MS
    return [flag_event(e, entities[e.series], at_ms, now_ms) for e in events]


def _in_open(state: FoldState) -> Bools:
    """Slots that an open minute has rows of: they must keep their place."""
    busy = np.zeros(state.sessions.capacity, bool)
    for opened in state.opens.values():
        busy |= opened.seen
        for name in LAG_NAMES:  # every row counts in one of them
            busy |= opened.sum(name) > 0
    return busy
