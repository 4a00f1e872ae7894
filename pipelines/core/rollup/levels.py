"""The lasting series of the complaint-spike flag: merchants, categories, platforms.

Each level has its own monitor. Platforms are looked at first, so that a rise everywhere can be
the parent of the rises that it explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import EpisodeEvent, EventKind, SpikePolicy, parent_rise
from pipelines.core.detect.window import closed_window
from pipelines.core.flags import RULE, Entity, FlagEvent, flag_event
from pipelines.core.index import KeyIndex
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.orders import OrdersKnown
from pipelines.core.partials import Partial, Rows
from pipelines.core.spikes import OpenCounts, SpikeMonitor

Ints = npt.NDArray[np.int64]
Key = tuple[str, ...]
"""(platform,), (platform, category) or (platform, merchant)"""


class Level:
    """One level of series: names, their monitor, and the group whose prior each has."""

    def __init__(self, kind: str, policy: SpikePolicy) -> None:
        self.kind = kind
        self.index: KeyIndex[Key] = KeyIndex()
        self.category: list[str] = []
        self.monitor = SpikeMonitor.create(policy)
        self.groups: dict[str, int] = {}

    def slot(self, key: Key, category: str, group: str) -> int:
        """Slot of a series, which begins when it is first met."""
        known = self.index.slots.get(key)
        if known is not None:
            return known
        slot = self.index.add(key)
        self.category.append(category)
        self.monitor.start(slot, self.groups.setdefault(group, len(self.groups)))
        return slot

    def entity(self, slot: int) -> Entity:
        key = self.index.keys[slot]
        if key is None:
            raise LookupError(f"no {self.kind} at slot {slot}")
        name = "/".join(key) if self.kind == "category" else key[-1]
        return Entity(self.kind, name, key[0], self.category[slot])

    def platforms(self) -> list[str]:
        """Platform of each slot."""
        return [key[0] if key else "" for key in self.index.keys]

    def keys_json(self) -> list[list[str]]:
        """Series by slot, for the checkpoint."""
        keys, goods = self.index.keys, self.category
        return [[*(key or ()), category] for key, category in zip(keys, goods, strict=True)]

    def restore_keys(self, rows: Iterable[list[str]], groups: list[str]) -> None:
        """Take what `keys_json` gave; call it before the monitor's arrays are restored."""
        self.groups = {name: i for i, name in enumerate(groups)}
        for slot, (*key, category) in enumerate(rows):
            self.index.restore(slot, tuple(key))
            self.category.append(category)
        self.index.close_gaps()


class MinuteCounts:
    """Complaints and orders of one minute by slot of a level."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.complaints = np.zeros(level.index.size, np.int64)
        self.orders = np.zeros(level.index.size, np.int64)

    def add(self, slots: list[int], complaints: Ints, orders: Ints) -> None:
        size = self.level.index.size
        if size > len(self.complaints):
            extra = np.zeros(size - len(self.complaints), np.int64)
            self.complaints = np.concatenate([self.complaints, extra])
            self.orders = np.concatenate([self.orders, extra])
        np.add.at(self.complaints, slots, complaints)
        np.add.at(self.orders, slots, orders)


class Levels:
    """The three levels together."""

    def __init__(self, policy: SpikePolicy) -> None:
        self.platform = Level("platform", policy)
        self.category = Level("category", policy)
        self.merchant = Level("merchant", policy)

    def all(self) -> tuple[Level, Level, Level]:
        """Widest first."""
        return self.platform, self.category, self.merchant

    def counts(self, partials: Iterable[Partial]) -> tuple[list[MinuteCounts], set[str]]:
        """Counts of a minute at each level, and the platforms heard of in it."""
        wide, goods, shops = (MinuteCounts(level) for level in self.all())
        heard: set[str] = set()
        for partial in partials:
            cells, merchants = partial.cells, partial.merchants
            n, orders = cells.values["complaints"], cells.values["orders"]
            seen = cells.values["seen"] > 0
            heard |= {k[0] for k, s in zip(cells.keys, seen.tolist(), strict=True) if s}
            wide.add(_slots(self.platform, cells, lambda k: ((k[0],), "", "all")), n, orders)
            by_goods = _slots(self.category, cells, lambda k: ((k[0], k[1]), k[1], k[1]))
            goods.add(by_goods, n, orders)
            shops.add(
                _slots(self.merchant, merchants, lambda k: ((k[0], k[1]), k[2], f"{k[0]}/{k[2]}")),
                merchants.values["complaints"],
                merchants.values["orders"],
            )
        return [wide, goods, shops], heard

    def close_minute(
        self, minute: int, counts: list[MinuteCounts], heard: set[str], now_ms: int
    ) -> list[FlagEvent]:
        """Take in a closed minute at every level."""
        out = []
        at_ms = (minute + 1) * MINUTE_MS
        for level, one in zip(self.all(), counts, strict=True):
            known = np.array([p in heard for p in level.platforms()], bool)
            one.add([], np.zeros(0, np.int64), np.zeros(0, np.int64))
            events = level.monitor.close_minute(minute, one.complaints, one.orders, known)
            out += self._flags(level, events, at_ms, now_ms)
        return out

    def end_merchants(self, slots: list[int], minute: int, now_ms: int) -> list[FlagEvent]:
        """The series of these merchants are over as of `minute`; the flags that end with them."""
        monitor = self.merchant.monitor
        start = (minute // monitor.minutes_per_bin) * monitor.policy.bin_ms
        events = monitor.end(np.array(slots, np.int64), start)
        return self._flags(self.merchant, events, (minute + 1) * MINUTE_MS, now_ms)

    def tick(
        self,
        opens: list[tuple[int, list[MinuteCounts]]],
        progress_ms: int,
        now_ms: int,
        orders: tuple[Mapping[str, Mapping[int, int]], int],
    ) -> list[FlagEvent]:
        """Look at the open minutes at every level.

        `orders`: until when the orders of each platform and partition are known, event time in
        ms; and how many partitions there are.
        """
        out = []
        for i, level in enumerate(self.all()):
            some = [OpenCounts(m, counts[i].complaints, counts[i].orders) for m, counts in opens]
            if any(one.complaints.any() for one in some):
                known = OrdersKnown.of(level.platforms(), *orders)
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
        platform = (self.platform, (entity.platform_id,))
        if level is self.merchant:
            return [platform, (self.category, (entity.platform_id, entity.category))]
        return [platform] if level is self.category else []

    def _explaining(self, level: Level, slot: int, wider: Level, key: Key) -> str | None:
        above = wider.index.slots.get(key)
        episode = None if above is None else wider.monitor.detector.book.open.get(above)
        if episode is None or above is None:
            return None
        siblings = np.array(
            [
                i
                for i, k in enumerate(level.index.keys)
                if k is not None and k[0] == key[0] and key[1:] in ((), (level.category[i],))
            ]
        )
        window = closed_window(level.monitor.detector.state, siblings)
        rise = parent_rise(window.observed, window.expected, parent_in_episode=True)
        mine = np.flatnonzero(siblings == slot)
        if not rise.wide or not rise.explained[mine].any():
            return None
        return f"{RULE}:{wider.entity(above).key}:{episode.onset_ms}"


def _slots(level: Level, rows: Rows, place: Any) -> list[int]:
    return [level.slot(*place(key)) for key in rows.keys]
