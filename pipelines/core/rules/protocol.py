"""What every detector is: arrays of one bin in, a score by series out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from .table import Rule

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
BIN_MS = 300_000
Inputs = Callable[[int], dict[str, Any]]
"""What the score of the series at a slot rests on; only until the next bin."""
CEILING = 2.0**31
"""A larger count of a bin is read as this: one absurd figure must not end in infinity."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One closed bin of all series [n]. `known`: telemetry came, so that zero means zero.

    `columns` are sums over the bin, [n] or [n, parts]; `group` [n] says whose prior a series has.
    """

    number: int
    columns: Mapping[str, npt.NDArray[Any]]
    known: Bools
    live: Bools
    group: Ints

    def column(self, name: str) -> Floats:
        """A column as bounded floats; what is missing is zero."""
        found = self.columns.get(name)
        if found is None:
            return np.zeros(len(self.known))
        return np.clip(found.astype(np.float64), 0.0, CEILING)


@dataclass(frozen=True, slots=True)
class Scores:
    """[n] each. A NaN score is unknown: it neither opens nor clears anything."""

    score: Floats
    volume: Floats
    """What the rule's guard counts."""
    observed: Floats
    expected: Floats
    exposure: Floats
    detail: Floats | None = None
    """What a sentence wants beyond these: F06 the category, F04 the engagement left."""
    inputs: Inputs | None = None


def inputs_at(
    bin_: Bin, frozen: Bools, slot: int, state: Mapping[str, npt.NDArray[Any]]
) -> dict[str, Any]:
    """A bin and the `state` before it, of one series, as plain numbers; None is unknown."""
    told = {
        "start_ms": bin_.number * BIN_MS,
        "known": bool(bin_.known[slot]),
        "live": bool(bin_.live[slot]),
        "frozen": bool(frozen[slot]),
        "columns": {name: _plain(values[slot]) for name, values in bin_.columns.items()},
    }
    return {"bin": told, "state": {name: _plain(values[slot]) for name, values in state.items()}}


def _plain(values: Any) -> Any:
    numbers = values.tolist()
    if isinstance(numbers, list):
        return [n if isfinite(n) else None for n in numbers]
    return numbers if isfinite(numbers) else None


class Detector(Protocol):
    """State of one rule over the series of a level. O(1) per series and bin."""

    rule: Rule

    def grow(self, n: int) -> None:
        """Make room for at least `n` series."""
        ...

    def reset(self, slots: Ints) -> None:
        """Other series will stand at these slots."""
        ...

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        """Take in the next bin. A `frozen` series is in an episode: it must not be learned."""
        ...

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For a checkpoint, at the end of a bin."""
        ...

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `to_arrays` gave."""
        ...


class Kept:
    """Arrays [n] or [n, k] by series, declared by name: room, reset and checkpoint in one place."""

    START: ClassVar[dict[str, tuple[type, float, int]]] = {}
    """name -> (dtype, value at the start, parts; 0 is one number a series)."""

    def __init__(self) -> None:
        self.at: dict[str, npt.NDArray[Any]] = {}
        for name in self.START:
            self.at[name] = self._fresh(name, 0)

    def _fresh(self, name: str, n: int) -> npt.NDArray[Any]:
        dtype, start, parts = self.START[name]
        return np.full((n, parts) if parts else n, start, dtype)

    @property
    def size(self) -> int:
        """Series that there is room for."""
        return len(next(iter(self.at.values())))

    def grow(self, n: int) -> None:
        for name, old in self.at.items():
            if n > len(old):
                self.at[name] = np.concatenate([old, self._fresh(name, n - len(old))])

    def reset(self, slots: Ints) -> None:
        for name, values in self.at.items():
            values[slots] = self.START[name][1]

    def before(self, bin_: Bin, frozen: Bools) -> Inputs:
        """What the scores of this bin will rest on; call it before the bin is taken in."""
        n = len(bin_.known)
        kept = {name: values[:n].copy() for name, values in self.at.items()}
        return lambda slot: inputs_at(bin_, frozen, slot, kept)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: values.copy() for name, values in self.at.items()}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        for name in self.START:
            if name in arrays:
                self.at[name] = arrays[name].astype(self.START[name][0])
        self.grow(max(len(values) for values in self.at.values()))
