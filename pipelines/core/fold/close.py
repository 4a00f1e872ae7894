"""Close a minute: indicator rows, the partial for the cells, the detector's bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipelines.core.columns import TableColumns
from pipelines.core.flags import Entity, FlagEvent, flag_event
from pipelines.core.fold.groups import complaint_rows, group_rows
from pipelines.core.fold.places import with_places
from pipelines.core.fold.rises import open_rises
from pipelines.core.fold.rows import indicator_columns
from pipelines.core.fold.state import EXPECTED_MINUTES, FORGET_MINUTES, NEVER, FoldState
from pipelines.core.fold.tallies import tally_rows
from pipelines.core.fold.values import session_values, spread_rows
from pipelines.core.metrics import LAG_NAMES, MINUTE_MS, WINDOWS, Columns
from pipelines.core.minute import OpenMinute
from pipelines.core.orders import FOR_EVER, OrdersKnown
from pipelines.core.partials import (
    CELL_METRICS,
    MERCHANT_METRICS,
    NOTHING_CLOSED,
    OFFENCE,
    Partial,
    Rows,
)
from pipelines.core.rules.flags import rule_flag
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
    values: TableColumns | None = None


def close_minute(state: FoldState, minute: int, version: int, now_ms: int) -> ClosedMinute:
    """Close `minute`; `version` marks who wrote, `now_ms` when the flags were decided."""
    state.fit()
    state.start_series()
    opened = state.opens.pop(minute, None) or OpenMinute(state.sessions.capacity)
    seen = opened.seen
    # In its first minute without viewers a session may still have orders of the time before.
    dark = (state.last_seen > NEVER) & (state.latest == 0) & (opened.peak == 0)
    state.last_seen[seen] = minute
    state.latest[seen] = opened.latest_viewers()[seen]
    expected = _expected(state, state.last_seen, state.latest, minute)
    columns = opened.columns(expected)
    columns["ghost_orders"] = np.where(dark, columns["orders"], 0)
    columns |= {"peak": opened.peak, "unique": opened.unique}
    state.life.add_minute(minute, columns)
    state.rolling.close(minute, columns)
    heard = platform_heard(state, seen)
    events = state.monitor.close_minute(minute, columns["complaints"], columns["orders"], heard)
    at_ms = (minute + 1) * MINUTE_MS
    flags = [flag_event(e, _entity(state, e.series), at_ms, now_ms) for e in events]
    still = state.frozen.close_minute(minute, columns, seen)
    flags += [frozen_flag(one, _entity(state, one.key), now_ms) for one in still]
    flags += _judge(state, minute, columns, heard, now_ms)
    _note(state, flags)
    gauges = _gauges(state.last_seen, state.latest, minute)
    busy = np.flatnonzero(expected | (columns["orders"] > 0) | (columns["complaints"] > 0))
    rows = None
    if len(busy):
        rows = indicator_columns(minute, busy, state.rolling, state.sessions, gauges)
        rows["version"] = np.full(len(busy), version, np.int64)
    state.last_review[columns["reviews"] > 0] = minute
    partial = _partial(state, minute, columns | gauges, closed=True, version=version)
    partial = replace(partial, tallies=tally_rows(opened, minute, state))
    latest = np.where(seen, state.latest, -1)
    values = session_values(state, minute, version)
    state.closed_through = minute
    flags += _forget(state, minute, now_ms)
    return ClosedMinute(minute, rows, partial, columns, latest, flags, values)


def _judge(
    state: FoldState, minute: int, columns: Columns, heard: Bools, now_ms: int
) -> list[FlagEvent]:
    """The rules of sessions (F02, F03, F04, F07, F10)."""
    live, group = state.sessions.live, state.monitor.group[: state.sessions.capacity]
    fed = state.fed(columns)
    events = state.board.close_minute(minute, fed, heard, live, group.astype(np.int64))
    return [rule_flag(e, _entity(state, e.slot), now_ms) for e in events]


def _note(state: FoldState, flags: list[FlagEvent]) -> None:
    """Flags of sessions are offences of their merchants."""
    for flag in flags:
        slot = state.sessions.slot(flag.platform_id, flag.entity)
        session = None if slot is None else state.sessions.dims[slot]
        if session is not None:
            key = (session.platform_id, session.merchant_pid, session.category)
            state.offences.note("\n".join(key), flag)


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
    flags = [flag_event(e, _entity(state, e.series), at_ms, now_ms) for e in events]
    _note(state, flags)
    return flags


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
    if closed:
        merchants = with_places(merchants, sessions, columns)
        merchants = _with_offences(merchants, state.offences.take(minute))
    # An open minute's message may pass a closed one that is still on its way: it says nothing of
    # what is closed.
    through = minute if closed else NOTHING_CLOSED
    progress, until = progress_ms(state), orders_until_ms(state)
    groups = group_rows(sessions.dims, columns)
    spread = spread_rows(state, minute) if closed else Rows([], {})
    return Partial(
        state.partition, minute, closed, through, version, progress, cells, merchants, until,
        groups, spread, rises=open_rises(state), whose=complaint_rows(sessions.dims, columns),
    )  # fmt: skip


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


def _with_offences(rows: Rows, found: list[tuple[str, str]]) -> Rows:
    """The rows of merchants with a column of offences for each rule that was broken."""
    if not found:
        return rows
    keys = list(rows.keys)
    place = {key: i for i, key in enumerate(keys)}
    for merchant, _ in found:
        platform, pid, category = merchant.split("\n")
        if (platform, pid, category) not in place:
            place[platform, pid, category] = len(keys)
            keys.append((platform, pid, category))
    values = {n: np.pad(v, (0, len(keys) - len(v))) for n, v in rows.values.items()}
    for merchant, rule in found:
        column = values.setdefault(OFFENCE + rule, np.zeros(len(keys), np.int64))
        platform, pid, category = merchant.split("\n")
        column[place[platform, pid, category]] = 1
    return Rows(keys, values)


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
    flags = [rule_flag(e, entities[e.slot], now_ms) for e in state.board.end(gone, minute)]
    state.sessions.forget(gone)
    state.rolling.reset(gone)
    state.frozen.end(gone)
    state.life.reset(gone)
    state.last_seen[gone] = NEVER
    state.latest[gone] = 0
    state.last_review[gone] = NEVER
    at_ms = (minute + 1) * MINUTE_MS
    return flags + [flag_event(e, entities[e.series], at_ms, now_ms) for e in events]


def _in_open(state: FoldState) -> Bools:
    """Slots that an open minute has rows of: they must keep their place."""
    busy = np.zeros(state.sessions.capacity, bool)
    for opened in state.opens.values():
        busy |= opened.seen
        for name in LAG_NAMES:  # every row counts in one of them
            busy |= opened.sum(name) > 0
    return busy
