"""What the first stage keeps across a restart, as named entries of bytes.

    head         JSON: closed through, sources as of the last acknowledged record
    minute/N     columns of closed minute N; written once and never over
    hour/N       orders and complaints of finished clock hour N
    sessions/NN  the sessions of a chunk of slots
    detector/N   filter, exposure and prior of the detector, at the end of a bin; two by turns,
                 so that the one of the last head is there while the next is written
    book         JSON: open episodes, and flag events not yet known to be emitted

A minute that is open is in no entry: its records have not been acknowledged and come again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from pipelines.core import blob
from pipelines.core.detect import EpisodeBook
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.close import ClosedMinute, platform_heard
from pipelines.core.fold.state import FoldState
from pipelines.core.metrics import COUNTED_NAMES, GAUGE_NAMES, Columns
from pipelines.core.rolling import HOURLY, RING_HOURS, RING_MINUTES
from pipelines.core.sources import SourceState
from pipelines.core.upgrade import hour_name, minute_name

Entries = dict[str, bytes]


def minute_entry(state: FoldState, closed: ClosedMinute) -> Entries:
    """The entries that closing a minute adds: the minute, and an hour that it finishes."""
    columns, some = closed.columns, closed.latest >= 0
    for name in COUNTED_NAMES:
        some = some | (columns[name] != 0)
    slots = np.flatnonzero(some)
    kept = (*COUNTED_NAMES, *GAUGE_NAMES)
    arrays = {n: columns[n][slots] for n in kept if columns[n].any()}
    arrays |= {"slots": slots.astype(np.int32), "latest": closed.latest[slots]}
    arrays["minute"] = np.array(closed.minute)
    out = {minute_name(closed.minute): blob.pack(arrays)}
    hour = closed.minute // 60 - 1
    at = hour % RING_HOURS
    if state.rolling.hours[at] == hour:
        sums = {name: state.rolling.hourly[name][at] for name in HOURLY}
        out[hour_name(hour)] = blob.pack(sums | {"hour": np.array(hour)})
    return out


def session_entries(state: FoldState) -> Entries:
    """Chunks of sessions that changed since the last call."""
    dirty, state.sessions.dirty = state.sessions.dirty, set()
    return {f"sessions/{n:03d}": msgspec.json.encode(state.sessions.chunk(n)) for n in dirty}


def detector_entry(state: FoldState, turn: int) -> Entries:
    """The detector as of its last closed bin. `turn` is another one at each checkpoint."""
    arrays = state.monitor.to_arrays() | state.kept_arrays()
    arrays["groups"] = np.array([f"{p}\n{c}" for p, c in state.groups], dtype=np.str_)
    through = np.array(state.monitor.closed_through)
    return {f"detector/{turn % 2}": blob.pack(arrays | {"closed_through": through})}


def newest_detector(entries: Entries, through: int | None) -> tuple[int, blob.Arrays] | None:
    """The newest detector entry that is not ahead of the head, with its turn."""
    usable = []
    for name, packed in entries.items():
        if name.startswith("detector/") and through is not None:
            arrays = blob.unpack(packed)
            if int(arrays["closed_through"]) <= through:
                usable.append((int(arrays["closed_through"]), int(name.split("/")[1]), arrays))
    return max(usable, key=lambda one: one[0])[1:] if usable else None


def book_entry(state: FoldState, outbox: list[FlagEvent]) -> Entries:
    """Open episodes with the flag events whose emission is not known to have happened."""
    book = {"book": state.monitor.detector.book.to_json(), "outbox": [f.to_json() for f in outbox]}
    book["frozen"] = state.frozen.to_json()
    book |= {"rules": state.board.to_json(), "offences": state.offences.to_json()}
    return {"book": json.dumps(book).encode()}


def head(state: FoldState) -> dict[str, Any]:
    """The part of the head that is the stage's own."""
    sources = [[*key, data] for key, data in state.acknowledged.items()]
    return {
        "closed_through": state.closed_through,
        "folded_at_close": sorted(state.folded_at_close.items()),
        "sources": sources,
    }


def restore(state: FoldState, head: Mapping[str, Any], entries: Entries) -> list[FlagEvent]:
    """Rebuild `state` (fresh) from a checkpoint; returns the outbox, to be emitted again."""
    state.closed_through = head["closed_through"]
    state.folded_at_close = dict(head["folded_at_close"])
    for topic, platform, source, data in head["sources"]:
        state.acknowledged[topic, platform, source] = data
        state.sources[topic, platform, source] = SourceState.from_json(data)
    chunks = [json.loads(v) for k, v in sorted(entries.items()) if k.startswith("sessions/")]
    state.sessions.restore(chunks)
    state.fit()
    detector_through = _restore_detector(state, entries)
    _restore_hours(state, entries)
    _restore_minutes(state, entries, detector_through)
    return _restore_book(state, entries.get("book"))


def without(entries: Entries, gone: Any) -> Entries:
    """The entries of minutes and hours that hold something of these slots, without it.

    A slot that is given away at once must not hand its minutes to whoever has it next.
    """
    out: Entries = {}
    for name, packed in entries.items():
        if not name.startswith(("minute/", "hour/")):
            continue
        arrays = blob.unpack(packed)
        if name.startswith("minute/"):
            at = arrays["slots"]
            keep = ~np.isin(at, gone)
            columns = {n: v[keep] if len(v.shape) else v for n, v in arrays.items()}
        else:
            columns = {n: v.copy() for n, v in arrays.items()}
            for values in (v for v in columns.values() if len(v.shape)):
                values[gone[gone < len(values)]] = 0
        if any(not np.array_equal(columns[n], v) for n, v in arrays.items()):
            out[name] = blob.pack(columns)
    return out


def _restore_detector(state: FoldState, entries: Entries) -> int:
    found = newest_detector(entries, state.closed_through)
    if found is None:
        return -1
    state.detector_turn, arrays = found
    state.groups = {}
    for number, text in enumerate(arrays.pop("groups").tolist()):
        platform, category = text.split("\n")
        state.groups[platform, category] = number
    through = int(arrays["closed_through"])
    state.restore_arrays(arrays)
    state.monitor.restore(arrays)
    state.fit()
    # A slot that changed hands after the bin was closed belongs to a series not met yet.
    live = state.monitor.live
    n = state.sessions.capacity
    moved = live[:n] & (~state.sessions.live | (state.sessions.since > through))
    state.monitor.end(np.flatnonzero(moved), (through + 1) * 60_000)
    state.board.end(np.flatnonzero(moved), through)
    state.life.reset(np.flatnonzero(moved))
    return through


def _restore_hours(state: FoldState, entries: Entries) -> None:
    through = state.closed_through
    if through is None:
        return
    for name, packed in entries.items():
        if not name.startswith("hour/"):
            continue
        arrays = blob.unpack(packed)
        hour = int(arrays["hour"])
        if through // 60 - RING_HOURS < hour < through // 60:
            columns = {n: fit(arrays[n], state.sessions.capacity) for n in HOURLY}
            for n in HOURLY:
                columns[n][state.sessions.since // 60 > hour] = 0
            state.rolling.put_hour(hour, columns)


def _restore_minutes(state: FoldState, entries: Entries, detector_through: int) -> None:
    through = state.closed_through
    if through is None:
        return
    found = {}
    for name, packed in entries.items():
        if name.startswith("minute/"):
            arrays = blob.unpack(packed)
            minute = int(arrays["minute"])
            if through - RING_MINUTES < minute <= through:
                found[minute] = arrays
    for minute in sorted(found):
        arrays = found[minute]
        columns, latest = _expand(arrays, state.sessions.capacity)
        seen = latest >= 0
        state.last_seen[seen] = minute
        state.latest[seen] = latest[seen]
        state.last_review[columns["reviews"] > 0] = minute
        if minute // 60 == through // 60:
            state.rolling.close(minute, columns)
        else:
            state.rolling.put(minute, columns)
        state.start_series()
        state.frozen.add_minute(columns, seen & (state.sessions.since <= minute))
        if minute > detector_through:
            heard = platform_heard(state, seen)
            state.monitor.add_minute(minute, columns["complaints"], columns["orders"], heard)
            state.board.add_minute(minute, state.fed(columns), heard)
            state.life.add_minute(minute, columns)


def _expand(arrays: blob.Arrays, capacity: int) -> tuple[Columns, Any]:
    slots = arrays["slots"]
    columns = {n: np.zeros(capacity, np.int64) for n in (*COUNTED_NAMES, *GAUGE_NAMES)}
    for name in columns:
        if name in arrays:
            columns[name][slots] = arrays[name]
    latest = np.full(capacity, -1, np.int64)
    latest[slots] = arrays["latest"]
    return columns, latest


def fit(values: Any, capacity: int) -> Any:
    """A column by slot as it was kept (None: all zero), brought to the capacity of today."""
    out = np.zeros(capacity, np.int64)
    if values is not None:
        n = min(len(values), capacity)
        out[:n] = values[:n]
    return out


def _restore_book(state: FoldState, data: bytes | None) -> list[FlagEvent]:
    if data is None:
        return []
    book = json.loads(data)
    state.monitor.detector.book = EpisodeBook.from_json(book["book"])
    state.frozen.restore(book.get("frozen"))
    state.board.restore_books(book.get("rules"))
    state.offences.restore(book.get("offences"))
    return [FlagEvent(**row) for row in book["outbox"]]
