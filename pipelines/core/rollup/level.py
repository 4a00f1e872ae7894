"""One level of lasting series: their names, places and groups, and the monitor of their spikes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import SpikePolicy
from pipelines.core.detect.season import GroupSeason, Season
from pipelines.core.flags import Entity
from pipelines.core.index import KeyIndex
from pipelines.core.spikes import SpikeMonitor

Key = tuple[str, ...]
"""("",) is the city; else (platform, ...): category, category and district, or a pseudonym."""
COUNTED = ("complaints", "orders")
CITY_ID = "all"


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
        self._platforms: list[str] = []

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

    def slots(self, keys: Sequence[Key], categories: Sequence[str]) -> npt.NDArray[np.int64]:
        """Slots of many series; room for those that begin is made at once."""
        known = self.index.slots
        found = list(map(known.get, keys))
        if None in found:
            new = {k: c for k, c in zip(keys, categories, strict=True) if k not in known}
            self.monitor.grow(self.index.size + len(new))
            for key, category in new.items():
                self.slot(key, category)
            found = list(map(known.get, keys))
        return np.array(found, np.int64)

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

    def follow(self, season: Season) -> None:
        """Expect what the season brings to each group."""
        self.monitor.season = GroupSeason(season, lambda: self.groups)

    def platforms(self) -> list[str]:
        """Platform of each slot. A slot keeps its platform for ever, whatever its name becomes."""
        more = self.index.keys[len(self._platforms) :]
        self._platforms += [key[0] if key else "" for key in more]
        return self._platforms

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
        self._platforms = []
        self.groups = {name: i for i, name in enumerate(groups)}
        for slot, (*key, category) in enumerate(rows):
            self.index.restore(slot, tuple(key))
            self.category.append(category)
        self.district = [*districts, *[""] * (len(self.category) - len(districts))]
        self.index.close_gaps()
