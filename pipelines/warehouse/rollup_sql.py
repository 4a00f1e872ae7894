"""The statements of the roll-ups: whole hours and days, replaced (ADR 0032)."""

# ruff: noqa: S608 - SQL assembled from names of this module and times

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.core.metrics import LAG_EDGES_MS

HOUR = timedelta(hours=1)
_ZONE = "Asia/Shanghai"
SUMS = (
    "session_minutes", "orders", "paid_fen", "refunds", "refunded_fen", "complaints", "clicks",
    "interactions", "viewer_milliminutes", "rows", "late_rows",
)  # fmt: skip
_CELL = "platform_id, category, district"
_SESSION = f"{_CELL}, session_id"
_DIMENSIONS = ("merchant_pid", "mcn_pid", "base_id", "scenario")
RAW = ("viewers", "orders", "complaints")
_BUCKETS = range(len(LAG_EDGES_MS) + 1)
_NO_LAG = f"[{', '.join('toUInt64(0)' for _ in _BUCKETS)}]"
#: One part an insert: a reader sees an hour before or after, never in between.
_WHOLE = (
    "SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 100000000, "
    "insert_deduplicate = 0"
)


def hour_statements(first: datetime, end: datetime, version: int) -> list[str]:
    """SQL that replaces whole hours: their sessions, then cells, settled and provisional."""
    return [
        _sessions(first, end, version),
        _cells(first, end, version, 1, _settled_cells(first, end)),
        _cells(first, end, version, 0, _provisional_cells(first, end)),
    ]


def _sessions(first: datetime, end: datetime, version: int) -> str:
    old = f"""SELECT hour, {_SESSION}, {", ".join(_DIMENSIONS)}, {_zeros()},
            {_NO_LAG} AS lag, 1 AS gone
        FROM hour_session FINAL WHERE {_within("hour", first, end)}"""
    new = "\n        UNION ALL ".join([_minutes(first, end), *(_lags(s, first, end) for s in RAW)])
    dimensions = ", ".join(
        f"if(min(gone) = 0, any(d.{n}), any(n.{n})) AS {n}" for n in _DIMENSIONS[1:]
    )
    return f"""INSERT INTO hour_session (hour, {_SESSION}, {", ".join(_DIMENSIONS)},
    {", ".join(SUMS)}, lag, version, removed)
SELECT hour, {_SESSION}, argMin(n.merchant_pid, gone), {dimensions},
    {_summed()}, sumForEach(n.lag), {version}, min(gone)
FROM (
        {new}
        UNION ALL {old}
) AS n
LEFT JOIN (
    SELECT platform_id AS p, session_id AS s, mcn_pid, base_id, scenario FROM v_sessions
) AS d
    ON n.platform_id = d.p AND n.session_id = d.s
GROUP BY hour, {_SESSION}
{_WHOLE}"""


def _minutes(first: datetime, end: datetime) -> str:
    own = {"session_minutes": "toInt64(active_1m)", "rows": "toInt64(rows)"}
    own["late_rows"] = "toInt64(late_rows)"
    sums = ", ".join(f"{own.get(name, f'toInt64({name}_1m)')} AS {name}" for name in SUMS)
    return f"""SELECT {_hour_of("minute")}, {_SESSION}, merchant_pid, {_no_dimensions()}, {sums},
            {_NO_LAG} AS lag, 0 AS gone
        FROM v_settled_minute_session WHERE {_within("minute", first, end)}"""


def _lags(sample: str, first: datetime, end: datetime) -> str:
    return f"""SELECT {_hour_of("event_time")}, {_SESSION}, any(merchant_pid) AS merchant_pid,
            {_no_dimensions()}, {_zeros()}, {_histogram()} AS lag, 0 AS gone
        FROM v_settled_{sample} WHERE {_within("event_time", first, end)}
        GROUP BY hour, {_SESSION}"""


def _cells(first: datetime, end: datetime, version: int, settled: int, new: str) -> str:
    return f"""INSERT INTO hour_cell (hour, settled, {_CELL},
    {", ".join(SUMS)}, seen, expected, lag, version, removed)
SELECT hour, {settled}, {_CELL}, {_summed()}, sum(n.seen), sum(n.expected),
    sumForEach(n.lag), {version}, min(gone)
FROM (
        {new}
        UNION ALL SELECT hour, {_CELL}, {_zeros()}, 0 AS seen, 0 AS expected,
            {_NO_LAG} AS lag, 1 AS gone
        FROM hour_cell FINAL WHERE {_within("hour", first, end)} AND settled = {settled}
) AS n
GROUP BY hour, {_CELL}
{_WHOLE}"""


def _settled_cells(first: datetime, end: datetime) -> str:
    return f"""SELECT hour, {_CELL}, {", ".join(SUMS)}, 0 AS seen, 0 AS expected, lag, 0 AS gone
        FROM hour_session FINAL WHERE {_within("hour", first, end)}"""


def _provisional_cells(first: datetime, end: datetime) -> str:
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
        f"""SELECT {_hour_of("minute")}, {_CELL}, {minutes},
            seen_1m AS seen, expected_1m AS expected, {_NO_LAG} AS lag, 0 AS gone
        FROM indicators_cell FINAL WHERE {_within("minute", first, end)} AND closed = 1"""
    ]
    for sample, extra in raw.items():
        values = {name: f"toInt64(sum({sql}))" for name, sql in extra.items()}
        values["rows"] = "toInt64(count())"
        sums = ", ".join(f"{values.get(name, 'toInt64(0)')} AS {name}" for name in SUMS)
        parts.append(
            f"""SELECT {_hour_of("event_time")}, {_CELL}, {sums}, 0 AS seen, 0 AS expected,
            {_histogram()} AS lag, 0 AS gone
        FROM (SELECT {_CELL}, event_time, broker_time{"".join(f", {name}" for name in extra)}
            FROM v_{sample} WHERE late = 0 AND {_within("event_time", first, end)})
        GROUP BY hour, {_CELL}"""
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


def _within(column: str, first: datetime, end: datetime) -> str:
    return f"{column} >= {at(first)} AND {column} < {at(end)}"


def _hour_of(column: str) -> str:
    return f"toDateTime(toStartOfHour({column}), 'UTC') AS hour"


def at(moment: datetime) -> str:
    """A time as SQL."""
    return f"toDateTime('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"


def moment(value: object) -> datetime:
    """A time as the engine tells it, in UTC. Raises TypeError for what is none."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, datetime):
        raise TypeError(f"expected a time, got {type(value).__name__}")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
