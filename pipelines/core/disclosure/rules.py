"""Cells that say too much by themselves: too few, too few contributors, or one that dominates.

A table has an axis a dimension; the last index of an axis is its total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a cell needs in order to be shown (DOMAIN section 4).

    `least` of what it counts, where it has any; `entities` contributors; none of them with more
    than `dominance` of any measure.
    """

    least: int
    entities: int = 3
    dominance: float = 0.8


PUBLIC = Policy(least=10)
BETWEEN_AGENCIES = Policy(least=5)


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each contributor adds to the finest cells.

    cells [n, axes]: indices of the leaf; who [n]: number of the contributor; measures: name -> [n].
    """

    shape: tuple[int, ...]
    cells: Ints
    who: Ints
    measures: dict[str, Ints]

    def table(self, measure: str) -> Ints:
        """Sums [n0 + 1, n1 + 1, ...], totals last."""
        inner = np.zeros(self.shape, np.int64)
        np.add.at(inner, tuple(self.cells.T), self.measures[measure])
        return with_totals(inner)

    def only(self, keep: npt.NDArray[Any]) -> Contributions:
        """A part of them."""
        some = {name: values[keep] for name, values in self.measures.items()}
        return Contributions(self.shape, self.cells[keep], self.who[keep], some)


def with_totals(inner: Ints) -> Ints:
    """The table with a total at the end of each axis."""
    out = inner
    for axis in range(inner.ndim):
        out = np.concatenate([out, out.sum(axis=axis, keepdims=True)], axis=axis)
    return out


def revealing(
    given: Contributions, policy: Policy, counts: tuple[str, ...] = ("sessions", "orders")
) -> Mask:
    """Cells [totals included] that must not be shown. One without any activity reveals nobody.

    Of `counts` a cell needs the policy's least, or none at all.
    """
    tables = {name: given.table(name) for name in given.measures}
    out: Mask = np.logical_or.reduce([(tables[n] > 0) & (tables[n] < policy.least) for n in counts])
    for level in np.ndindex(*(2,) * len(given.shape)):
        block = tuple(
            slice(n, None) if total else slice(0, n)
            for n, total in zip(given.shape, level, strict=True)
        )
        out[block] |= _concentrated(given, level, policy, {k: v[block] for k, v in tables.items()})
    return out


def _concentrated(
    given: Contributions, level: tuple[int, ...], policy: Policy, totals: dict[str, Ints]
) -> Mask:
    """Cells of one level (1: the axis is summed up) with too few or too unequal contributors."""
    shape = next(iter(totals.values())).shape
    index = [
        np.zeros(len(given.who), np.int64) if t else given.cells[:, a] for a, t in enumerate(level)
    ]
    cell = np.ravel_multi_index(index, shape) if index else np.zeros(len(given.who), np.int64)
    pair, of = np.unique(np.stack([cell, given.who]), axis=1, return_inverse=True)
    size = int(np.prod(shape))
    active: Mask = np.zeros(pair.shape[1], bool)
    out: Mask = np.zeros(size, bool)
    for name, values in given.measures.items():
        own = np.bincount(of.ravel(), weights=values, minlength=pair.shape[1])
        active |= own > 0
        largest = np.zeros(size)
        np.maximum.at(largest, pair[0], own)
        out |= largest > policy.dominance * totals[name].ravel()
    count = np.bincount(pair[0][active], minlength=size)
    out |= (count > 0) & (count < policy.entities)
    return (out & (count > 0)).reshape(shape)
