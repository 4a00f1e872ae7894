"""Keys to slots: where a session, merchant or cell stands in the arrays."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyIndex(Generic[K]):
    """Slots are given out from the lowest free one, so that arrays stay dense."""

    def __init__(self) -> None:
        self.slots: dict[K, int] = {}
        self.keys: list[K | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def size(self) -> int:
        """One past the highest slot ever given out: the capacity that arrays need."""
        return len(self.keys)

    def add(self, key: K) -> int:
        """Slot of `key`, which is given one if it has none."""
        slot = self.slots.get(key)
        if slot is not None:
            return slot
        if self._free:
            slot = heapq.heappop(self._free)
            self.keys[slot] = key
        else:
            slot = len(self.keys)
            self.keys.append(key)
        self.slots[key] = slot
        return slot

    def restore(self, slot: int, key: K) -> None:
        """Put `key` at `slot`, as a checkpoint says. Call `close_gaps` when all are in."""
        while len(self.keys) <= slot:
            self.keys.append(None)
        self.keys[slot] = key
        self.slots[key] = slot

    def rename(self, slot: int, key: K) -> None:
        """The slot goes on under another key, which no slot has yet."""
        old = self.keys[slot]
        if old is not None:
            del self.slots[old]
        self.keys[slot] = key
        self.slots[key] = slot

    def close_gaps(self) -> None:
        """After restoring: the slots in between are free."""
        self._free = [i for i, k in enumerate(self.keys) if k is None]
        heapq.heapify(self._free)

    def free(self, slot: int) -> None:
        """Give the slot back."""
        key = self.keys[slot]
        if key is None:
            return
        del self.slots[key]
        self.keys[slot] = None
        heapq.heappush(self._free, slot)
