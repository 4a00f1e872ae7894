"""What the second stage keeps across a restart, as named entries of bytes.

head          JSON: closed through, and what each partition had closed
minute/N      cell columns, and counts of every level, of a closed minute
hour/N        orders and complaints of a finished clock hour, by cell
cells         JSON: cells by slot
keys/LEVEL    JSON: series of a level by slot, and the districts of merchants
detector      the levels' filters and rules, at the end of their last bin
book          JSON: open episodes, and flag events not yet known to be emitted
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from pipelines.core import blob, spans
from pipelines.core.detect import EpisodeBook
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.checkpoint import Entries, fit, newest_detector
from pipelines.core.metrics import ADDITIVE_NAMES
from pipelines.core.rolling import HOURLY, RING_HOURS, RING_MINUTES
from pipelines.core.rollup.counts import MinuteCounts
from pipelines.core.rollup.level import Level
from pipelines.core.rollup.state import ClosedCells, RollupState
from pipelines.core.silence import GapWatch
from pipelines.core.upgrade import hour_name, minute_name


def minute_entry(state: RollupState, closed: ClosedCells) -> Entries:
    """The entries that closing a minute adds."""
    arrays = {n: c for n, c in closed.columns.items() if c.any()}
    for kind, counts in closed.counts.items():
        arrays |= counts.pack(kind)
    arrays |= spans.pack(closed.spans)
    arrays |= state.levels.whose.pack(closed.minute)
    arrays |= {
        "minute": np.array(closed.minute),
        "heard": np.array(sorted(closed.heard), dtype=np.str_),
    }
    out = {minute_name(closed.minute): blob.pack(arrays)}
    hour = closed.minute // 60 - 1
    at = hour % RING_HOURS
    if state.rolling.hours[at] == hour:
        sums = {name: state.rolling.hourly[name][at] for name in HOURLY}
        out[hour_name(hour)] = blob.pack(sums | {"hour": np.array(hour)})
    return out


class KeyEntries:
    """Entries of keys, rewritten when there are new ones or a merchant has moved."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def changed(self, state: RollupState) -> Entries:
        out: Entries = {}
        if self._grew("cells", state.cells.size):
            out["cells"] = msgspec.json.encode(state.cells.keys)
        for level in state.levels.all():
            if self._grew(level.kind, level.index.size + level.moves):
                rows = {
                    "groups": list(level.groups), "rows": level.keys_json(),
                    "districts": level.district,
                }  # fmt: skip
                out[f"keys/{level.kind}"] = msgspec.json.encode(rows)
        return out

    def _grew(self, name: str, size: int) -> bool:
        old, self._sizes[name] = self._sizes.get(name, 0), size
        return size != old


def detector_entry(state: RollupState, turn: int) -> Entries:
    """The levels' monitors as of their last closed bin; see the first stage's."""
    arrays = {
        f"{level.kind}:{name}": values
        for level in state.levels.all()
        for name, values in level.monitor.to_arrays().items()
    }
    arrays |= state.rules.to_arrays()
    arrays |= {f"spans:{name}": values for name, values in state.spans.to_arrays().items()}
    through = np.array(state.levels.merchant.monitor.closed_through)
    return {f"detector/{turn % 2}": blob.pack(arrays | {"closed_through": through})}


def book_entry(state: RollupState, outbox: list[FlagEvent]) -> Entries:
    """Open episodes of each level, and the outbox."""
    books = {lv.kind: lv.monitor.detector.book.to_json() for lv in state.levels.all()}
    book: dict[str, Any] = {
        "books": books,
        "outbox": [f.to_json() for f in outbox],
        "gaps": state.gaps.to_json(),
    }
    book["rules"] = state.rules.to_json()
    book["sessions"] = state.levels.sessions.to_json()
    return {"book": json.dumps(book).encode()}


def head(state: RollupState) -> dict[str, Any]:
    """The part of the head that is the stage's own."""
    return {
        "closed_through": state.closed_through,
        "through": sorted(state.through.items()),
    }


def restore(state: RollupState, head: Mapping[str, Any], entries: Entries) -> list[FlagEvent]:
    """Rebuild `state` (fresh) from a checkpoint; returns the outbox, to be emitted again."""
    state.closed_through = head["closed_through"]
    # What a partition had closed beyond our own closed minute is told again on replay.
    through = state.closed_through if state.closed_through is not None else -1
    state.through = {p: min(t, through) for p, t in head["through"]}
    for slot, key in enumerate(json.loads(entries.get("cells", b"[]"))):
        state.cells.restore(slot, tuple(key))
    state.cells.close_gaps()
    state.fit()
    for level in state.levels.all():
        keys = json.loads(entries.get(f"keys/{level.kind}", b'{"groups": [], "rows": []}'))
        level.restore_keys(keys["rows"], keys["groups"], keys.get("districts", ()))
    detector_through = _restore_detector(state, entries)
    _restore_rings(state, entries, detector_through)
    return _restore_book(state, entries.get("book"))


def _restore_detector(state: RollupState, entries: Entries) -> int:
    through = -1
    found = newest_detector(entries, state.closed_through)
    if found is not None:
        state.detector_turn, arrays = found
        through = int(arrays.pop("closed_through"))
        for level in state.levels.all():
            start = f"{level.kind}:"
            mine = {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}
            if mine:
                level.monitor.restore(mine)
        state.rules.restore(arrays)
        state.spans.restore({k[6:]: v for k, v in arrays.items() if k.startswith("spans:")})
    for level in state.levels.all():
        _start_missing(level)
    return through


def _start_missing(level: Level) -> None:
    """Series met after the bin was closed that the detector's entry stands for."""
    level.monitor.grow(level.index.size)
    for slot, key in enumerate(level.index.keys):
        if key is not None and not level.monitor.live[slot]:
            name = level.group_of(key, level.category[slot])
            level.monitor.start(slot, level.groups.setdefault(name, len(level.groups)))


def _restore_rings(state: RollupState, entries: Entries, detector_through: int) -> None:
    through = state.closed_through
    if through is None:
        return
    for name, packed in entries.items():
        if name.startswith("hour/"):
            arrays = blob.unpack(packed)
            hour = int(arrays["hour"])
            if through // 60 - RING_HOURS < hour < through // 60:
                columns = {n: fit(arrays.get(n), state.rolling.capacity) for n in HOURLY}
                state.rolling.put_hour(hour, columns)
    found = [blob.unpack(v) for k, v in entries.items() if k.startswith("minute/")]
    for arrays in sorted(found, key=lambda a: int(a["minute"])):
        minute = int(arrays["minute"])
        if through - RING_MINUTES < minute <= through:
            state.levels.whose.unpack(minute, arrays)
            _restore_minute(state, minute, arrays, detector_through)


def _restore_minute(
    state: RollupState, minute: int, arrays: blob.Arrays, detector_through: int
) -> None:
    columns = {n: fit(arrays.get(n), state.rolling.capacity) for n in ADDITIVE_NAMES}
    if state.closed_through is not None and minute // 60 == state.closed_through // 60:
        state.rolling.close(minute, columns)
    else:
        state.rolling.put(minute, columns)
    if minute <= detector_through:
        return
    heard = set(arrays["heard"].tolist())
    counts = {}
    for level in state.levels.all():
        one = counts[level.kind] = MinuteCounts(level.counted)
        one.grow(level.index.size)
        one.unpack(level.kind, arrays)
        known = level.known(heard)
        level.monitor.add_minute(minute, one["complaints"], one["orders"], known)
    state.spans.add_minute(minute, spans.unpack(arrays))
    for level, board in state.rules.boards():
        fed = state.rules.columns(level, counts, state.mix(columns))
        board.add_minute(minute, fed, level.known(heard))


def _restore_book(state: RollupState, data: bytes | None) -> list[FlagEvent]:
    if data is None:
        return []
    book = json.loads(data)
    state.gaps = GapWatch.from_json(book.get("gaps"))
    for level in state.levels.all():
        if level.kind in book["books"]:
            level.monitor.detector.book = EpisodeBook.from_json(book["books"][level.kind])
    state.rules.restore_books(book.get("rules"))
    state.levels.sessions.restore(book.get("sessions"))
    return [FlagEvent(**row) for row in book["outbox"]]
