"""A day of a small city: merchants of very different size, sessions over the hours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deploy.check.differencing import TOTAL, Cell, Shown
from pipelines.core.disclosure.days import COARSE, Day, Suppressed
from pipelines.core.disclosure.rows import rows
from pipelines.core.disclosure.rules import Contributions

ADDED = ("session_minutes", "orders", "paid_fen", "viewer_milliminutes")


def world(
    seed: int, shape: tuple[int, int, int] = (3, 4, 4), merchants: int = 70, sessions: int = 240
) -> Day:
    """The same every time for a seed; shape is platforms, categories, districts."""
    rng = np.random.default_rng(seed)
    home = np.stack(
        [
            np.minimum(rng.geometric(p, merchants), n) - 1
            for p, n in zip((0.5, 0.45, 0.35), shape, strict=True)
        ],
        axis=1,
    )
    weight = rng.lognormal(0, 1, merchants)
    who = rng.choice(merchants, sessions, p=weight / weight.sum())
    start = rng.integers(8, 24, sessions)
    hours = np.minimum(rng.geometric(0.4, sessions), 24 - start)
    session = np.repeat(np.arange(sessions), hours)
    hour = np.concatenate([np.arange(s, s + n) for s, n in zip(start, hours, strict=True)])
    owner, n = who[session], len(session)
    orders = rng.poisson(rng.lognormal(1, 1, n))
    figures = {
        "session_minutes": np.full(n, 60),
        "orders": orders,
        "paid_fen": orders * rng.integers(2_000, 20_000, n),
        "viewer_milliminutes": rng.lognormal(9, 1, n).astype(np.int64),
        "refunds": rng.binomial(orders, 0.2),
        "complaints": rng.binomial(orders, 0.02),
    }
    by_hour, at = np.unique(np.stack([hour, owner]), axis=1, return_inverse=True)
    hourly = {m: _added(at, figures[m]) for m in ADDED} | {"sessions": _added(at, np.ones(n))}
    shown, of = np.unique(owner, return_inverse=True)
    daily = {m: _added(of, values) for m, values in figures.items()}
    daily["sessions"] = np.array([len(set(session[owner == m])) for m in shown])
    return Day(
        Contributions(
            (24, *shape), np.column_stack([by_hour[0], home[by_hour[1]]]), by_hour[1], hourly
        ),
        Contributions(shape, home[shown], shown, daily),
    )


def _added(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(at.ravel(), weights=values).astype(np.int64)


def as_read(
    day: Day, out: Suppressed, measure: str, known: Mapping[Cell, float] | None = None
) -> Shown:
    """What a reader has of one measure; platform (not for everybody), category, district."""
    public = out.all.ndim == 3
    cells: dict[Cell, float | None] = {}
    hidden: set[Cell] = set()
    for row in rows(day, out):
        index = [TOTAL if i is None else str(i) for i in row.index]
        cell = tuple([index[0], *index[2:]] if public else index)
        hourly = measure in ADDED
        if cell[0] != TOTAL and not hourly:
            continue
        if measure in COARSE and sum(p != TOTAL for p in cell) > 1:
            hidden.add(cell)
        else:
            cells[cell] = row.values[measure]
    by_hour = (0 if public else 1) if measure in ADDED else None
    return Shown(cells, by_hour, frozenset(hidden), known or {})
