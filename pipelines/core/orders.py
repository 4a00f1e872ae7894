"""Until when the orders of a series are known: complaints are read before them.

What is not known is never zero: a spike filter that took orders that are still to be read for
orders that never were would find complaints without orders everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FOR_EVER = 1 << 62
"""Of a platform that said goodbye: no more orders will come."""


@dataclass(frozen=True, slots=True)
class OrdersKnown:
    """Event time up to which orders are known.

    `until_ms` [platform, part] for each part of the city that is read on its own (one part in
    the first stage, the partitions in the second), negative where a part does not have the
    platform; `platform` [slot] is the row of each series.
    """

    until_ms: Ints
    platform: Ints

    @classmethod
    def of(
        cls, platforms: Sequence[str], until_ms: Mapping[str, Mapping[int, int]], parts: int
    ) -> OrdersKnown:
        """`platforms` [slot] by name; `until_ms` by platform and part."""
        names = list(dict.fromkeys(platforms))
        rows = np.full((max(1, len(names)), parts), -1, np.int64)
        for i, name in enumerate(names):
            for part, ms in until_ms.get(name, {}).items():
                rows[i, part] = ms
        place = {name: i for i, name in enumerate(names)}
        return cls(rows, np.array([place[p] for p in platforms], np.int64))

    def missing(self, slots: Ints, start_ms: int, bin_ms: int, elapsed: float) -> Floats:
        """Share [n] of the bin at `start_ms`, of which `elapsed` has passed, without orders yet."""
        share = np.clip((self.until_ms - start_ms) / bin_ms, 0.0, elapsed)
        there = self.until_ms >= 0
        known = np.where(there, share, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        missing: Floats = (elapsed - known)[self.platform[slots]]
        return missing


def all_known(slots: int) -> OrdersKnown:
    """For series whose orders are always read before their complaints."""
    return OrdersKnown(np.full((1, 1), FOR_EVER), np.zeros(slots, np.int64))
