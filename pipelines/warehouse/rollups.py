"""Roll-ups of closed hours and Shanghai days, recomputed from rows that are there once (ADR 0032).

A run is idempotent: it replaces the hours that it computes, a key that is no longer there included.
Provisional and settled figures are computed apart and never meet in a row.
"""

# ruff: noqa: S608 - SQL assembled from names of this module and times

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipelines.core.metrics import LAG_EDGES_MS

HOUR = timedelta(hours=1)
#: Raw rows are dropped by whole days after 30: an hour older than this may not be whole any more.
RAW_WHOLE = timedelta(days=29)
#: Rows that are stored while a run looks are looked at again by the next one.
_OVERLAP = timedelta(minutes=10)
_ZONE = "Asia/Shanghai"

SUMS = (
    "session_minutes", "orders", "paid_fen", "refunds", "refunded_fen", "complaints", "clicks",
    "interactions", "viewer_milliminutes", "rows", "late_rows",
)  # fmt: skip
_CELL = "platform_id, category, district"
_SESSION = f"{_CELL}, session_id"
_DIMENSIONS = ("merchant_pid", "mcn_pid", "base_id", "scenario")
_RAW = ("viewers", "orders", "complaints")
_BUCKETS = range(len(LAG_EDGES_MS) + 1)
_NO_LAG = f"[{', '.join('toUInt64(0)' for _ in _BUCKETS)}]"
#: One part an insert: a reader sees an hour before or after, never in between.
_WHOLE = (
    "SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 100000000, "
    "insert_deduplicate = 0"
)


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
    for statement in [s for h in hours for s in hour_statements(h, version)]:
        db.execute(statement)
    for day in days:
        db.execute(day_statement(day, version))
    if since is None:  # a run that fails before this is made up for by the next one
        began = f"fromUnixTimestamp64Milli({version}, 'UTC')"
        db.execute(f"INSERT INTO rollup_runs SELECT {began}, {_at(through)}, {len(hours)}")
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
    stored = f"stored_at >= {_at(since)}"
    for sample in _RAW:
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


# -- the statements -----------------------------------------------------------------------------


def hour_statements(hour: datetime, version: int) -> list[str]:
    """SQL that replaces one hour: its sessions, then its cells, settled and provisional."""
    return [
        _sessions(hour, version),
        _cells(hour, version, 1, _settled_cells(hour)),
        _cells(hour, version, 0, _provisional_cells(hour)),
    ]


def _sessions(hour: datetime, version: int) -> str:
    old = f"""SELECT {_SESSION}, {", ".join(_DIMENSIONS)}, {_zeros()}, {_NO_LAG} AS lag, 1 AS gone
        FROM hour_session FINAL WHERE hour = {_at(hour)}"""
    new = "\n        UNION ALL ".join([_minutes(hour), *(_lags(s, hour) for s in _RAW)])
    dimensions = ", ".join(
        f"if(min(gone) = 0, any(d.{n}), any(n.{n})) AS {n}" for n in _DIMENSIONS[1:]
    )
    return f"""INSERT INTO hour_session (hour, {_SESSION}, {", ".join(_DIMENSIONS)},
    {", ".join(SUMS)}, lag, version, removed)
SELECT {_at(hour)}, {_SESSION}, argMin(n.merchant_pid, gone), {dimensions},
    {_summed()}, sumForEach(n.lag), {version}, min(gone)
FROM (
        {new}
        UNION ALL {old}
) AS n
LEFT JOIN (
    SELECT platform_id AS p, session_id AS s, mcn_pid, base_id, scenario FROM v_sessions
) AS d
    ON n.platform_id = d.p AND n.session_id = d.s
GROUP BY {_SESSION}
{_WHOLE}"""


def _minutes(hour: datetime) -> str:
    own = {"session_minutes": "toInt64(active_1m)", "rows": "toInt64(rows)"}
    own["late_rows"] = "toInt64(late_rows)"
    sums = ", ".join(f"{own.get(name, f'toInt64({name}_1m)')} AS {name}" for name in SUMS)
    return f"""SELECT {_SESSION}, merchant_pid, {_no_dimensions()}, {sums},
            {_NO_LAG} AS lag, 0 AS gone
        FROM v_settled_minute_session WHERE {_within("minute", hour)}"""


def _lags(sample: str, hour: datetime) -> str:
    return f"""SELECT {_SESSION}, any(merchant_pid) AS merchant_pid, {_no_dimensions()},
            {_zeros()}, {_histogram()} AS lag, 0 AS gone
        FROM v_settled_{sample} WHERE {_within("event_time", hour)} GROUP BY {_SESSION}"""


def _cells(hour: datetime, version: int, settled: int, new: str) -> str:
    return f"""INSERT INTO hour_cell (hour, settled, {_CELL},
    {", ".join(SUMS)}, seen, expected, lag, version, removed)
SELECT {_at(hour)}, {settled}, {_CELL}, {_summed()}, sum(n.seen), sum(n.expected),
    sumForEach(n.lag), {version}, min(gone)
FROM (
        {new}
        UNION ALL SELECT {_CELL}, {_zeros()}, 0 AS seen, 0 AS expected, {_NO_LAG} AS lag, 1 AS gone
        FROM hour_cell FINAL WHERE hour = {_at(hour)} AND settled = {settled}
) AS n
GROUP BY {_CELL}
{_WHOLE}"""


def _settled_cells(hour: datetime) -> str:
    return f"""SELECT {_CELL}, {", ".join(SUMS)}, 0 AS seen, 0 AS expected, lag, 0 AS gone
        FROM hour_session FINAL WHERE hour = {_at(hour)}"""


def _provisional_cells(hour: datetime) -> str:
    """What the pipeline has counted; what it does not tell by minute, from the rows on time."""
    told = {
        "session_minutes": "active_1m", "orders": "orders_1m", "paid_fen": "paid_fen_1m",
        "complaints": "complaints_1m", "viewer_milliminutes": "viewer_milliminutes_1m",
    }  # fmt: skip
    minutes = ", ".join(f"toInt64({told.get(name, '0')}) AS {name}" for name in SUMS)
    raw = {
        "viewers": {"clicks": "ifNull(clicks, 0)", "interactions": "ifNull(interactions, 0)"},
        "orders": {"refunds": "refunds", "refunded_fen": "refunded_fen"},
        "complaints": {},
    }
    parts = [
        f"""SELECT {_CELL}, {minutes}, seen_1m AS seen, expected_1m AS expected,
            {_NO_LAG} AS lag, 0 AS gone
        FROM indicators_cell FINAL WHERE {_within("minute", hour)} AND closed = 1"""
    ]
    for sample, extra in raw.items():
        values = {name: f"toInt64(sum({sql}))" for name, sql in extra.items()}
        values["rows"] = "toInt64(count())"
        sums = ", ".join(f"{values.get(name, 'toInt64(0)')} AS {name}" for name in SUMS)
        parts.append(
            f"""SELECT {_CELL}, {sums}, 0 AS seen, 0 AS expected, {_histogram()} AS lag, 0 AS gone
        FROM (SELECT {_CELL}, event_time, broker_time{"".join(f", {name}" for name in extra)}
            FROM v_{sample} WHERE late = 0 AND {_within("event_time", hour)})
        GROUP BY {_CELL}"""
        )
    return "\n        UNION ALL ".join(parts)


def day_statement(day: str, version: int) -> str:
    """SQL that replaces one Shanghai day, of both kinds of figures."""
    start = f"toDateTime('{day} 00:00:00', '{_ZONE}')"
    within = f"hour >= {start} AND hour < {start} + INTERVAL 24 HOUR"
    return f"""INSERT INTO day_cell (day, hours, settled, {_CELL},
    {", ".join(SUMS)}, seen, expected, lag, version, removed)
SELECT toDate('{day}'), any(whole), settled, {_CELL}, {_summed()}, sum(n.seen), sum(n.expected),
    sumForEach(n.lag), {version}, min(gone)
FROM (
        SELECT settled, {_CELL}, {", ".join(SUMS)}, seen, expected, lag, 0 AS gone
        FROM hour_cell FINAL WHERE {within}
        UNION ALL
        SELECT settled, {_CELL}, {_zeros()}, 0 AS seen, 0 AS expected, {_NO_LAG} AS lag, 1 AS gone
        FROM day_cell FINAL WHERE day = toDate('{day}')
) AS n
CROSS JOIN (SELECT toUInt8(uniqExact(hour)) AS whole FROM hour_cell FINAL WHERE {within}) AS h
GROUP BY settled, {_CELL}
{_WHOLE}"""


def _histogram() -> str:
    lag = "(toUnixTimestamp64Milli(broker_time) - toUnixTimestamp64Milli(event_time))"
    edges = [-(1 << 60), *LAG_EDGES_MS, 1 << 60]
    counts = [f"countIf({lag} > {edges[i]} AND {lag} <= {edges[i + 1]})" for i in _BUCKETS]
    return f"[{', '.join(counts)}]"


def _zeros() -> str:
    return ", ".join(f"toInt64(0) AS {name}" for name in SUMS)


def _summed() -> str:
    return ", ".join(f"sum(n.{name})" for name in SUMS)


def _no_dimensions() -> str:
    return ", ".join(f"'' AS {name}" for name in _DIMENSIONS[1:])


def _within(column: str, hour: datetime) -> str:
    return f"{column} >= {_at(hour)} AND {column} < {_at(hour + HOUR)}"


def _at(moment: datetime) -> str:
    return f"toDateTime('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"


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
