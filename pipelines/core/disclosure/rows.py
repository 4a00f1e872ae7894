"""The cells of a day as rows, for whoever may read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.core.disclosure.days import COARSE, DAILY, HOURLY, Day, Suppressed, T, hidden_cells
from pipelines.core.disclosure.rules import Ints

MEASURES = (*DAILY, *HOURLY, *COARSE)


@dataclass(frozen=True, slots=True)
class Row:
    """A cell. index: hour, platform, category, district; None is the total. A measure that is not
    told is None: because the cell is suppressed, or (`withheld`) because only this measure is.
    """

    index: tuple[int | None, ...]
    suppressed: bool
    withheld: tuple[str, ...]
    values: dict[str, int | None]


def rows(day: Day, out: Suppressed) -> list[Row]:
    """Every cell that is shown by design and has any activity; for everybody without platforms."""
    public = out.all.ndim == 3
    hourly = {name: _cut(day.hours.table(name), public, 1) for name in HOURLY}
    daily = {name: _cut(day.day.table(name), public, 0) for name in (*DAILY, *COARSE)}
    active = np.logical_or.reduce([v > 0 for v in hourly.values()])
    active[T] |= np.logical_or.reduce([v > 0 for v in daily.values()])
    found = []
    for cell in np.argwhere(active & ~hidden_cells(out.all.shape)):
        at = tuple(int(i) for i in cell)
        whole = at[0] == out.all.shape[0] - 1
        gone = bool(out.all[at])
        values: dict[str, int | None] = {n: None if gone else int(v[at]) for n, v in hourly.items()}
        for name, table in daily.items():
            told = whole and not gone and not (name in COARSE and out.coarse[name][at[1:]])
            values[name] = int(table[at[1:]]) if told else None
        withheld = tuple(
            n for n in COARSE if whole and not gone and _one_axis(at, out) and values[n] is None
        )
        index = [None if i == n - 1 else i for i, n in zip(at, out.all.shape, strict=True)]
        found.append(
            Row(tuple([index[0], None, *index[1:]] if public else index), gone, withheld, values)
        )
    return found


def _one_axis(at: tuple[int, ...], out: Suppressed) -> bool:
    """Whether refunds and complaints are shown of this cell by design."""
    leaves = [i for i, n in zip(at[1:], out.all.shape[1:], strict=True) if i != n - 1]
    return len(leaves) <= 1


def _cut(table: Ints, public: bool, axis: int) -> Ints:
    return np.take(table, T, axis=axis) if public else table
