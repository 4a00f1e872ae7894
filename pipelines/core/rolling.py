"""Rolling windows by slot: a ring of closed minutes and a ring of clock hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import ADDITIVE, ADDITIVE_NAMES, Columns, clip_to

Ints = npt.NDArray[np.int64]
RING_MINUTES = 60
RING_HOURS = 24
HOURLY = ("orders", "complaints")
"""Metrics that are also kept by clock hour, for the 24-hour window."""
_NEVER = -1


class Rolling:
    """Closed minutes of the last hour and clock hours of the last day.

    A window of w minutes that ends with minute m is the sum over (m - w, m]; the 24-hour window
    is the clock hour of m and the 23 before it.
    """

    def __init__(self, capacity: int, names: Sequence[str] = ADDITIVE_NAMES) -> None:
        self.names = tuple(names)
        dtypes = {m.name: m.dtype for m in ADDITIVE}
        self.ring: dict[str, npt.NDArray[Any]] = {
            n: np.zeros((RING_MINUTES, capacity), dtypes[n]) for n in self.names
        }
        self.minutes = np.full(RING_MINUTES, _NEVER, np.int64)
        self.hourly: dict[str, Ints] = {
            n: np.zeros((RING_HOURS, capacity), np.int64) for n in HOURLY
        }
        self.hours = np.full(RING_HOURS, _NEVER, np.int64)

    @property
    def capacity(self) -> int:
        return int(self.ring[self.names[0]].shape[1])

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` slots."""
        extra = capacity - self.capacity
        if extra <= 0:
            return
        for rings in (self.ring, self.hourly):
            for name, ring in rings.items():
                more = np.zeros((ring.shape[0], extra), ring.dtype)
                rings[name] = np.concatenate([ring, more], axis=1)

    def reset(self, slots: npt.NDArray[np.int64]) -> None:
        """Forget `slots`, for reuse by other keys."""
        for rings in (self.ring, self.hourly):
            for ring in rings.values():
                ring[:, slots] = 0

    def close(self, minute: int, columns: Columns) -> None:
        """Take in a closed minute (minutes since the epoch)."""
        self.put(minute, columns)
        hour = minute // 60
        at = hour % RING_HOURS
        if self.hours[at] != hour:
            self.hours[at] = hour
            for name in HOURLY:
                self.hourly[name][at] = 0
        for name in HOURLY:
            self.hourly[name][at] += columns[name]

    def put(self, minute: int, columns: Columns) -> None:
        """Place a minute in the ring without counting it to its hour (restoring does that)."""
        at = minute % RING_MINUTES
        self.minutes[at] = minute
        for name, ring in self.ring.items():
            ring[at] = clip_to(columns[name], ring.dtype)

    def put_hour(self, hour: int, columns: Columns) -> None:
        """Place a clock hour's sums, as restored."""
        at = hour % RING_HOURS
        self.hours[at] = hour
        for name in HOURLY:
            self.hourly[name][at] = columns[name]

    def minute(self, minute: int) -> Columns | None:
        """The columns of a closed minute still in the ring."""
        at = minute % RING_MINUTES
        if self.minutes[at] != minute:
            return None
        return {n: ring[at].astype(np.int64) for n, ring in self.ring.items()}

    def windows(
        self, name: str, minute: int, widths: Sequence[int], opens: Sequence[tuple[int, Ints]] = ()
    ) -> list[Ints]:
        """Sums over the windows that end with `minute`, one array [capacity] a width.

        `opens` are minutes not closed yet, (minute, values), that count as well.
        """
        ring = self.ring[name]
        age = minute - self.minutes
        age[self.minutes == _NEVER] = RING_MINUTES + 1
        total = np.zeros(self.capacity, np.int64)
        sums, start = [], 0
        for width in widths:
            rows = np.flatnonzero((age >= start) & (age < width))
            if len(rows):
                total = total + ring[rows].sum(axis=0, dtype=np.int64)
            for when, values in opens:
                if start <= minute - when < width:
                    total = total + values
            sums.append(total)
            start = width
        return sums

    def day(self, name: str, minute: int, opens: Sequence[tuple[int, Ints]] = ()) -> Ints:
        """Sum over the clock hour of `minute` and the 23 before it."""
        hour = minute // 60
        live = (self.hours != _NEVER) & (self.hours > hour - RING_HOURS) & (self.hours <= hour)
        total: Ints = self.hourly[name][live].sum(axis=0)
        for when, values in opens:
            if when <= minute and when // 60 > hour - RING_HOURS:
                total = total + values
        return total
