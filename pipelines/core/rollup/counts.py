"""What a minute counts, by slot of a level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipelines.core import blob

Ints = npt.NDArray[np.int64]


class MinuteCounts:
    """Sums of one minute by name and slot."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.sums = {name: np.zeros(0, np.int64) for name in names}

    def __getitem__(self, name: str) -> Ints:
        return self.sums[name]

    def grow(self, n: int) -> None:
        """Make room for at least `n` slots."""
        for name, old in self.sums.items():
            if n > len(old):
                self.sums[name] = np.pad(old, (0, n - len(old)))

    def add(self, slots: Ints, values: Mapping[str, Ints]) -> None:
        """Add values [n] at slots [n]; a name that the values do not have adds nothing."""
        if not len(slots):
            return
        self.grow(int(slots.max()) + 1)
        for name, into in self.sums.items():
            if name in values:
                np.add.at(into, slots, values[name])

    def pack(self, prefix: str) -> blob.Arrays:
        """The slots that have something, for a checkpoint."""
        some = np.flatnonzero(np.any([v != 0 for v in self.sums.values()], axis=0))
        out: blob.Arrays = {f"{prefix}.slots": some}
        return out | {f"{prefix}.{n}": v[some] for n, v in self.sums.items() if v.any()}

    def unpack(self, prefix: str, arrays: Mapping[str, Ints]) -> None:
        """Add what `pack` gave; nothing where it gave nothing."""
        slots = arrays.get(f"{prefix}.slots")
        if slots is not None and len(slots):
            names = [n for n in self.sums if f"{prefix}.{n}" in arrays]
            self.add(slots, {n: arrays[f"{prefix}.{n}"] for n in names})
