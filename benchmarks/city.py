"""Fills a warehouse with the same city, day after day, as long as each table is kept (DOMAIN 4).

Raw rows and minutes go back as far as the size asked for (1e8 is 21 days); sessions 90 days, flags
and the ledger three years, whatever the size. What minutes a warehouse has before lies in
partitions of other days, which no range of the dashboards opens.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from chdb.session import Session

SESSIONS, CELLS, STEP_S = 5_000, 400, 30
#: Rows of a day: 5,000 sessions over 8 h each, a sample every 30 s.
PER_DAY: Final = SESSIONS * 8 * 3600 // STEP_S
SESSION_DAYS: Final = 90
_PLATFORM = "concat('p-', toString({n} % 5))"
_CATEGORY = (
    "['food', 'apparel', 'household', 'appliances_electronics', 'cosmetics', 'jewellery', "
    "'health_products', 'agricultural'][1 + intDiv({n}, 5) % 8]"
)
_DISTRICT = (
    "['310101', '310104', '310105', '310106', '310107', '310109', '310110', '310112', '310113', "
    "'310115'][1 + intDiv({n}, 40) % 10]"
)


class Engine:
    """The engine in this process, with the interface of a client."""

    def __init__(self, path: Path) -> None:
        self._session = Session(str(path))

    def execute(self, query: str, params: object = None) -> list[tuple[Any, ...]]:
        for name, value in (params or {}).items():  # type: ignore[attr-defined]
            query = query.replace(f"%({name})s", f"'{value}'")
        text = str(self._session.query(query.replace("%%", "%"), "JSONCompact"))
        return [tuple(r) for r in json.loads(text)["data"]] if text.strip() else []

    def close(self) -> None:
        self._session.close()


def fill(db: Engine, rows: int, end: datetime) -> None:
    """Days up to `end` until there are `rows` of raw_viewers."""
    for day in range(days_of(rows)):
        some = min(rows - day * PER_DAY, PER_DAY)
        _fill_raw(db, some, end - timedelta(days=day), day)
        _fill_cells(db, end - timedelta(days=day))
        _fill_session_minutes(db, some, end - timedelta(days=day), day)
    _fill_sessions(db, end)


def days_of(rows: int) -> int:
    return math.ceil(rows / PER_DAY)


def keys(n: str) -> str:
    """Columns platform, category and district of the expression `n`."""
    return ", ".join((platform(n), category(n), _DISTRICT.format(n=n)))


def platform(n: str) -> str:
    return _PLATFORM.format(n=n)


def category(n: str) -> str:
    return _CATEGORY.format(n=n)


def merchant(n: str) -> str:
    return f"leftPad(toString({n} % 2000), 32, '0')"


def back(end: datetime, seconds: str) -> str:
    """The moment `seconds`, an expression, before `end`."""
    return f"toDateTime64('{end:%Y-%m-%d %H:%M:%S}', 3, 'UTC') - toIntervalSecond({seconds})"


def minute(end: datetime, per_minute: int, step: int = 1) -> str:
    """The minute of row `number`, the newest first, with `per_minute` rows every `step` minutes."""
    ago = f"toIntervalMinute({step} * intDiv(number, {per_minute}))"
    return f"toDateTime('{end:%Y-%m-%d %H:%M:00}', 'UTC') - {ago}"


def _fill_raw(db: Engine, rows: int, end: datetime, day: int) -> None:
    """Viewers, one row of orders in ten, of reviews in twenty, of complaints in 2,000."""
    for table, columns, values, one_in in _RAW:
        # The samples of a rarer kind are as far apart in time as they are rare.
        stride = one_in if one_in < 100 else rows // max(rows // one_in, 1)
        k = f"(number * {stride} + intDiv(number * {stride}, {SESSIONS}))"
        n = f"({k} % {SESSIONS})"
        at = (
            back(end, f"{STEP_S} * intDiv(number * {stride}, {SESSIONS})")
            + " - toIntervalMillisecond(cityHash64(number) % 30000)"
        )
        db.execute(
            f"INSERT INTO {table} (event_time, platform_id, category, district, session_id, "
            "merchant_pid, source, epoch, kafka_partition, sequence, row, late, kafka_offset, "
            f"broker_time, version, {columns}) SELECT {at} AS at, {keys(n)}, "
            f"concat('s', toString({n}), '-{day}'), {merchant(n)}, 'gate', 1, {n} % 8, "
            f"{day} * 10000000 + intDiv(number, 400), number % 400, number % 1000 = 0, number, "
            f"at + toIntervalMillisecond(900), 1, {values} FROM numbers({max(rows // one_in, 1)})"
        )
        db.execute(f"OPTIMIZE TABLE {table}")


#: (table, own columns, their values, one row in how many of viewers)
_RAW: Final = (
    (
        "raw_viewers", "viewers, unique_viewers, clicks, interactions",
        "cityHash64(number) % 900, 900 + cityHash64(number) % 9000, number % 9, number % 7", 1,
    ),
    (
        "raw_orders",
        "orders, paid_fen, refunds, refunded_fen, cohort_days, due_48h, shipped_48h",
        "1 + number % 4, (1 + number % 4) * 9900, number % 11 = 0, (number % 11 = 0) * 9900, "
        "number % 30, number % 3, number % 2", 10,
    ),
    (
        "raw_reviews", "mode, outcome, reviews, latency_ms",
        "['machine', 'human', 'both'][1 + number % 3], "
        "['passed', 'passed', 'passed', 'warned', 'interrupted'][1 + number % 5], 1, "
        "100 + cityHash64(number) % 20000", 20,
    ),
    (
        "raw_complaints",
        "code, channel, complaints, responded, response_minutes, resolved, closed",
        "['C01', 'C02', 'C0301', 'C04', 'C0601'][1 + number % 5], "
        "['platform', 'platform', '12315', 'council'][1 + number % 4], 1, number % 2, "
        "10 + cityHash64(number) % 3000, number % 3 = 0, number % 2", 2000,
    ),
)  # fmt: skip


def _fill_cells(db: Engine, end: datetime) -> None:
    """A day of closed minutes of every cell."""
    cells = keys(f"(number % {CELLS})")
    db.execute(
        f"INSERT INTO indicators_cell (minute, platform_id, category, district, closed, version, "
        f"{', '.join(_FIGURES)}) SELECT {minute(end, CELLS)}, {cells}, 1, 1, "
        f"{', '.join(_FIGURES.values())} FROM numbers({CELLS * 1440})"
    )


def _fill_session_minutes(db: Engine, rows: int, end: datetime, day: int) -> None:
    """The minutes of the sessions of `rows` samples: two samples each."""
    n = f"(number % {SESSIONS})"
    db.execute(
        "INSERT INTO indicators_session (minute, platform_id, category, district, session_id, "
        f"merchant_pid, closed, version, {', '.join(_FIGURES)}) SELECT {minute(end, SESSIONS)}, "
        f"{keys(n)}, concat('s', toString({n}), '-{day}'), {merchant(n)}, 1, 1, "
        f"{', '.join(_FIGURES.values())} FROM numbers({rows // 2})"
    )


_BASE: Final = {
    "active": "1 + number % 30", "viewers": "100 + number % 900", "orders": "number % 7",
    "paid_fen": "(number % 7) * 9900", "viewer_milliminutes": "100000 + number % 900000",
    "complaints": "toUInt8(number % 500 = 0)", "seen": "30", "expected": "30 + (number % 50 = 0)",
}  # fmt: skip
#: What the dashboards read of a minute, over each window: sums of several minutes are larger.
_FIGURES: Final = {
    f"{name}_{w}m": f"{w} * ({value})" for name, value in _BASE.items() for w in (1, 5, 60)
} | {
    "orders_24h": "1000 + number % 700", "complaints_24h": "number % 3",
    "i22_lag_p95_ms_5m": "500 + cityHash64(number) % 3000",
}  # fmt: skip


def _fill_sessions(db: Engine, end: datetime) -> None:
    """Every session of the 90 days that they are kept."""
    n, day = f"(number % {SESSIONS})", f"intDiv(number, {SESSIONS})"
    db.execute(
        "INSERT INTO sessions (platform_id, category, district, session_id, merchant_pid, "
        "room_pid, streamer_pid, mcn_pid, base_id, scenario, streamer_certified, first_seen, "
        f"version) SELECT {keys(n)}, concat('s', toString({n}), '-', toString({day})), "
        f"{merchant(n)}, hex(cityHash64('room', {n})), hex(cityHash64('streamer', {n})), "
        f"concat('m', toString({n} % 200)), ['', '', concat('b-', toString({n} % 12))]"
        f"[1 + {n} % 3], ['', 'night_food', 'first_launch', 'poverty_relief', '', ''][1 + {n} % 6],"
        f" number % 3 = 0, {back(end, f'86400 * {day} + 28800')}, 1 "
        f"FROM numbers({SESSION_DAYS * SESSIONS})"
    )
