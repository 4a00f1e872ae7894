"""One open minute: the accumulator that batches are folded into."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import COUNTED_NAMES, LAG_NAMES, Columns

Ints = npt.NDArray[np.int64]
# The latest gauge of a minute is found by one maximum over (time, value) packed in an int64.
_VALUE_BITS = 32
_FROM_SAMPLES = frozenset({"viewer_milliminutes", "seen", "expected"})


class OpenMinute:
    """Sums and gauges of one minute by slot. Every fold commutes with every other.

    A metric takes memory when it is first added to: in a sparse stream many minutes are open
    and few metrics are used.
    """

    __slots__ = (
        "_latest", "_sums", "_viewer_count", "_viewer_sum", "dirty", "peak", "tallies", "unique",
    )  # fmt: skip

    def __init__(self, capacity: int) -> None:
        self._sums: Columns = {}
        self._viewer_sum = np.zeros(capacity, np.int64)
        self._viewer_count = np.zeros(capacity, np.int64)
        self._latest = np.full(capacity, -1, np.int64)
        self.peak = np.zeros(capacity, np.int64)
        self.unique = np.zeros(capacity, np.int64)
        self.tallies: dict[tuple[str, str], Ints] = {}
        """(name, platform) -> counts [category]: what no session needs."""
        self.dirty = False

    @property
    def capacity(self) -> int:
        return len(self._viewer_sum)

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` slots."""
        extra = capacity - self.capacity
        if extra <= 0:
            return
        for name, values in self._sums.items():
            self._sums[name] = np.concatenate([values, np.zeros(extra, np.int64)])
        self._viewer_sum = np.concatenate([self._viewer_sum, np.zeros(extra, np.int64)])
        self._viewer_count = np.concatenate([self._viewer_count, np.zeros(extra, np.int64)])
        self._latest = np.concatenate([self._latest, np.full(extra, -1, np.int64)])
        self.peak = np.concatenate([self.peak, np.zeros(extra, np.int64)])
        self.unique = np.concatenate([self.unique, np.zeros(extra, np.int64)])

    def sum(self, name: str) -> Ints:
        """An additive metric by slot; not to be written to."""
        found = self._sums.get(name)
        return np.zeros(self.capacity, np.int64) if found is None else found

    def _into(self, name: str) -> Ints:
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = np.zeros(self.capacity, np.int64)
        return found

    def add(self, name: str, slots: npt.NDArray[Any], values: Ints) -> None:
        """Add `values` [n] at `slots` [n]; a slot may come more than once."""
        np.add.at(self._into(name), slots, values)
        self.dirty = True

    def tally(self, name: str, platform: str, counts: Ints) -> None:
        """Add counts [category] of a platform."""
        old = self.tallies.get((name, platform))
        self.tallies[name, platform] = counts if old is None else old + counts

    def add_lags(self, slots: npt.NDArray[Any], buckets: Ints) -> None:
        """Count each row in its bucket of the lag histogram."""
        for bucket in np.unique(buckets).tolist():
            np.add.at(self._into(LAG_NAMES[bucket]), slots[buckets == bucket], 1)

    def add_viewers(self, slots: npt.NDArray[Any], at_ms: Ints, viewers: Ints) -> None:
        """Known viewer gauges [n], taken `at_ms` [n] after the start of the minute."""
        np.add.at(self._viewer_sum, slots, viewers)
        np.add.at(self._viewer_count, slots, 1)
        np.maximum.at(self._latest, slots, (at_ms << _VALUE_BITS) | viewers)
        np.maximum.at(self.peak, slots, viewers)
        self.dirty = True

    def add_unique(self, slots: npt.NDArray[Any], unique: Ints) -> None:
        """Unique viewers since the start [n], where known: the largest counts."""
        np.maximum.at(self.unique, slots, unique)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Slots with at least one known viewer gauge."""
        seen: npt.NDArray[np.bool_] = self._viewer_count > 0
        return seen

    def latest_viewers(self) -> Ints:
        """The gauge of the latest sample of the minute; meaningful where `seen`."""
        return self._latest & ((1 << _VALUE_BITS) - 1)

    def columns(self, expected: npt.NDArray[np.bool_]) -> Columns:
        """All counts of the minute. `expected`: slots in which a sample was due."""
        count = np.maximum(self._viewer_count, 1)
        nothing = np.zeros(self.capacity, np.int64)
        sums = {n: self._sums.get(n, nothing) for n in COUNTED_NAMES if n not in _FROM_SAMPLES}
        return sums | {
            # Mean of the minute's gauges times one minute, in whole thousandths: an integer, so
            # that the same figure comes out of SQL to the last digit.
            "viewer_milliminutes": 1000 * self._viewer_sum // count,
            "seen": self.seen.astype(np.int64),
            "expected": expected.astype(np.int64),
        }
