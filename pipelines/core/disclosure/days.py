"""Which cells of one day are shown to whom.

Two readers: other agencies (platform x category x district), and everybody (category x district,
platforms added up). Both see hours by category. What everybody sees is never more than what the
agencies see, so putting both together tells an agency nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.core.disclosure.cubes import View, protect, unprotected
from pipelines.core.disclosure.rules import (
    BETWEEN_AGENCIES,
    PUBLIC,
    Contributions,
    Ints,
    Mask,
    Policy,
    revealing,
)

HOURS = 24
T = -1
"""Index of a total."""
#: Measures that hours add up to days; those shown by day only; those shown by one dimension only.
HOURLY = ("session_minutes", "orders", "paid_fen", "viewer_milliminutes")
DAILY = ("sessions",)
COARSE = ("refunds", "complaints")
#: Least interval that a reader is left with: 2 things, 100 yuan, 10 viewer-minutes.
FLOOR = {
    "session_minutes": 2.0, "orders": 2.0, "paid_fen": 10_000.0, "viewer_milliminutes": 10_000.0,
    "sessions": 2.0, "refunds": 1.0, "complaints": 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    """What merchants did in a day. `hours`: axes hour, platform, category, district, with HOURLY
    and `sessions` active in the hour; `day`: the last three axes, with every measure.
    """

    hours: Contributions
    day: Contributions

    @property
    def platforms(self) -> int:
        return self.day.shape[0]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Cells of a day that are not shown. `all`: for any measure, by hour (the last is the day) and
    the dimensions. `coarse`: by measure, those of the day whose refunds or complaints are not.
    """

    all: Mask
    coarse: dict[str, Mask]


def suppress(day: Day) -> tuple[Suppressed, Suppressed]:
    """For agencies, and for everybody. What agencies do not see, nobody sees."""
    hidden = hidden_cells(tuple(n + 1 for n in day.hours.shape))
    first = np.zeros(hidden.shape, bool)
    first[T] = revealing(_fine(day.day), BETWEEN_AGENCIES)
    first[:T, T, :, T] = _hourly(day.hours, BETWEEN_AGENCIES)
    views = _views(day.hours, day.day, hidden)
    ours = protect(views, first)
    coarse = {n: _coarse(n, [day.day], BETWEEN_AGENCIES, ours[T]) for n in COARSE}
    return Suppressed(ours, coarse), _public(day, Suppressed(ours, coarse))


def _public(day: Day, agencies: Suppressed) -> Suppressed:
    hours, days = _without_platform(day.hours, 1), _without_platform(day.day, 0)
    platform_h, platform_d = day.hours.cells[:, 1], day.day.cells[:, 0]
    hidden = hidden_cells(tuple(n + 1 for n in hours.shape))
    first = agencies.all[:, T] & ~hidden
    # Contributors are merchants, and platforms as well: each could take its own part away.
    for by_hour, by_day in (
        (hours, days), (_by(hours, platform_h), _by(days, platform_d)),
    ):  # fmt: skip
        first[T] |= revealing(_fine(by_day), PUBLIC)
        first[:T, :, T] |= _hourly(by_hour, PUBLIC)
    views, rest = _views(hours, days, hidden), [days]
    for one in range(day.platforms):
        rest.append(days.only(platform_d != one))
        views += _views(hours.only(platform_h != one), rest[-1], hidden)
    # A district's bureau knows its own district.
    views += [_knowing(v, d) for d in range(days.shape[1]) for v in views[:2]]
    out = protect(views, first)
    coarse = {n: _coarse(n, rest, PUBLIC, out[T] | agencies.coarse[n][T]) for n in COARSE}
    return Suppressed(out, coarse)


def hidden_cells(shape: tuple[int, ...]) -> Mask:
    """What is not shown by design: hours finer than by category, whose axis is the last but one."""
    out = np.ones(shape, bool)
    out[T] = False
    by_category: list[int | slice] = [slice(None), *[T] * (len(shape) - 3), slice(None), T]
    out[tuple(by_category)] = False
    return out


def _views(hours: Contributions, day: Contributions, hidden: Mask) -> list[View]:
    tables = {name: hours.table(name) for name in HOURLY}
    within: tuple[int | slice, ...] = (T, *[slice(None)] * len(day.shape))
    daily = {name: day.table(name) for name in DAILY}
    return [
        _view((slice(None),) * hidden.ndim, tables, hidden),
        _view(within, daily, np.zeros(hidden.shape[1:], bool)),
    ]


def _coarse(name: str, rest: list[Contributions], policy: Policy, also: Mask) -> Mask:
    """Cells whose refunds or complaints are not shown; shown are those of one dimension only."""
    hidden = np.ones(also.shape, bool)
    for axis in range(also.ndim):
        line: list[int | slice] = [T] * also.ndim
        line[axis] = slice(None)
        hidden[tuple(line)] = False
    first = (revealing(_only(rest[0], name), policy, (name,)) | also) & ~hidden
    views = [_view((slice(None),) * also.ndim, {name: part.table(name)}, hidden) for part in rest]
    return protect(views, first) | hidden


def suppress_line(
    given: list[Contributions], policy: Policy, counts: tuple[str, ...], also: Mask
) -> Mask | None:
    """Leaves to suppress of a table with one axis whose total is known; None: show none of it.

    given[0] is the table, the others what is left to readers who know a part. `also` [n] goes as
    well.
    """
    first = revealing(given[0], policy, counts)
    first[:T] |= also
    first[T] = False
    known = np.zeros(first.shape, bool)
    known[T] = True
    views = [
        View((slice(None),), {n: g.table(n) for n in g.measures}, np.zeros(first.shape, bool),
             known, FLOOR)
        for g in given
    ]  # fmt: skip
    out = protect(views, first)
    return None if any(unprotected(v, out, first) for v in views) else out[:T]


def _fine(day: Contributions) -> Contributions:
    some = {n: v for n, v in day.measures.items() if n not in COARSE}
    return Contributions(day.shape, day.cells, day.who, some)


def _only(day: Contributions, name: str) -> Contributions:
    return Contributions(day.shape, day.cells, day.who, {name: day.measures[name]})


def _hourly(hours: Contributions, policy: Policy) -> Mask:
    """Revealing cells of the table hour x category [hours, categories + 1]."""
    table = Contributions(
        (hours.shape[0], hours.shape[-2]), hours.cells[:, [0, -2]], hours.who, hours.measures
    )
    found: Mask = revealing(table, policy)[:T]
    return found


def _without_platform(given: Contributions, axis: int) -> Contributions:
    shape = tuple(n for a, n in enumerate(given.shape) if a != axis)
    return Contributions(shape, np.delete(given.cells, axis, axis=1), given.who, given.measures)


def _by(given: Contributions, who: Ints) -> Contributions:
    return Contributions(given.shape, given.cells, who, given.measures)


def _view(within: tuple[int | slice, ...], tables: dict[str, Ints], hidden: Mask) -> View:
    return View(within, tables, hidden, np.zeros(hidden.shape, bool), FLOOR)


def _knowing(view: View, district: int) -> View:
    known = np.zeros(view.hidden.shape, bool)
    known[..., district] = True
    return View(view.within, view.measures, view.hidden, known, view.floor)
