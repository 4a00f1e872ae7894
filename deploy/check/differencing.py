"""An attacker with a linear program: what the shown cells of a day say about the suppressed ones.

Knows nothing of how cells were chosen. Everything that is shown is an equation over the finest
cells, which are unknown and not negative; each suppressed cell is then bounded from both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.disclosure.days import COARSE, DAILY, FLOOR, HOURLY

TOTAL = "*"
Cell = tuple[str, ...]
"""The hour (`*` is the day), then the dimensions; `*` is all of them."""
Floats = npt.NDArray[np.float64]
#: Directions in which the whole polytope is looked at, before single cells are.
_LOOKS = 6
#: Views by what their names begin with: who reads them, and their dimensions.
READERS = {
    "v_shared": ("platform_id", "category", "district"),
    "v_published": ("category", "district"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A measure of a day as a reader has it. cells: value, or None where it is suppressed; what is
    not in it is zero, or not shown where it is in `hidden`. `by_hour`: dimension that hours have.
    """

    cells: Mapping[Cell, float | None]
    by_hour: int | None = None
    hidden: frozenset[Cell] = frozenset()
    known: Mapping[Cell, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the attacker can say of one suppressed cell."""

    cell: Cell
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


def bounds(shown: Shown, floor: float, seed: int = 1) -> list[Bounds]:
    """Interval of each suppressed cell. Exact where it is narrower than `floor`, else at least so
    wide. Raises ValueError where what is shown contradicts itself."""
    system = _System(shown, floor)
    asked = [c for c, v in shown.cells.items() if v is None and c not in shown.known]
    if not asked:
        return []
    wanted = system.matrix(asked)
    rng = np.random.default_rng(seed)
    found: list[Floats] = []
    for _ in range(_LOOKS):
        direction = np.asarray(wanted.T @ rng.normal(size=len(asked)))
        found += [wanted @ system.best(sign * direction) for sign in (1, -1)]
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    for i in np.flatnonzero(high - low < 1):
        row = np.asarray(wanted[[i]].todense()).ravel()
        low[i], high[i] = (float(row @ system.best(sign * row)) for sign in (1, -1))
    return [
        Bounds(c, float(a) * floor, float(b) * floor)
        for c, a, b in zip(asked, low, high, strict=True)
    ]


def recovered(shown: Shown, floor: float) -> list[Bounds]:
    """Suppressed cells that the attacker knows to within less than `floor`."""
    return [b for b in bounds(shown, floor) if b.width < floor * (1 - 1e-6)]


class _System:
    """The equations; variables are the finest cells of the day, and of the hours."""

    def __init__(self, shown: Shown, floor: float) -> None:
        from scipy import sparse

        self._by_hour, self._sparse = shown.by_hour, sparse
        keys = shown.cells.keys() | shown.hidden
        self.atoms = sorted(c for c in keys if self._finest(c))
        self._of: dict[Cell, list[int]] = {}
        for number, atom in enumerate(self.atoms):
            for cell in self._above(atom):
                self._of.setdefault(cell, []).append(number)
        told = {c: v for c, v in shown.cells.items() if v is not None} | dict(shown.known)
        rows, right = list(told), [v / floor for v in told.values()]
        equations = [self.matrix(rows)]
        if shown.by_hour is not None:
            equations.append(self._links(shown.by_hour))
            right += [0.0] * equations[-1].shape[0]
        self._left, self._right = sparse.vstack(equations).tocsr(), np.array(right)
        self._most = 10 * max([1.0, *right]) * 10
        self.best(np.zeros(len(self.atoms)))

    def _finest(self, cell: Cell) -> bool:
        if cell[0] == TOTAL:
            return TOTAL not in cell[1:]
        return self._by_hour is not None and cell[1 + self._by_hour] != TOTAL

    def _above(self, atom: Cell) -> list[Cell]:
        out: list[Cell] = [()]
        for i, part in enumerate(atom):
            hourly = atom[0] != TOTAL
            parts = {part} if i == 0 else ({TOTAL, part} if not hourly or part != TOTAL else {part})
            out = [(*head, p) for head in out for p in sorted(parts)]
        return out

    def matrix(self, cells: list[Cell]) -> Any:
        """A row a cell: the finest cells that it is the sum of."""
        at = [(i, j) for i, cell in enumerate(cells) for j in self._of.get(cell, [])]
        row, column = zip(*at, strict=True) if at else ((), ())
        shape = (len(cells), len(self.atoms))
        return self._sparse.csr_matrix((np.ones(len(at)), (row, column)), shape=shape)

    def _links(self, by_hour: int) -> Any:
        """By category: the hours together are the day."""
        names = {c[1 + by_hour] for c in self.atoms}
        out = self._sparse.lil_matrix((len(names), len(self.atoms)))
        for i, name in enumerate(sorted(names)):
            for j, atom in enumerate(self.atoms):
                if atom[1 + by_hour] == name:
                    out[i, j] = 1.0 if atom[0] == TOTAL else -1.0
        return out.tocsr()

    def best(self, direction: Floats) -> Floats:
        """The world that the equations allow with the least of `direction`."""
        from scipy.optimize import linprog

        found = linprog(
            direction, A_eq=self._left, b_eq=self._right, bounds=(0, self._most), method="highs"
        )
        if found.status != 0:
            raise ValueError(f"what is shown contradicts itself: {found.message}")
        return np.asarray(found.x)


# -- what is in the warehouse ---------------------------------------------------------------------


def cells_recovered(db: Any) -> list[tuple[str, str, str, Bounds]]:
    """Attack everything that is published: (audience, day, measure, what is known) of each cell
    that is recovered, in any table that agencies or everybody can read. `db`: a client whose
    database is the warehouse's."""
    out = []
    for prefix, dimensions in READERS.items():
        for (day,) in db.execute(f"SELECT DISTINCT day FROM {prefix}_day ORDER BY day"):  # noqa: S608
            for measure, shown in published(db, prefix, dimensions, str(day)):
                out += [(prefix, str(day), measure, b) for b in recovered(shown, FLOOR[measure])]
    return out


def published(
    db: Any, prefix: str, dimensions: tuple[str, ...], day: str
) -> Iterator[tuple[str, Shown]]:
    """What a reader of the views has of a day, by measure: the cells, then each further table."""
    names = ", ".join(dimensions)
    for measure in (*HOURLY, *DAILY, *COARSE):
        cells = _read(db, f"{prefix}_day", f"'{TOTAL}', {names}", measure, day)
        hidden: set[Cell] = set()
        if measure in COARSE:  # by one dimension only: what is finer is not shown by design
            hidden = {c for c in cells if sum(part != TOTAL for part in c) > 1}
        told = {c: v for c, v in cells.items() if c not in hidden}
        by_hour = None
        if measure in HOURLY:
            fixed = ", ".join("category" if d == "category" else f"'{TOTAL}'" for d in dimensions)
            told |= _read(db, f"{prefix}_hour", f"toString(hour), {fixed}", measure, day)
            by_hour = dimensions.index("category")
        yield measure, Shown(told, by_hour, frozenset(hidden))
        total = told.get((TOTAL,) * (1 + len(dimensions)))
        for part, its in (("scenario", (*HOURLY, *DAILY)), ("code", ("complaints",))):
            if measure in its:
                line = _read(db, f"{prefix}_{part}", f"'{TOTAL}', {part}", measure, day)
                if line and total is not None:
                    line[TOTAL, TOTAL] = total
                yield measure, Shown(line)


def _read(db: Any, view: str, key: str, measure: str, day: str) -> dict[Cell, float | None]:
    rows = db.execute(f"SELECT {key}, {measure} FROM {view} WHERE day = '{day}'")  # noqa: S608
    return {tuple(r[:-1]): None if r[-1] is None else float(r[-1]) for r in rows}
