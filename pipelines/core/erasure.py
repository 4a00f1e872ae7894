"""What was erased and must not come back: applied to state that is restored, and to what is folded.

An erasure covers the rows of a platform, or of one of its sessions, whose event time is below
`before_ms`, a whole minute. What a platform sends of later times is new data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core import blob
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.checkpoint import Entries, without
from pipelines.core.fold.close import forget
from pipelines.core.fold.rows import event_ms
from pipelines.core.fold.state import FoldState
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.partials import Partial, Rows
from pipelines.core.rollup.state import RollupState
from pipelines.core.rollup.whose import WHOSE_ARRAYS
from pipelines.core.upgrade import minute_name
from schemas.batch import Batch

Bools = npt.NDArray[np.bool_]
ERASED = "erased:"
"""What stands where a merchant's pseudonym was, with the slot behind it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure. `session_id` empty: all of the platform. Times in ms since the epoch."""

    platform_id: str
    session_id: str
    before_ms: int
    erased_at_ms: int


class Erasures:
    """All erasures, by what they cover. False where there is none."""

    def __init__(self, some: Iterable[Erasure] = ()) -> None:
        self._before: dict[tuple[str, str], int] = {}
        self.newest_ms = 0
        for one in some:
            key = (one.platform_id, one.session_id)
            self._before[key] = max(self._before.get(key, 0), one.before_ms)
            self.newest_ms = max(self.newest_ms, one.erased_at_ms)
        self._platforms = {platform for platform, _ in self._before}

    def __bool__(self) -> bool:
        return bool(self._before)

    def before(self, platform_id: str, session_id: str = "") -> int:
        """Event time, ms, below which a session (empty: the platform) is erased; 0 is none."""
        whole = self._before.get((platform_id, ""), 0)
        return max(whole, self._before.get((platform_id, session_id), 0))

    def covers(self, platform_id: str, session_id: str, minute: int) -> bool:
        """Is a session, first met in `minute`, of before its erasure?"""
        return minute * MINUTE_MS < self.before(platform_id, session_id)

    def strip(self, batch: Batch, broker_ms: int) -> Batch:
        """The batch without erased rows. Its identity stays: it was received."""
        platform = batch.header.identity.platform_id
        if platform not in self._platforms:
            return batch
        keep = self._kept(platform, batch.table)
        # A refused row has no event time to go by, and must not be dead-lettered once more.
        refused = [] if broker_ms < self.before(platform) else batch.refused
        if keep.all():
            return replace(batch, refused=refused)
        at = np.flatnonzero(keep)
        numbers = batch.rows if batch.rows is not None else range(batch.table.num_rows)
        table = batch.table.take(pa.array(at, pa.int64()))
        return replace(batch, table=table, rows=[numbers[i] for i in at.tolist()], refused=refused)

    def strip_partial(self, partial: Partial) -> Partial:
        """The partial without merchants, streamers and agencies of erased platforms; cells are
        sums and stay.
        """
        if not self._before:
            return partial
        merchants = self._left(partial.merchants, 0, partial.minute)
        rises = [
            one
            for one in partial.rises
            if not self.covers(one.platform_id, "", partial.minute)
            and not self.covers(one.platform_id, one.session_id, partial.minute)
        ]
        groups = self._left(partial.groups, 1, partial.minute)
        whose = self._left(partial.whose, 0, partial.minute, session=1)
        return replace(partial, merchants=merchants, groups=groups, rises=rises, whose=whose)

    def _left(self, rows: Rows, platform: int, minute: int, session: int | None = None) -> Rows:
        """Rows whose platform, or session, at these places of the key, is not erased."""
        ids = [(k[platform], "" if session is None else k[session]) for k in rows.keys]
        keep = np.array([not self.covers(*one, minute) for one in ids], bool)
        if keep.all():
            return rows
        values = {name: column[keep] for name, column in rows.values.items()}
        return Rows([k for k, kept in zip(rows.keys, keep.tolist(), strict=True) if kept], values)

    def _kept(self, platform: str, table: pa.RecordBatch) -> Bools:
        if not table.num_rows:
            return np.ones(0, bool)
        ids = table.column("session_id").to_pylist()
        known = {i: self.before(platform, i) for i in set(ids)}
        kept: Bools = event_ms(table) >= np.array([known[i] for i in ids], np.int64)
        return kept


def erase_sessions(
    state: FoldState, entries: Entries, erased: Erasures
) -> tuple[list[FlagEvent], Entries]:
    """Drop erased sessions from a state just restored from `entries`.

    Returns the flags that end with them, and the entries to write again.
    """
    slots = [
        slot
        for slot, session in enumerate(state.sessions.dims)
        if session is not None
        and erased.covers(session.platform_id, session.session_id, session.since)
    ]
    if not slots or state.closed_through is None:
        return [], {}
    gone = np.array(slots, np.int64)
    for platform in {p for p in state.sessions.platforms if erased.before(p)}:
        state.offences.forget(f"{platform}\n")
    flags = forget(state, gone, state.closed_through, erased.newest_ms)
    return flags, without(entries, gone)


def erase_merchants(state: RollupState, erased: Erasures) -> list[FlagEvent]:
    """Merchants, streamers and agencies of erased platforms lose their pseudonyms; what was
    counted stays as a sum. Returns the flags that end with them.
    """
    through, flags = state.closed_through, list[FlagEvent]()
    if through is None:
        return flags
    for level in (state.levels.merchant, state.levels.streamer, state.levels.mcn):
        slots = [
            slot
            for slot, key in enumerate(level.index.keys)
            if key is not None
            and not key[1].startswith(ERASED)
            and erased.covers(key[0], "", through)
        ]
        if not slots:
            continue
        flags += state.levels.end(level, slots, through, erased.newest_ms)
        if level is state.levels.merchant:
            at = np.array(slots, np.int64)
            flags += state.rules.end_merchants(at, through, erased.newest_ms)
        if level is state.levels.mcn:
            for platform in {level.platforms()[slot] for slot in slots}:
                state.spans.rename(platform, ERASED)
        for slot in slots:
            level.place(slot, "")
            level.index.rename(slot, (level.platforms()[slot], f"{ERASED}{slot}"))
    return flags


def erase_complaints(state: RollupState, entries: Entries, erased: Erasures) -> Entries:
    """Forget whose the complaints of erased sessions and platforms are, in a state just restored
    from `entries`. Returns the entries to write again: of minutes that named them.
    """
    whose = state.levels.whose
    changed = whose.erase(lambda one, minute: erased.covers(one.platform, one.session, minute))
    left: Entries = {}
    for name in map(minute_name, changed):
        if name in entries:
            arrays = blob.unpack(entries[name])
            kept = {n: array for n, array in arrays.items() if n not in WHOSE_ARRAYS}
            left[name] = blob.pack(kept | whose.pack(int(arrays["minute"])))
    return left
