"""What a session has had since its start: peak viewers (I03), orders and unique viewers (I07)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import Columns

Ints = npt.NDArray[np.int64]
_MERGE: dict[str, Callable[[Ints, Ints], Ints]] = {
    "peak": np.maximum,
    "unique": np.maximum,
    "orders": np.add,
}


class Life:
    """Figures by slot, as of the last closed bin (which is kept), and since."""

    def __init__(self, minutes_per_bin: int) -> None:
        self._per_bin = minutes_per_bin
        self._kept = {name: np.zeros(0, np.int64) for name in _MERGE}
        self._since = {name: np.zeros(0, np.int64) for name in _MERGE}
        self._bin: int | None = None

    def grow(self, n: int) -> None:
        """Make room for at least `n` slots."""
        for sums in (self._kept, self._since):
            for name, values in sums.items():
                if n > len(values):
                    sums[name] = np.pad(values, (0, n - len(values)))

    def reset(self, slots: Ints) -> None:
        """Other sessions will stand at these slots."""
        for sums in (self._kept, self._since):
            for values in sums.values():
                values[slots[slots < len(values)]] = 0

    def add_minute(self, minute: int, columns: Columns) -> None:
        """Take in a closed minute: columns `peak`, `unique` and `orders` [slot]."""
        if self._bin is not None and minute // self._per_bin != self._bin:
            self._close()
        self._bin = minute // self._per_bin
        self.grow(len(columns["orders"]))
        for name, merge in _MERGE.items():
            n = len(columns[name])
            self._since[name][:n] = merge(self._since[name][:n], columns[name])
        if (minute + 1) % self._per_bin == 0:
            self._close()

    def figure(self, name: str) -> Ints:
        """`peak`, `unique` or `orders` [slot] so far; a peak or unique viewers of 0 are unknown."""
        return _MERGE[name](self._kept[name], self._since[name])

    def _close(self) -> None:
        for name, merge in _MERGE.items():
            self._kept[name] = merge(self._kept[name], self._since[name])
            self._since[name] = np.zeros_like(self._kept[name])
        self._bin = None

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As of the last closed bin, for a checkpoint."""
        return {name: values.copy() for name, values in self._kept.items()}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `to_arrays` gave; nothing of a checkpoint from before."""
        for name in _MERGE:
            if name in arrays:
                self._kept[name] = arrays[name].astype(np.int64)
                self._since[name] = np.zeros_like(self._kept[name])
