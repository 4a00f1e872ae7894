"""The lasting series of the complaint-spike flag, from the city down to merchants and streamers.

Each level has its own monitor. The widest are looked at first, so that a rise everywhere can be
the parent of the rises that it explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import EpisodeEvent, EventKind, SpikePolicy
from pipelines.core.detect.season import NO_SEASON, Season
from pipelines.core.flags import Entity, FlagEvent, flag_event
from pipelines.core.kin import EntityKey
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.orders import OrdersKnown
from pipelines.core.partials import Partial, Rise, Rows
from pipelines.core.rollup.agency import Row, agencies, entity_key, shared_rise
from pipelines.core.rollup.counts import MinuteCounts
from pipelines.core.rollup.level import COUNTED, Key, Level
from pipelines.core.rollup.one_event import OneEvent, of_levels, of_session
from pipelines.core.rollup.parents import Sessions, Wide, adopted, entity_of, wide_rise
from pipelines.core.rollup.whose import Complaints
from pipelines.core.spikes import OpenCounts

OF_MERCHANTS = (*COUNTED, "refunds", "safety", "off_platform", "offences")
OF_PLATFORMS = (*COUNTED, "live", "reviewed")
Counts = dict[str, MinuteCounts]
"""By kind of level."""
Places = dict[str, npt.NDArray[np.int64]]
"""Slots of a partial's rows, by kind of level."""
_SHOP, _GOODS = itemgetter(slice(0, 2)), itemgetter(2)


class Levels:
    """All levels together."""

    def __init__(self, policy: SpikePolicy, season: Season = NO_SEASON) -> None:
        self.city = Level("city", policy)
        self.platform = Level("platform", policy, OF_PLATFORMS)
        self.category = Level("category", policy)
        self.cell = Level("cell", policy)
        self.mcn = Level("mcn", policy)
        self.merchant = Level("merchant", policy, OF_MERCHANTS)
        self.streamer = Level("streamer", policy)
        self.sessions = Sessions()
        self.whose = Complaints()
        self._rows: list[Row] = []
        self._agencies: dict[EntityKey, str] | None = None
        for level in self.all():
            level.follow(season)
        self._places: dict[tuple[int, int], tuple[Partial, Places]] = {}
        """By (minute, partition)."""

    def all(self) -> tuple[Level, ...]:
        """Widest first."""
        return (
            self.city, self.platform, self.category, self.cell, self.mcn, self.merchant,
            self.streamer,
        )  # fmt: skip

    def counts(self, partials: Iterable[Partial]) -> tuple[Counts, set[str]]:
        """Counts of a minute at each level, and the platforms heard of in it."""
        out = {level.kind: MinuteCounts(level.counted) for level in self.all()}
        heard: set[str] = set()
        for partial in partials:
            cells, places = partial.cells, self._placed(partial)
            seen = cells.values["seen"] > 0
            heard |= {k[0] for k, s in zip(cells.keys, seen.tolist(), strict=True) if s}
            for level in (self.city, self.platform, self.category, self.cell):
                out[level.kind].add(places[level.kind], cells.values)
            out["merchant"].add(places["merchant"], partial.merchants.values)
            for level in (self.mcn, self.streamer):
                at = places[f"{level.kind}.rows"]
                some = {n: v[at] for n, v in partial.groups.values.items()}
                out[level.kind].add(places[level.kind], some)
            for i, (name, platform, _) in enumerate(partial.tallies.keys):
                if name in OF_PLATFORMS:
                    count = partial.tallies.values["n"][i : i + 1]
                    slot = np.array([self.platform.slot((platform,))])
                    out["platform"].add(slot, {name: count})
        for level in self.all():
            out[level.kind].grow(level.index.size)
        return out, heard | ({""} if heard else set())

    def forget(self, minute: int) -> None:
        """The partials of a closed minute, and of those before, are not asked for again."""
        self._places = {at: one for at, one in self._places.items() if at[0] > minute}

    def _placed(self, partial: Partial) -> Places:
        """Where the rows of a partial stand at each level. It is looked at again whenever another
        partition says something of the same minute, and slots do not change."""
        at = (partial.minute, partial.partition)
        known = self._places.get(at)
        if known is None or known[0] is not partial:
            shops = partial.merchants.keys
            places = self._of_cells(partial.cells)
            keys = list(map(_SHOP, shops))
            places["merchant"] = self.merchant.slots(keys, list(map(_GOODS, shops)))
            known = self._places[at] = (partial, places | self._of_groups(partial.groups))
        return known[1]

    def _of_cells(self, cells: Rows) -> Places:
        keys = cells.keys
        goods = [k[1] for k in keys]
        return {
            "city": np.full(len(keys), self.city.slot(("",))),
            "platform": self.platform.slots([k[:1] for k in keys], [""] * len(keys)),
            "category": self.category.slots([k[:2] for k in keys], goods),
            "cell": self.cell.slots(keys, goods),
        }

    def _of_groups(self, groups: Rows) -> Places:
        """Of agencies and streamers, with the rows that are theirs."""
        out: Places = {}
        for level in (self.mcn, self.streamer):
            at = [i for i, key in enumerate(groups.keys) if key[0] == level.kind]
            names = [groups.keys[i][2].partition("/") for i in at]
            keys = [(groups.keys[i][1], n[0]) for i, n in zip(at, names, strict=True)]
            out[f"{level.kind}.rows"] = np.array(at, np.int64)
            out[level.kind] = level.slots(keys, [n[2] for n in names])
        return out

    def close_minute(
        self, minute: int, counts: Counts, heard: set[str], now_ms: int
    ) -> list[FlagEvent]:
        """Take in a closed minute at every level."""
        out = []
        at_ms = (minute + 1) * MINUTE_MS
        for level in self.all():
            one = counts[level.kind]
            one.grow(level.index.size)
            known = level.known(heard)
            events = level.monitor.close_minute(minute, one["complaints"], one["orders"], known)
            out += self._flags(level, events, at_ms, now_ms)
        if (minute + 1) % self.city.monitor.minutes_per_bin == 0:
            out += self.adopt(at_ms, now_ms)
        return out

    def end(self, level: Level, slots: list[int], minute: int, now_ms: int) -> list[FlagEvent]:
        """The series at these slots are over as of `minute`; the flags that end with them."""
        monitor = level.monitor
        start = (minute // monitor.minutes_per_bin) * monitor.policy.bin_ms
        events = monitor.end(np.array(slots, np.int64), start)
        return self._flags(level, events, (minute + 1) * MINUTE_MS, now_ms)

    def tick(
        self,
        opens: list[tuple[int, Counts]],
        progress_ms: int,
        now_ms: int,
        orders: tuple[Mapping[str, Mapping[int, int]], int],
    ) -> list[FlagEvent]:
        """Look at the open minutes at every level.

        `orders`: until when the orders of each platform and partition are known, event time in
        ms; and how many partitions there are.
        """
        out = []
        until, parts = {**orders[0], "": _least(orders[0])}, orders[1]
        for level in self.all():
            some = [
                OpenCounts(m, counts[level.kind]["complaints"], counts[level.kind]["orders"])
                for m, counts in opens
            ]
            if any(one.complaints.any() for one in some):
                known = OrdersKnown.of(level.platforms(), until, parts)
                events = level.monitor.tick(progress_ms, some, known)
                out += self._flags(level, events, progress_ms, now_ms)
        return out

    def look(self, rows: list[Row]) -> None:
        """The complaints of the last hour, as of the minute or the look that follows."""
        self._rows, self._agencies = rows, None

    def _agency(self, entity: Entity) -> str:
        """The agency of an entity by those complaints; asked only where something rose."""
        if self._agencies is None:
            self._agencies = agencies(self._rows)
        return self._agencies.get(entity_key(entity), "")

    def _flags(
        self, level: Level, events: list[EpisodeEvent], at_ms: int, now_ms: int
    ) -> list[FlagEvent]:
        opened = [e.series for e in events if e.kind is EventKind.OPENED]
        parents = self._parents(level, opened)
        attached = level.monitor.detector.book.attach(events, parents)
        return [flag_event(e, level.entity(e.series), at_ms, now_ms) for e in attached]

    def _parents(self, level: Level, slots: Iterable[int]) -> dict[int, str]:
        """Flag of the wider rise that explains each of these series."""
        parents: dict[int, str] = {}
        found: dict[tuple[str, Key], Wide | None] = {}
        for slot in slots:
            for wider, key in self._wider(level, level.entity(slot)):
                wide = self._wide(level, wider, key, found)
                if wide is not None and wide.explains(level, slot):
                    parents[slot] = wide.flag_id
                    break
        return parents

    def adopt(self, at_ms: int, now_ms: int) -> list[FlagEvent]:
        """Attach what opened before the rise that explains it; for the end of a closed bin."""
        out = []
        for level in self.all():
            book = level.monitor.detector.book
            alone = [slot for slot, one in book.open.items() if one.parent_id is None]
            for slot, parent in self._parents(level, alone).items():
                book.adopt(slot, parent)
                out.append(self._linked(level, slot, at_ms, now_ms))
        return out

    def _linked(self, level: Level, slot: int, at_ms: int, now_ms: int) -> FlagEvent:
        event = adopted(level, slot, level.monitor.detector.book.open[slot], at_ms)
        return flag_event(event, level.entity(slot), at_ms, now_ms)

    def one_event(
        self,
        flags: list[FlagEvent],
        rises: Iterable[Rise],
        at_ms: int,
        now_ms: int,
        *,
        closed: bool,
    ) -> list[FlagEvent]:
        """`flags` of this look, where narrower flags explain them with the one they are attached
        to; and what that makes of older ones. `closed`: at the end of a bin, flags are detached.
        """
        flagged = [*of_levels(self.all())]
        if not flagged:
            return flags
        flagged += [of_session(one, self.sessions.parent(one)) for one in rises]
        seen = OneEvent(flagged, self._rows, at_ms)
        attached = list(seen.attached())
        links = dict(one.link(parent) for one, parent in attached)
        out = [replace(f, parent_id=links.get(f.flag_id) or f.parent_id) for f in flags]
        told = {f.flag_id for f in flags}
        changed = [one for one, _ in attached if one.flag_id not in told]
        if closed:
            loose = list(seen.detached())
            changed += loose
            for one in loose:
                one.link("")
        return out + [
            self._linked(one.level, one.slot, at_ms, now_ms) for one in changed if one.level
        ]

    def attach_sessions(
        self, partials: Iterable[Partial], at_ms: int, now_ms: int
    ) -> list[FlagEvent]:
        """Attach the sessions that partitions tell of to the widest rise that explains them."""
        found: dict[tuple[str, Key], Wide | None] = {}

        def widest(one: Rise) -> Wide | None:
            shop = (self.merchant, (one.platform_id, one.merchant_pid))
            for wider, key in [*self._wider(self.merchant, entity_of(one)), shop]:
                wide = self._wide(self.merchant, wider, key, found)
                if wide is not None:
                    return wide
            return None

        rises = [one for partial in partials for one in partial.rises]
        return self.sessions.attach(rises, widest, self.merchant.monitor.policy, at_ms, now_ms)

    def _wider(self, level: Level, entity: Entity) -> list[tuple[Level, Key]]:
        """What contains an entity, widest first."""
        platform = (self.platform, (entity.platform_id,))
        category = (self.category, (entity.platform_id, entity.category))
        if level is self.city:
            return []
        if level is self.platform:
            return [(self.city, ("",))]
        if level in (self.category, self.mcn):
            return [platform]
        agency = self._agency(entity)
        mcn = [(self.mcn, (entity.platform_id, agency))] if agency else []
        return [platform, category, *mcn]

    def _wide(
        self, level: Level, wider: Level, key: Key, found: dict[tuple[str, Key], Wide | None]
    ) -> Wide | None:
        """The rise of `wider` at `key` as its members of `level` show it, looked at once."""
        at = (wider.kind, key)
        if at not in found:
            if wider in (self.mcn, self.merchant):
                parts = self.merchant if wider is self.mcn else None
                found[at] = shared_rise(wider, parts, key, self._rows)
            else:
                found[at] = wide_rise(level, wider, key, self.merchant)
        return found[at]


def _least(until: Mapping[str, Mapping[int, int]]) -> dict[int, int]:
    """Until when the orders of every platform are known, by partition."""
    out: dict[int, int] = {}
    for parts in until.values():
        for part, ms in parts.items():
            out[part] = min(out.get(part, ms), ms)
    return out
