"""F02, F07, F08, F12: so many of something within a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .protocol import BIN_MS, Bin, Bools, Floats, Inputs, Ints, Scores
from .table import Rule

_NEVER = -1
_SHANGHAI_MS = 8 * 3_600_000
_DAY_MS = 86_400_000


class Cluster:
    """Counts of one column in a ring of units (bins, clock hours or Shanghai days).

    The score is the count of the last `units` units, without what is waived. The usual number,
    where the rule has a baseline, is the mean over the series of the same group.
    """

    def __init__(self, rule: Rule, column: str, units: int, unit_ms: int) -> None:
        self.rule, self.column = rule, column
        self._units, self._unit_ms = units, unit_ms
        # What happens once a day for each rule (F12) needs no more than a byte.
        self._kind = np.uint8 if unit_ms == _DAY_MS else np.uint16
        self._ring = np.zeros((units, 0), self._kind)
        self._stamp = np.full(units, _NEVER, np.int64)
        self.waived: dict[tuple[int, int], int] = {}
        """(unit, slot) -> how many of its counts count no more. Not kept: who sets it knows."""

    def grow(self, n: int) -> None:
        extra = n - self._ring.shape[1]
        if extra > 0:
            self._ring = np.pad(self._ring, ((0, 0), (0, extra)))

    def reset(self, slots: Ints) -> None:
        self._ring[:, slots] = 0

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n = len(bin_.known)
        self.grow(n)
        unit = (bin_.number * BIN_MS + _SHANGHAI_MS) // self._unit_ms
        at = unit % self._units
        if self._stamp[at] != unit:
            self._stamp[at] = unit
            self._ring[at] = 0
        new = bin_.column(self.column)
        self._ring[at, :n] = np.minimum(self._ring[at, :n] + new, np.iinfo(self._kind).max)
        within = (self._stamp != _NEVER) & (self._stamp > unit - self._units)
        count = self._ring[within, :n].sum(axis=0, dtype=np.float64)
        for when, slot in self.waived:
            if slot < n and unit - self._units < when <= unit:
                count[slot] -= self._less(when, slot)
        # What came is counted although it is not known whether all came; only its absence is not.
        score = np.where(bin_.known | (new > 0), count, np.nan)
        usual, orders = self._usual(bin_, count), bin_.column("orders")
        return Scores(score, count, count, usual, orders, inputs=self._inputs(within))

    def _less(self, unit: int, slot: int) -> int:
        """What is waived of a unit's count, no more than there is."""
        at = unit % self._units
        there = int(self._ring[at, slot]) if self._stamp[at] == unit else 0
        return min(self.waived.get((unit, slot), 0), there)

    def _inputs(self, within: Bools) -> Inputs:
        """Start (ms) and count of each unit of the window, the oldest first."""
        places = np.flatnonzero(within)
        places = places[np.argsort(self._stamp[places])]
        units = self._stamp[places].tolist()

        def told(slot: int) -> list[list[int]]:
            return [
                [unit * self._unit_ms - _SHANGHAI_MS, int(self._ring[at, slot]) - less]
                for unit, at in zip(units, places.tolist(), strict=True)
                for less in (self._less(unit, slot),)
            ]

        return lambda slot: {"units": told(slot)}

    def _usual(self, bin_: Bin, count: Floats) -> Floats:
        if not self.rule.baseline:
            return np.zeros(len(count))
        groups = int(bin_.group.max(initial=0)) + 1
        members = np.bincount(bin_.group, bin_.live, groups)
        total = np.bincount(bin_.group, np.where(bin_.live, count, 0.0), groups)
        return np.asarray((total / np.maximum(members, 1))[bin_.group], np.float64)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"ring": self._ring.copy(), "stamp": self._stamp.copy()}

    def restore(self, arrays: Any) -> None:
        if "ring" in arrays:
            most = np.iinfo(self._kind).max
            self._ring = np.minimum(arrays["ring"], most).astype(self._kind)
            self._stamp = arrays["stamp"].copy()
