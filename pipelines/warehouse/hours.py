"""Hours of cells and of sessions that rest, computed once and kept (ADR 0041).

An hour that is not kept, or no longer holds, is read by the minute at each look: what is read is
exact with or without a run. A run is idempotent, and two at a time do no harm.
"""

# ruff: noqa: S608 - SQL assembled from names of this module and times

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pipelines.warehouse.hour_columns import CELL, CELL_KEY, SESSION, SESSION_KEY, Column
from pipelines.warehouse.rollup_sql import HOUR, at, moment
from pipelines.warehouse.rollups import Executor

#: A minute may be noted so long before it can be read.
UNSEEN: Final = timedelta(minutes=10)
#: Hours of a statement: bounds its memory.
_AT_ONCE: Final = 6
NOTES: Final = "hour_notes"
Noted = tuple[datetime, datetime, datetime]
"""An hour, when a minute of it was last inserted, and when it was last computed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of hours, by `key`."""

    table: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]


#: By the table whose minutes are added up.
KEPT: Final = {
    "indicators_cell": Kept("cell_hours", CELL_KEY, CELL),
    "session_minutes": Kept("session_hours", SESSION_KEY, SESSION),
}


def run(db: Executor, now: datetime | None = None) -> list[datetime]:
    """Compute the hours that rest and are not kept; returns them. `now`: the server's clock."""
    began = moment(db.execute("SELECT now64(6, 'UTC')")[0][0]) if now is None else now
    done: set[datetime] = set()
    for minutes in KEPT:
        asked = (
            f"SELECT hour, max(touched), max(computed) FROM {NOTES} "
            f"WHERE minutes = '{minutes}' GROUP BY hour"
        )
        noted = [(moment(h), moment(t), moment(c)) for h, t, c in db.execute(asked)]
        wanted = due(noted, began)
        for hours in chunks(wanted):
            db.execute(_keep(minutes, hours, began))
            db.execute(_note(minutes, hours, began))
        done.update(wanted)
    return sorted(done)


def due(noted: Iterable[Noted], now: datetime) -> list[datetime]:
    """Hours to compute: no minute came for a while, and one did since they were computed."""
    return sorted(
        hour
        for hour, touched, computed in noted
        if computed <= touched + UNSEEN and now > touched + UNSEEN
    )


def chunks(hours: list[datetime]) -> Iterator[list[datetime]]:
    """Hours that follow one another, a few at a time: each is computed as one span."""
    some: list[datetime] = []
    for hour in hours:
        if some and (hour - some[-1] != HOUR or len(some) == _AT_ONCE):
            yield some
            some = []
        some.append(hour)
    if some:
        yield some


def touch(db: Executor, minutes: str, hours: Iterable[datetime]) -> None:
    """These hours no longer hold, as from now: who deletes minutes says so, before and after."""
    listed = ", ".join(str(round(hour.timestamp())) for hour in hours)
    if listed:
        db.execute(
            f"INSERT INTO {NOTES} (minutes, hour, touched) SELECT '{minutes}', "
            f"toDateTime(arrayJoin([{listed}]), 'UTC'), now64(6, 'UTC')"
        )


def _keep(minutes: str, hours: list[datetime], began: datetime) -> str:
    """Rows of a run stand beside those of others: the note says which are read."""
    kept = KEPT[minutes]
    span = f"minute >= {at(hours[0])} AND minute < {at(hours[-1] + HOUR)}"
    known = ""
    if any(column.known for column in kept.columns.values()):
        known = ", max(active_1m) OVER (PARTITION BY minute, platform_id) > 0 AS known"
    rows = ", ".join(f"{column.minute} AS {name}" for name, column in kept.columns.items())
    key, folds = ", ".join(kept.key), ", ".join(one.fold for one in kept.columns.values())
    return f"""INSERT INTO {kept.table} SELECT hour, {key}, {folds}, {_clock(began)}
    FROM (
        SELECT toStartOfHour(m.minute) AS hour, {key}, {rows}
        FROM (SELECT *{known} FROM {minutes} FINAL WHERE {span}) AS m
    )
    GROUP BY hour, {key}
    SETTINGS insert_deduplicate = 0"""


def _note(minutes: str, hours: list[datetime], began: datetime) -> str:
    """After the rows are there: cut off between, the hours are computed again."""
    listed = ", ".join(str(round(hour.timestamp())) for hour in hours)
    return (
        f"INSERT INTO {NOTES} (minutes, hour, computed) SELECT '{minutes}', "
        f"toDateTime(arrayJoin([{listed}]), 'UTC'), {_clock(began)}"
    )


def _clock(at_run: datetime) -> str:
    micros = (at_run - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return f"fromUnixTimestamp64Micro(toInt64({micros}), 'UTC')"
