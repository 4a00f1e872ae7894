"""State of the second stage: what each partition said of each open minute, and the cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.core.columns import Coded, TableColumns
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy
from pipelines.core.detect.season import NO_SEASON, Season
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import minutes_to_close
from pipelines.core.fold.rows import nullable
from pipelines.core.fold.sessions import CATEGORIES, DISTRICTS
from pipelines.core.index import KeyIndex
from pipelines.core.indicators import table_columns
from pipelines.core.metrics import ADDITIVE_NAMES, MINUTE_MS, WINDOWS, Columns
from pipelines.core.partials import CELL_METRICS, CellKey, Partial, Rise, Rows
from pipelines.core.rolling import Rolling
from pipelines.core.rollup.care import care_values, review_values
from pipelines.core.rollup.levels import Counts, Levels
from pipelines.core.rollup.places import settle
from pipelines.core.rollup.rules import Rules
from pipelines.core.rollup.values import click_values, span_rows, span_values, spread_values
from pipelines.core.rollup.whose import counts as complaints_of
from pipelines.core.silence import GapWatch
from pipelines.core.silence_flags import gap_flag
from pipelines.core.spans import Spans
from pipelines.core.values import VALUES_EVERY, Values

Ints = npt.NDArray[np.int64]
GAUGES = tuple(n for n in CELL_METRICS if n not in ADDITIVE_NAMES)
START_MINUTES = 10
_CATEGORY = {c: i for i, c in enumerate(CATEGORIES)}
_DISTRICT = {d: i for i, d in enumerate(DISTRICTS)}


@dataclass(slots=True)
class ClosedCells:
    """What closing a minute gives."""

    minute: int
    indicators: TableColumns | None
    columns: Columns
    counts: Counts
    heard: set[str]
    flags: list[FlagEvent]
    spans: Rows
    values: TableColumns | None


class RollupState:
    """Partials by (minute, partition), replaced rather than added; cells; levels."""

    def __init__(
        self,
        partitions: int,
        policy: SpikePolicy = DEFAULT_POLICY,
        season: Season = NO_SEASON,
    ) -> None:
        self.partitions = partitions
        self.partials: dict[int, dict[int, Partial]] = {}
        self.through: dict[int, int] = {}
        self.closed_through: int | None = None
        self.cells: KeyIndex[CellKey] = KeyIndex()
        self.rolling = Rolling(64)
        self.levels = Levels(policy, season)
        self.last: dict[int, Partial] = {}
        self.changed: set[int] = set()
        self.complained = False
        self.progress_ms = 0
        self.orders_until_ms: dict[str, dict[int, int]] = {}
        self._counted: dict[int, Counts] = {}
        self.detector_turn = 0
        self.gaps = GapWatch()
        self.rules = Rules(self.levels)
        self.rises: dict[int, list[Rise]] = {}
        """Open F01 episodes of sessions, as each partition told of them last."""
        self._rose: set[tuple[str, str]] = set()
        self.spans = Spans(self.levels.merchant.monitor.minutes_per_bin)

    def fold(self, partial: Partial) -> int:
        """Take a partial; returns the minute that it waits for, or -1 when that is closed."""
        if self.closed_through is None:
            self.closed_through = partial.minute - 1 - START_MINUTES
        at = partial.partition
        self.rises[at] = partial.rises
        self.progress_ms = max(self.progress_ms, partial.progress_ms)
        for platform, ms in partial.orders_until_ms.items():
            self.orders_until_ms.setdefault(platform, {})[at] = ms
        if partial.closed:
            # An open one may speak of minutes whose closed figures are still on their way.
            self.through[at] = max(self.through.get(at, -1), partial.closed_through)
        if partial.minute <= self.closed_through:
            return -1
        known = self.partials.setdefault(partial.minute, {})
        old = known.get(at)
        # Closed beats open; else the later version, so a worker that woke up too late loses.
        rank = (partial.closed, partial.version)
        if old is None or rank >= (old.closed, old.version):
            known[at] = partial
            self.changed.add(partial.minute)
            self._counted.pop(partial.minute, None)
            self.complained |= bool(partial.cells.values["complaints"].any())
        return partial.minute

    def ready(self) -> list[int]:
        """Minutes that every partition has closed."""
        if self.closed_through is None or len(self.through) < self.partitions:
            return []
        through = min(self.through.values())
        if through <= self.closed_through:
            return []
        return minutes_to_close(through, self.closed_through, self.partials)

    def close_minute(self, minute: int, version: int, now_ms: int) -> ClosedCells:
        """Close `minute`: cell rows, detectors."""
        partials = self.partials.pop(minute, {})
        self.changed.discard(minute)
        self._counted.pop(minute, None)
        columns = self._columns(partials)
        self.rolling.close(minute, columns)
        rows = self._rows(minute, self._gauges(partials), [], closed=True, version=version)
        counts, heard = self.levels.counts(partials.values())
        self.levels.forget(minute)
        settle(self.levels.merchant, minute, partials.values())
        self.levels.whose.close_minute(minute, partials.values())
        self.levels.look(self.levels.whose.rows(()))
        flags = self.levels.close_minute(minute, counts, heard, now_ms)
        flags += self.levels.attach_sessions(partials.values(), (minute + 1) * MINUTE_MS, now_ms)
        flags = self._one_event(flags, (minute + 1) * MINUTE_MS, now_ms, closed=True)
        self.rules.note(flags)
        for partial in partials.values():
            self.rules.note_sessions(partial)
        mix = self.mix(columns)
        flags += self.rules.close_minute(minute, counts, mix, heard, now_ms)
        flags += self._silences(minute, columns, now_ms)
        self.last |= partials
        self.closed_through = minute
        spans = span_rows(minute, self.cells.keys, columns, partials.values())
        self.spans.add_minute(minute, spans)
        values = self._values(minute, partials, version)
        return ClosedCells(minute, rows, columns, counts, heard, flags, spans, values)

    def _one_event(
        self, flags: list[FlagEvent], at_ms: int, now_ms: int, *, closed: bool
    ) -> list[FlagEvent]:
        """The flags of a look, with those that narrower ones explain attached to them; asked where
        something opened or rose, and at the end of each bin."""
        rises = [one for told in self.rises.values() for one in told]
        before, self._rose = self._rose, {(one.session_id, one.grade) for one in rises}
        closed &= at_ms % self.levels.city.monitor.policy.bin_ms == 0
        if not (flags or closed or self._rose - before):
            return flags
        return self.levels.one_event(flags, rises, at_ms, now_ms, closed=closed)

    def _values(
        self, minute: int, partials: dict[int, Partial], version: int
    ) -> TableColumns | None:
        """Rows of the indicators with long windows, at the end of a bin."""
        if (minute + 1) % VALUES_EVERY:
            return None
        out = Values()
        spread_values(out, partials.values())
        click_values(out, self.cells, self.rolling, minute)
        span_values(out, self.spans, minute)
        care_values(out, self.spans, minute)
        review_values(out, partials.values())
        return out.columns(minute, version)

    def mix(self, columns: Columns) -> npt.NDArray[np.int64]:
        """Orders [platform slot, category] of a minute of cells."""
        out = np.zeros((self.levels.platform.index.size, len(CATEGORIES)), np.int64)
        for slot in np.flatnonzero(columns["orders"]).tolist():
            key = self.cells.keys[slot]
            if key is not None:
                platform = self.levels.platform.slot((key[0],))
                out[platform, _CATEGORY[key[1]]] += columns["orders"][slot]
        return out

    def _silences(self, minute: int, columns: Columns, now_ms: int) -> list[FlagEvent]:
        """Platforms that fall silent or are heard again."""
        seen, due = Counter[str](), Counter[str]()
        for slot, key in enumerate(self.cells.keys):
            if key is not None and columns["expected"][slot]:
                seen[key[0]] += int(columns["seen"][slot])
                due[key[0]] += int(columns["expected"][slot])
        found = self.gaps.close_minute(minute, seen, due)
        return [gap_flag(one, one.key, self.gaps.policy, now_ms) for one in found]

    def open_rows(self, version: int) -> list[TableColumns]:
        """Provisional rows of the minutes that are over but not closed, where they changed."""
        out, opens = [], []
        known = dict(self.last)
        newest = max(self.partials, default=0)
        for minute, partials in sorted(self.partials.items()):
            known |= partials
            opens.append((minute, self._columns(partials)))
            opens = [(m, self._widen(c)) for m, c in opens]
            if minute in self.changed and minute < newest:
                gauges = self._gauges(known)
                rows = self._rows(minute, gauges, opens, closed=False, version=version)
                if rows is not None:
                    out.append(rows)
        self.changed = {newest} & self.changed
        return out

    def tick(self, now_ms: int) -> list[FlagEvent]:
        """Look for spikes in the open minutes, if a complaint came since the last look."""
        if not self.complained:
            return []
        self.complained = False
        for minute, partials in self.partials.items():
            if minute not in self._counted:
                self._counted[minute] = self.levels.counts(partials.values())[0]
        opens = sorted(self._counted.items())
        known = (self.orders_until_ms, self.partitions)
        told = [one for partials in self.partials.values() for one in partials.values()]
        now = [(one.minute, complaints_of([one.whose])) for one in told]
        self.levels.look(self.levels.whose.rows(now))
        flags = self.levels.tick(opens, self.progress_ms, now_ms, known)
        flags += self.levels.attach_sessions(told, self.progress_ms, now_ms)
        flags = self._one_event(flags, self.progress_ms, now_ms, closed=False)
        self.rules.note(flags)
        return flags

    def fit(self) -> None:
        """Bring the rings to the number of cells."""
        if self.cells.size > self.rolling.capacity:
            self.rolling.grow(max(self.cells.size, 2 * self.rolling.capacity))

    def _columns(self, partials: dict[int, Partial]) -> Columns:
        slots = {p: [self.cells.add(k) for k in one.cells.keys] for p, one in partials.items()}
        self.fit()
        out = {n: np.zeros(self.rolling.capacity, np.int64) for n in ADDITIVE_NAMES}
        for p, one in partials.items():
            for name in ADDITIVE_NAMES:
                np.add.at(out[name], slots[p], one.cells.values[name])
        return out

    def _widen(self, columns: Columns) -> Columns:
        extra = self.rolling.capacity - len(columns["orders"])
        if extra == 0:
            return columns
        return {n: np.concatenate([c, np.zeros(extra, np.int64)]) for n, c in columns.items()}

    def _gauges(self, partials: dict[int, Partial]) -> Columns:
        slots = {p: [self.cells.add(k) for k in one.cells.keys] for p, one in partials.items()}
        self.fit()
        out = {n: np.zeros(self.rolling.capacity, np.int64) for n in GAUGES}
        for p, one in partials.items():
            for name in GAUGES:
                np.add.at(out[name], slots[p], one.cells.values[name])
        return out

    def _rows(
        self,
        minute: int,
        gauges: Columns,
        opens: list[tuple[int, Columns]],
        *,
        closed: bool,
        version: int,
    ) -> TableColumns | None:
        def sums(name: str) -> list[Ints]:
            return self.rolling.windows(name, minute, WINDOWS, [(m, c[name]) for m, c in opens])

        hour = gauges["active_60m"] + sums("orders")[-1] + sums("complaints")[-1]
        at = np.flatnonzero(hour > 0)
        if not len(at):
            return None
        days = {
            name: self.rolling.day(name, minute, [(m, c[name]) for m, c in opens])[at]
            for name in self.rolling.hourly
        }
        figures = table_columns(lambda name: [w[at] for w in sums(name)], days)
        keys = [self.cells.keys[i] for i in at.tolist()]
        out: TableColumns = {
            "minute": np.full(len(at), minute * 60, np.int64),
            "platform_id": _coded([k[0] if k else "" for k in keys]),
            "category": Coded(np.array([_CATEGORY[k[1]] if k else 0 for k in keys]), CATEGORIES),
            "district": Coded(np.array([_DISTRICT[k[2]] if k else 0 for k in keys]), DISTRICTS),
            "closed": np.full(len(at), int(closed), np.int64),
            "version": np.full(len(at), version, np.int64),
        }
        return out | {name: gauges[name][at] for name in GAUGES} | nullable(figures)


def _coded(texts: list[str]) -> Coded:
    values = sorted(set(texts))
    place = {v: i for i, v in enumerate(values)}
    return Coded(np.array([place[t] for t in texts], np.int32), values)
