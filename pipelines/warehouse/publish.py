"""A day's figures as others may see them: read, decided in the pure core, written once.

Why once, and how it is decided: docs/adr/0033.
"""

# ruff: noqa: S608 - SQL assembled from names of this module and a date

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import numpy as np

from pipelines.core.disclosure.days import DAILY, HOURLY, Day, suppress
from pipelines.core.disclosure.lines import suppress_both
from pipelines.core.disclosure.rows import MEASURES, Row, rows
from pipelines.core.disclosure.rules import Contributions, Ints, Mask

ALL = "*"
AUDIENCES = ("agency", "public")
_DIMENSIONS = ("platform_id", "category", "district", "scenario", "code")
_COLUMNS = (
    "day",
    "audience",
    "part",
    "hour",
    *_DIMENSIONS,
    "suppressed",
    "withheld",
    *MEASURES,
    "run",
)
_BY_DAY = (*DAILY, *HOURLY, "refunds", "complaints")
_ZONE = "'Asia/Shanghai'"
Record = dict[str, Any]


class Executor(Protocol):
    """What publishing needs of a ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a day; `cells` and `suppressed` by audience. `before`: it was there."""

    day: date
    before: bool
    cells: dict[str, int]
    suppressed: dict[str, int]


def ready_days(db: Executor, settle_days: int, least_hours: int) -> list[date]:
    """Days that have settled, are whole and not published yet."""
    found = db.execute(
        "SELECT day, max(hours) FROM v_settled_day_cell "
        f"WHERE day < toDate(now({_ZONE})) - {settle_days} "
        "AND day NOT IN (SELECT day FROM published_days) GROUP BY day ORDER BY day"
    )
    return [d for d, hours in found if hours >= least_hours]


def publish(db: Executor, day: date, now: datetime) -> Published:
    """Publish a day, unless it is published: what was once shown is never changed.

    Raises ValueError for a day without settled figures.
    """
    if db.execute(f"SELECT count() FROM published_days WHERE day = '{day}'") != [(0,)]:
        return Published(day, True, {}, {})
    hours = db.execute(f"SELECT max(hours), count() FROM v_settled_day_cell WHERE day = '{day}'")
    if not hours[0][1]:
        raise ValueError(f"{day} has no settled figures: has livewatch ops rollup run?")
    run = secrets.token_hex(8)
    records = [*_cells(db, day), *_scenarios(db, day), *_codes(db, day)]
    whole = [[{"day": day, "run": run, **r}.get(c, _default(c)) for c in _COLUMNS] for r in records]
    db.execute(f"INSERT INTO published_cells ({', '.join(_COLUMNS)}) VALUES", whole)
    # The day is there from here on; rows of a run that ends before are never read.
    db.execute(
        "INSERT INTO published_days (day, run, published_at, hours) VALUES",
        [(day, run, now, hours[0][0])],
    )
    count = {a: sum(r["audience"] == a for r in records) for a in AUDIENCES}
    gone = {a: sum(r["audience"] == a and r["suppressed"] for r in records) for a in AUDIENCES}
    return Published(day, False, count, gone)


def _default(column: str) -> Any:
    if column in _DIMENSIONS:
        return ALL
    return {"hour": -1, "withheld": []}.get(column)


# -- cells and hours ------------------------------------------------------------------------------


def _cells(db: Executor, day: date) -> list[Record]:
    read, names = read_day(db, day)
    out = []
    for audience, decided in zip(AUDIENCES, suppress(read), strict=True):
        out += [_record(audience, row, names) for row in rows(read, decided)]
    return out


def read_day(db: Executor, day: date) -> tuple[Day, list[list[str]]]:
    """What merchants did in a day, and the names of platforms, categories and districts."""
    key = "platform_id, category, district, merchant_pid"
    hourly = db.execute(
        f"SELECT toHour(toTimeZone(hour, {_ZONE})), {key}, count(), {_sums(HOURLY)} "
        f"FROM v_settled_hour_session WHERE {_within('hour', day)} "
        f"GROUP BY hour, {key} ORDER BY hour, {key}"
    )
    daily = db.execute(
        f"SELECT {key}, uniqExact(session_id), {_sums(_BY_DAY[1:])} "
        f"FROM v_settled_hour_session WHERE {_within('hour', day)} GROUP BY {key} ORDER BY {key}"
    )
    names = [sorted({row[i] for row in daily}) for i in range(3)]
    who = _numbers((row[0], row[3]) for row in daily)
    shape = tuple(len(n) for n in names)
    places = [_numbers(n) for n in names]

    def place(key: tuple[str, ...]) -> list[int]:
        return [places[i][key[i]] for i in range(3)]

    return (
        Day(
            _contributions(
                (24, *shape), hourly, lambda r: [r[0], *place(r[1:4])], lambda r: who[r[1], r[4]],
                ("sessions", *HOURLY),
            ),
            _contributions(shape, daily, place, lambda r: who[r[0], r[3]], _BY_DAY),
        ),
        names,
    )  # fmt: skip


def _record(audience: str, row: Row, names: list[list[str]]) -> Record:
    hour, *at = row.index
    told = {
        name: ALL if i is None else names[axis][i]
        for axis, (name, i) in enumerate(zip(_DIMENSIONS, at, strict=False))
    }
    return {
        "audience": audience, "part": "cell" if hour is None else "hour",
        "hour": -1 if hour is None else hour, **told, "suppressed": int(row.suppressed),
        "withheld": list(row.withheld), **row.values,
    }  # fmt: skip


# -- scenarios and codes --------------------------------------------------------------------------


def _scenarios(db: Executor, day: date) -> list[Record]:
    found = db.execute(
        "SELECT if(scenario = '', 'none', scenario) AS s, platform_id, merchant_pid, "
        f"uniqExact(session_id), {_sums(HOURLY)} FROM v_settled_hour_session "
        f"WHERE {_within('hour', day)} GROUP BY s, platform_id, merchant_pid ORDER BY ALL"
    )
    return _line("scenario", found, (*DAILY, *HOURLY), ("sessions", "orders"))


def _codes(db: Executor, day: date) -> list[Record]:
    found = db.execute(
        "SELECT code, platform_id, merchant_pid, sum(complaints) AS n FROM v_settled_complaints "
        f"WHERE {_within('event_time', day)} GROUP BY code, platform_id, merchant_pid "
        "HAVING n > 0 ORDER BY ALL"
    )
    return _line("code", found, ("complaints",), ("complaints",))


def _line(
    part: str, found: list[tuple[Any, ...]], measures: tuple[str, ...], counts: tuple[str, ...]
) -> list[Record]:
    if not found:
        return []
    leaves = sorted({row[0] for row in found})
    leaf, who = _numbers(leaves), _numbers((row[1], row[2]) for row in found)
    platform = _numbers(sorted({row[1] for row in found}))
    given = _contributions(
        (len(leaves),), found, lambda r: [leaf[r[0]]], lambda r: who[r[1], r[2]], measures
    )
    owner = np.array([platform[row[1]] for row in found])
    out: list[Record] = []
    for audience, gone in zip(AUDIENCES, suppress_both(given, owner, counts), strict=True):
        out += _leaves(part, audience, leaves, given, gone)
    return out


def _leaves(
    part: str, audience: str, leaves: list[str], given: Contributions, gone: Mask | None
) -> list[Record]:
    if gone is None:
        return []  # not even which of them there are
    tables = {name: given.table(name) for name in given.measures}
    return [
        {
            "audience": audience, "part": part, part: name, "suppressed": int(gone[i]),
            **{m: None if gone[i] else int(t[i]) for m, t in tables.items()},
        }
        for i, name in enumerate(leaves)
    ]  # fmt: skip


def _contributions(
    shape: tuple[int, ...],
    found: list[tuple[Any, ...]],
    place: Callable[[tuple[Any, ...]], list[int]],
    who: Callable[[tuple[Any, ...]], int],
    measures: tuple[str, ...],
) -> Contributions:
    cells: Ints = np.array([place(r) for r in found], np.int64).reshape(-1, len(shape))
    numbers: Ints = np.array([who(r) for r in found], np.int64)
    figures: Ints = np.array([r[-len(measures) :] for r in found], np.int64)
    columns = figures.reshape(-1, len(measures)).T
    return Contributions(shape, cells, numbers, dict(zip(measures, columns, strict=True)))


def _numbers(keys: Iterable[Any]) -> dict[Any, int]:
    return {key: i for i, key in enumerate(dict.fromkeys(keys))}


def _sums(names: Iterable[str]) -> str:
    return ", ".join(f"sum({name})" for name in names)


def _within(column: str, day: date) -> str:
    start = f"toDateTime('{day} 00:00:00', {_ZONE})"
    return f"{column} >= {start} AND {column} < {start} + INTERVAL 24 HOUR"
