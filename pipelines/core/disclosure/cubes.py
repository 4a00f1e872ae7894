"""Complementary suppression: what must go with the revealing cells, so that no total tells them.

After the hypercube method (Repsilber 1994; Giessing and Repsilber 2002): a cell is safe where it is
a corner of a cube of cells that are all unknown to the reader. Adding t to some corners and taking
it from the others changes no total that the cube's axes add up to, so every world between these is
as good to the reader as the true one. An axis may pair a leaf with its total: both move together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pipelines.core.disclosure.rules import Ints, Mask

Floats = npt.NDArray[np.float64]
Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What a kind of reader sees of some measures that are shown and hidden together.

    within: index that cuts this view's table out of the whole one. measures: name -> table with
    totals, less what the reader knows for itself. hidden: never shown, by design. known: cells
    that the reader knows. floor: name -> least width of the interval that a reader is left with.
    """

    within: tuple[int | slice, ...]
    measures: dict[str, Ints]
    hidden: Mask
    known: Mask
    floor: dict[str, float]


#: A revealing cell needs an interval of at least this share of its value.
SHARE = 0.2


def protect(views: list[View], revealing: Mask) -> Mask:
    """All cells that must not be shown: `revealing` and those that must go with them.

    Whatever the tables are it ends: at worst everything is suppressed.
    """
    out = revealing.copy()
    while True:
        before = int(out.sum())
        for view in views:
            _protect(view, out[view.within], revealing[view.within])
        if int(out.sum()) == before:
            return out


def unprotected(view: View, suppressed: Mask, revealing: Mask) -> list[Cell]:
    """Cells of a view that are suppressed and that no cube of suppressed cells protects."""
    inside, search = suppressed[view.within], _Search(view)
    closed = np.where(inside | view.hidden, 0.0, np.inf)
    return [
        cell
        for cell in _targets(view, inside)
        if search.best(cell, closed, bool(revealing[view.within][cell])) is None
    ]


def _protect(view: View, suppressed: Mask, revealing: Mask) -> None:
    search = _Search(view)
    done: set[Cell] = set()
    for cell in _targets(view, suppressed):
        if cell in done:
            continue
        price = np.where(suppressed | view.hidden, 0.0, search.price)
        found = search.best(cell, price, bool(revealing[cell]))
        if found is None:
            continue  # the reader knows all that could move: nothing is left to hide from it
        for corner in found:
            if not view.hidden[corner]:
                suppressed[corner] = True
                if not revealing[corner]:
                    done.add(corner)


def _targets(view: View, suppressed: Mask) -> list[Cell]:
    """Totals first: what they take with them serves the finer cells too."""
    shape = np.array(suppressed.shape) - 1
    cells = np.argwhere(suppressed & ~view.hidden & ~view.known)
    levels = (cells == shape).sum(axis=1)
    order = np.lexsort((*cells.T, -levels))
    return [tuple(int(i) for i in cells[n]) for n in order]


class _Search:
    """The cheapest cube around a cell."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.shape = view.hidden.shape
        self.axes = range(len(self.shape))
        size = np.add.reduce([v / max(int(v.max()), 1) for v in view.measures.values()])
        base = 1 + np.log1p(1e4 * size)
        totals = np.indices(self.shape) == np.reshape(self.shape, (-1, *[1] * len(self.shape))) - 1
        empty = np.logical_and.reduce([v == 0 for v in view.measures.values()])
        # A cell without activity is shown as such: it cannot move.
        self.fixed: Mask = view.known | (empty & ~view.hidden)
        self.barred: dict[tuple[int, ...], Mask] = {}
        self.price: Floats = base * 4.0 ** totals.sum(axis=0)
        # Along this axis a cell's parts are shown: they would have to move with it.
        self.parts = [self._shown_along(axis) for axis in self.axes]

    def _shown_along(self, axis: int) -> Mask:
        leaves = np.take(~self.view.hidden, range(self.shape[axis] - 1), axis=axis)
        some = leaves.any(axis=axis, keepdims=True)
        return np.broadcast_to(some, self.shape)

    def best(self, cell: Cell, price: Floats, revealing: bool) -> list[Cell] | None:
        """Corners of the cheapest cube that leaves a wide enough interval; None without one.

        Rather than give up the total of everything, a revealing cell makes do with the floor.
        """
        found = self._first(cell, price, SHARE if revealing else 0.0)
        if not revealing or found is None or not self._costs_everything(found, price):
            return found
        other = self._first(cell, price, 0.0)
        return found if other is None or self._costs_everything(other, price) else other

    def _costs_everything(self, corners: list[Cell], price: Floats) -> bool:
        everything = tuple(n - 1 for n in self.shape)
        return everything in corners and bool(price[everything] > 0)

    def _first(self, cell: Cell, price: Floats, share: float) -> list[Cell] | None:
        for spanned in self._spans(cell):
            cost = self._cost(cell, spanned, price, share)
            at = np.unravel_index(int(np.argmin(cost)), cost.shape)
            if np.isfinite(cost[at]):
                return self._corners(cell, spanned, at)
        return None

    def _spans(self, cell: Cell) -> Iterator[tuple[int, ...]]:
        """Sets of axes that a cube may span: all in which the cell is a leaf, and others."""
        leaf = [a for a in self.axes if cell[a] != self.shape[a] - 1]
        rest = [a for a in self.axes if a not in leaf]
        for more in range(len(rest) + 1):
            for extra in combinations(rest, more):
                spanned = tuple(sorted((*leaf, *extra)))
                if spanned:
                    yield spanned

    def _cost(self, cell: Cell, spanned: tuple[int, ...], price: Floats, share: float) -> Floats:
        """Price [partner along each spanned axis]; infinite where the cube does not protect."""
        grid = tuple(self.shape[a] for a in spanned)
        cost = np.zeros(grid)
        up = {name: np.full(grid, np.inf) for name in self.view.measures}
        down = {name: np.full(grid, np.inf) for name in self.view.measures}
        priced = np.where(self._barred(spanned), np.inf, price)
        for moved in np.ndindex(*(2,) * len(spanned)):
            pick: list[int | slice] = list(cell)
            for axis, is_moved in zip(spanned, moved, strict=True):
                pick[axis] = slice(None) if is_moved else cell[axis]
            shape = tuple(n if m else 1 for n, m in zip(grid, moved, strict=True))
            cost += priced[tuple(pick)].reshape(shape)
            rises = self._rises(cell, spanned, moved)
            for name, values in self.view.measures.items():
                value = values[tuple(pick)].reshape(shape)
                np.minimum(up[name], np.where(rises, np.inf, value), out=up[name])
                np.minimum(down[name], np.where(rises, value, np.inf), out=down[name])
        for i, axis in enumerate(spanned):
            cost[(slice(None),) * i + (cell[axis],)] = np.inf
        for name, values in self.view.measures.items():
            need = max(self.view.floor[name], share * float(values[cell]))
            cost[up[name] + down[name] < need] = np.inf
        return cost

    def _barred(self, spanned: tuple[int, ...]) -> Mask:
        """Cells that cannot be corners: they are known, or their parts would have to move too."""
        if spanned not in self.barred:
            rest = [self.parts[a] for a in self.axes if a not in spanned]
            self.barred[spanned] = np.logical_or.reduce([self.fixed, *rest])
        return self.barred[spanned]

    def _rises(
        self, cell: Cell, spanned: tuple[int, ...], moved: tuple[int, ...]
    ) -> npt.NDArray[np.bool_]:
        """Whether a corner rises with the cell: it does over an even number of leaf-leaf pairs."""
        sign = np.ones((1,) * len(spanned))
        for i, axis in enumerate(spanned):
            if moved[i] and cell[axis] != self.shape[axis] - 1:
                own = np.full(self.shape[axis], -1.0)
                own[-1] = 1.0
                sign = sign * own.reshape([-1 if j == i else 1 for j in range(len(spanned))])
        return sign > 0

    def _corners(
        self, cell: Cell, spanned: tuple[int, ...], partner: tuple[np.intp, ...]
    ) -> list[Cell]:
        out = []
        for moved in np.ndindex(*(2,) * len(spanned)):
            corner = list(cell)
            for axis, is_moved, other in zip(spanned, moved, partner, strict=True):
                if is_moved:
                    corner[axis] = int(other)
            out.append(tuple(corner))
        return out
