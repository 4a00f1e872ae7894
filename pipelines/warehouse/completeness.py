"""Completeness of hours that rest, computed once and kept (ADR 0037).

An hour that is not kept, or no longer holds, is computed at each look: what is read is exact with
or without a run. A run is idempotent, and two at a time do no harm.
"""

# ruff: noqa: S608 - SQL assembled from names of this module and times

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pipelines.warehouse.rollup_sql import HOUR, at, moment

#: As in the view `completeness_open`: a row may be noted so long before it can be read.
_UNSEEN: Final = timedelta(minutes=10)
#: Hours of a statement: bounds its memory.
_AT_ONCE: Final = 24
#: A table, and the view that computes it from `completeness`.
KEPT: Final = {
    "completeness_spans": "completeness_between",
    "completeness_sources": "completeness_sources_between",
}
Noted = tuple[datetime, datetime, datetime]
"""An hour, when a row of it was last inserted, and when it was last computed."""


class Executor(Protocol):
    """What a run needs of a ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[object, ...]]: ...


def run(db: Executor, now: datetime | None = None) -> list[datetime]:
    """Compute the hours that rest and are not kept; returns them. `now`: the server's clock."""
    asked = (
        "SELECT hour, max(touched), max(computed), now64(3, 'UTC') FROM completeness_hours "
        "GROUP BY hour"
    )
    found = [[moment(value) for value in row] for row in db.execute(asked)]
    if not found:
        return []
    began = found[0][3] if now is None else now
    wanted = due(((row[0], row[1], row[2]) for row in found), began)
    for hours in _chunks(wanted):
        _keep(db, hours, began)
    return wanted


def due(noted: Iterable[Noted], now: datetime) -> list[datetime]:
    """Hours to compute: from the first that does not hold on, up to the first that does not rest.

    Totals are subtracted from those before them, so a row that is inserted takes all later hours
    with it.
    """
    out: list[datetime] = []
    moved = datetime.min.replace(tzinfo=UTC)
    for hour, touched, computed in sorted(noted):
        moved = max(moved, touched)
        if now <= moved + _UNSEEN:
            break
        if out or computed <= moved + _UNSEEN:
            out.append(hour)
    return out


def _chunks(hours: list[datetime]) -> Iterator[list[datetime]]:
    for first in range(0, len(hours), _AT_ONCE):
        yield hours[first : first + _AT_ONCE]


def _keep(db: Executor, hours: list[datetime], began: datetime) -> None:
    """Rows first, then the note that they are there: cut off between, they are computed again."""
    version = round(began.timestamp() * 1000)
    span = f"first = {at(hours[0])}, end = {at(hours[-1] + HOUR)}"
    for table, between in KEPT.items():
        db.execute(f"INSERT INTO {table} SELECT *, {version} FROM {between}({span})")
    listed = ", ".join(at(hour) for hour in hours)
    db.execute(
        "INSERT INTO completeness_hours (hour, computed) SELECT arrayJoin("
        f"[{listed}]), fromUnixTimestamp64Milli({version}, 'UTC')"
    )
