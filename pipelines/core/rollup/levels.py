"""The lasting series of the complaint-spike flag, from the city down to merchants and streamers.

Each level has its own monitor. The widest are looked at first, so that a rise everywhere can be
the parent of the rises that it explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import EpisodeEvent, EventKind, SpikePolicy, parent_rise
from pipelines.core.detect.window import closed_window
from pipelines.core.flags import RULE, Entity, FlagEvent, flag_event
from pipelines.core.index import KeyIndex
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.orders import OrdersKnown
from pipelines.core.partials import Partial, Rows
from pipelines.core.rollup.counts import MinuteCounts
from pipelines.core.spikes import OpenCounts, SpikeMonitor

Key = tuple[str, ...]
"""("",) is the city; else (platform, ...): category, category and district, or a pseudonym."""
COUNTED = ("complaints", "orders")
OF_MERCHANTS = (*COUNTED, "refunds", "safety", "off_platform", "offences")
OF_PLATFORMS = (*COUNTED, "live", "reviewed")
CITY_ID = "all"
Counts = dict[str, MinuteCounts]
"""By kind of level."""


class Level:
    """One level of series: names, their monitor, and the group whose prior each has."""

    def __init__(self, kind: str, policy: SpikePolicy, counted: tuple[str, ...] = COUNTED) -> None:
        self.kind = kind
        self.counted = counted
        self.index: KeyIndex[Key] = KeyIndex()
        self.category: list[str] = []
        self.district: list[str] = []
        """Of a merchant, a code; empty: not known."""
        self.moves = 0
        """Changes of districts since the start of this process."""
        self.monitor = SpikeMonitor.create(policy)
        self.groups: dict[str, int] = {}

    def slot(self, key: Key, category: str = "") -> int:
        """Slot of a series, which begins when it is first met."""
        known = self.index.slots.get(key)
        if known is not None:
            return known
        slot = self.index.add(key)
        self.category.append(category)
        self.district.append("")
        group = self.group_of(key, category)
        self.monitor.start(slot, self.groups.setdefault(group, len(self.groups)))
        return slot

    def slots(self, keys: Sequence[Key], categories: Sequence[str]) -> list[int]:
        """Slots of many series; room for those that begin is made at once."""
        known = self.index.slots
        new = {k: c for k, c in zip(keys, categories, strict=True) if k not in known}
        if new:
            self.monitor.grow(self.index.size + len(new))
            for key, category in new.items():
                self.slot(key, category)
        return [known[k] for k in keys]

    def entity(self, slot: int) -> Entity:
        key = self.index.keys[slot]
        if key is None:
            raise LookupError(f"no {self.kind} at slot {slot}")
        if self.kind == "city":
            return Entity("city", CITY_ID, "")
        name = "/".join(key) if self.kind in ("category", "cell") else key[-1]
        district = key[2] if self.kind == "cell" else self.district[slot]
        return Entity(self.kind, name, key[0], self.category[slot], district)

    def place(self, slot: int, district: str) -> None:
        """A series is in this district from now on; empty: nobody knows."""
        self.moves += district != self.district[slot]
        self.district[slot] = district

    def group_of(self, key: Key, category: str) -> str:
        """Whose prior a series has."""
        if self.kind in ("city", "platform"):
            return "all"
        if self.kind == "mcn":
            return key[0]
        return category if self.kind == "category" else f"{key[0]}/{category}"

    def platforms(self) -> list[str]:
        """Platform of each slot."""
        return [key[0] if key else "" for key in self.index.keys]

    def known(self, heard: set[str]) -> npt.NDArray[np.bool_]:
        """Series [slot] whose platform was heard of."""
        return np.array([p in heard for p in self.platforms()], bool)

    def keys_json(self) -> list[list[str]]:
        """Series by slot, for the checkpoint."""
        keys, goods = self.index.keys, self.category
        return [[*(key or ()), category] for key, category in zip(keys, goods, strict=True)]

    def restore_keys(
        self, rows: Iterable[list[str]], groups: list[str], districts: Sequence[str] = ()
    ) -> None:
        """Take what `keys_json` gave; call it before the monitor's arrays are restored.

        A checkpoint from before has no `districts`.
        """
        self.groups = {name: i for i, name in enumerate(groups)}
        for slot, (*key, category) in enumerate(rows):
            self.index.restore(slot, tuple(key))
            self.category.append(category)
        self.district = [*districts, *[""] * (len(self.category) - len(districts))]
        self.index.close_gaps()


class Levels:
    """All levels together."""

    def __init__(self, policy: SpikePolicy) -> None:
        self.city = Level("city", policy)
        self.platform = Level("platform", policy, OF_PLATFORMS)
        self.category = Level("category", policy)
        self.cell = Level("cell", policy)
        self.mcn = Level("mcn", policy)
        self.merchant = Level("merchant", policy, OF_MERCHANTS)
        self.streamer = Level("streamer", policy)

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
            cells, shops, groups = partial.cells, partial.merchants, partial.groups
            seen = cells.values["seen"] > 0
            heard |= {k[0] for k, s in zip(cells.keys, seen.tolist(), strict=True) if s}
            self._add_cells(out, cells)
            at = self.merchant.slots([k[:2] for k in shops.keys], [k[2] for k in shops.keys])
            out["merchant"].add(at, shops.values)
            self._add_groups(out, groups)
            for i, (name, platform, _) in enumerate(partial.tallies.keys):
                if name in OF_PLATFORMS:
                    count = partial.tallies.values["n"][i : i + 1]
                    out["platform"].add([self.platform.slot((platform,))], {name: count})
        for level in self.all():
            out[level.kind].grow(level.index.size)
        return out, heard | ({""} if heard else set())

    def _add_cells(self, out: Counts, cells: Rows) -> None:
        keys, values = cells.keys, cells.values
        goods = [k[1] for k in keys]
        out["city"].add([self.city.slot(("",))] * len(keys), values)
        out["platform"].add(self.platform.slots([k[:1] for k in keys], [""] * len(keys)), values)
        out["category"].add(self.category.slots([k[:2] for k in keys], goods), values)
        out["cell"].add(self.cell.slots(keys, goods), values)

    def _add_groups(self, out: Counts, groups: Rows) -> None:
        for level in (self.mcn, self.streamer):
            at = [i for i, key in enumerate(groups.keys) if key[0] == level.kind]
            names = [groups.keys[i][2].partition("/") for i in at]
            keys = [(groups.keys[i][1], n[0]) for i, n in zip(at, names, strict=True)]
            slots = level.slots(keys, [n[2] for n in names])
            out[level.kind].add(slots, {n: v[at] for n, v in groups.values.items()})

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

    def _flags(
        self, level: Level, events: list[EpisodeEvent], at_ms: int, now_ms: int
    ) -> list[FlagEvent]:
        opened = [e for e in events if e.kind is EventKind.OPENED]
        parents = self._parents(level, opened)
        attached = level.monitor.detector.book.attach(events, parents)
        return [flag_event(e, level.entity(e.series), at_ms, now_ms) for e in attached]

    def _parents(self, level: Level, opened: list[EpisodeEvent]) -> dict[int, str]:
        """Flag of the wider rise that explains each of the series that opened."""
        parents: dict[int, str] = {}
        for event in opened:
            entity = level.entity(event.series)
            for wider, key in self._wider(level, entity):
                flag = self._explaining(level, event.series, wider, key)
                if flag is not None:
                    parents[event.series] = flag
                    break
        return parents

    def _wider(self, level: Level, entity: Entity) -> list[tuple[Level, Key]]:
        """What contains an entity, widest first."""
        platform = (self.platform, (entity.platform_id,))
        category = (self.category, (entity.platform_id, entity.category))
        if level is self.city:
            return []
        if level is self.platform:
            return [(self.city, ("",))]
        return [platform] if level in (self.category, self.mcn) else [platform, category]

    def _explaining(self, level: Level, slot: int, wider: Level, key: Key) -> str | None:
        above = wider.index.slots.get(key)
        episode = None if above is None else wider.monitor.detector.book.open.get(above)
        if episode is None or above is None:
            return None
        siblings = np.array(
            [
                i
                for i, k in enumerate(level.index.keys)
                if k is not None and key[0] in ("", k[0]) and key[1:] in ((), (level.category[i],))
            ]
        )
        window = closed_window(level.monitor.detector.state, siblings, level.monitor.policy)
        rise = parent_rise(window.observed, window.expected, parent_in_episode=True)
        mine = np.flatnonzero(siblings == slot)
        if not rise.wide or not rise.explained[mine].any():
            return None
        return f"{RULE}:{wider.entity(above).key}:{episode.onset_ms}"


def _least(until: Mapping[str, Mapping[int, int]]) -> dict[int, int]:
    """Until when the orders of every platform are known, by partition."""
    out: dict[int, int] = {}
    for parts in until.values():
        for part, ms in parts.items():
            out[part] = min(out.get(part, ms), ms)
    return out
