"""Roll-ups of closed hours and Shanghai days, recomputed from rows that are there once (ADR 0032).

A run is idempotent: it replaces the hours that it computes, a key that is no longer there included.
Provisional and settled figures are computed apart and never meet in a row.
"""

# ruff: noqa: S608 - SQL assembled from names of this module and times

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipelines.warehouse.rollup_sql import HOUR, RAW, at, day_statement, hour_statements

#: Raw rows are dropped by whole days after 30: an hour older than this may not be whole any more.
RAW_WHOLE = timedelta(days=29)
#: Rows that are stored while a run looks are looked at again by the next one.
_OVERLAP = timedelta(minutes=10)
#: Raw rows of a statement, unless a single hour has more: bounds its memory.
_AT_ONCE = 5_000_000


class Executor(Protocol):
    """What a run needs of a ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[object, ...]]: ...


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did. Times are UTC; `days` are those of Shanghai."""

    closed_through: datetime | None
    hours: list[datetime]
    days: list[str]


def run(db: Executor, since: datetime | None = None, until: datetime | None = None) -> Run:
    """Compute what is new or has changed since the last run, or every closed hour of a span.

    Raises ValueError for a span that begins before the raw rows do.
    """
    now = _time(db.execute("SELECT now64(3, 'UTC')")[0][0])
    through = closed_through(db)
    if through is None:
        return Run(None, [], [])
    horizon = _hour(now - RAW_WHOLE) + HOUR
    if since is None:
        wanted = {h for h in _changed(db, through) if h >= horizon}
    elif since < horizon:
        raise ValueError(f"raw rows are whole from {horizon:%Y-%m-%d %H:%M} UTC on only")
    else:
        wanted = set(_span(_hour(since), min(until or through, through)))
    hours = sorted(h for h in wanted if h + HOUR <= through)
    days = sorted({_day(h) for h in hours})
    version = round(now.timestamp() * 1000)
    for first, end in _spans(db, hours):
        for statement in hour_statements(first, end, version):
            db.execute(statement)
    for day in days:
        db.execute(day_statement(day, version))
    if since is None:  # a run that fails before this is made up for by the next one
        began = f"fromUnixTimestamp64Milli({version}, 'UTC')"
        db.execute(f"INSERT INTO rollup_runs SELECT {began}, {at(through)}, {len(hours)}")
    return Run(through, hours, days)


def closed_through(db: Executor) -> datetime | None:
    """End of the last closed minute of the cells; None where none has closed."""
    newest, count = db.execute("SELECT max(minute), count() FROM indicators_cell WHERE closed = 1")[
        0
    ]
    return _time(newest) + timedelta(minutes=1) if count else None


def _changed(db: Executor, through: datetime) -> set[datetime]:
    """Hours with a row or a correction that the last run had not seen, or that were open then."""
    last = db.execute("SELECT max(started_at), max(closed_through), count() FROM rollup_runs")[0]
    if not last[2]:
        since, found = datetime(2000, 1, 1, tzinfo=UTC), set()
    else:
        since = _time(last[0]) - _OVERLAP
        found = set(_span(_hour(_time(last[1])), through))
    stored = f"stored_at >= {at(since)}"
    for sample in RAW:
        topic = f"telemetry.{sample}.v1"
        asked = (
            f"SELECT DISTINCT toStartOfHour(event_time) FROM raw_{sample} WHERE {stored}",
            f"""SELECT DISTINCT toStartOfHour(event_time) FROM raw_{sample}
            WHERE (platform_id, kafka_partition, source, epoch, sequence) IN (
                SELECT platform_id, kafka_partition, source, target_epoch, target_sequence
                FROM corrections WHERE kind = 'batch' AND topic = '{topic}' AND {stored})""",
            f"""SELECT DISTINCT toStartOfHour(event_time) FROM raw_{sample}
            WHERE (platform_id, session_id) IN (
                SELECT platform_id, target_session
                FROM corrections WHERE kind = 'session' AND topic = '{topic}' AND {stored})""",
        )
        for sql in asked:
            found |= {_hour(_time(row[0])) for row in db.execute(sql)}
    return found


def _spans(db: Executor, hours: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Runs of hours to compute at once: a quiet day in one go, a busy hour by itself."""
    if not hours:
        return []
    counted = db.execute(
        "SELECT toStartOfHour(event_time) AS h, count() FROM raw_viewers "
        f"WHERE event_time >= {at(hours[0])} AND event_time < {at(hours[-1] + HOUR)} GROUP BY h"
    )
    rows = {_time(hour): int(str(n)) for hour, n in counted}
    spans: list[tuple[datetime, datetime]] = []
    held = 0
    for hour in hours:
        own = rows.get(hour, 0)
        joins = spans and spans[-1][1] == hour and hour - spans[-1][0] < 24 * HOUR
        if joins and held + own <= _AT_ONCE:
            spans[-1], held = (spans[-1][0], hour + HOUR), held + own
        else:
            spans.append((hour, hour + HOUR))
            held = own
    return spans


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _span(first: datetime, end: datetime) -> list[datetime]:
    """Hours from `first` on that begin before `end`."""
    return [first + i * HOUR for i in range(max(0, -((first - end) // HOUR)))]


def _day(hour: datetime) -> str:
    """The day in Shanghai, which has kept UTC+8 without summer time since 1991."""
    return f"{hour.astimezone(UTC) + timedelta(hours=8):%Y-%m-%d}"


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a time, got {type(value).__name__}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
