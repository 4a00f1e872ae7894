"""How long every query of the committed dashboards takes, from 1 to 100 million raw rows.

`python -m benchmarks.queries [--rows 1e6,1e7,1e8]` prints one JSON object a size. The engine runs
in this process; rows are made by it. `elapsed_ms` is the best of three; `cpu_ms`, processor time of
all threads, is what to look at where the machine has other work, too. More rows are more days of
the same city, as in life.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import chdb
from chdb.session import Session

from grafana.screen import macros
from grafana.screen.library import Library
from grafana.screen.timerange import TimeRange, step_seconds
from pipelines.warehouse.migrate import load, plan, run

BUDGET_MS = 200
SESSIONS, CELLS, STEP_S = 5_000, 400, 30
#: Rows of a day: 5,000 sessions over 8 h each, a sample every 30 s.
PER_DAY = SESSIONS * 8 * 3600 // STEP_S
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
    """Whole days of the same city up to `end`, until there are `rows` of raw_viewers."""
    days = math.ceil(rows / PER_DAY)
    for day in range(days):
        some = min(rows - day * PER_DAY, PER_DAY)
        _fill_raw(db, some, end - timedelta(days=day), day)
        _fill_cells(db, end - timedelta(days=day))
    _fill_session_minutes(db, end)
    _fill_sessions(db, days, end)
    _fill_flags(db, end)
    for table in ("raw_viewers", "raw_orders", "indicators_cell"):
        db.execute(f"OPTIMIZE TABLE {table}")


def _fill_raw(db: Engine, rows: int, end: datetime, day: int) -> None:
    n = f"(number % {SESSIONS})"
    who = _keys(n)
    at = (
        f"toDateTime64('{end:%Y-%m-%d %H:%M:%S}', 3, 'UTC') - toIntervalSecond({STEP_S} * "
        f"intDiv(number, {SESSIONS})) - toIntervalMillisecond(cityHash64(number) % 30000)"
    )
    common = """event_time, platform_id, category, district, session_id, merchant_pid, source,
        epoch, kafka_partition, sequence, row, late, kafka_offset, broker_time, version"""
    rest = f"""'gate', 1, {n} % 8, {day} * 10000000 + intDiv(number, 400), number % 400, 0, number,
        at + toIntervalMillisecond(900), 1"""
    base = f"SELECT {at} AS at, {who}, concat('s', toString({n}), '-{day}'), {_merchant(n)}, {rest}"
    source = f"FROM numbers({rows})"
    db.execute(
        f"INSERT INTO raw_viewers ({common}, viewers, unique_viewers, clicks, interactions) "
        f"{base}, cityHash64(number) % 900, NULL, number % 9, NULL {source}"
    )
    db.execute(
        f"INSERT INTO raw_orders ({common}, orders, paid_fen, refunds, refunded_fen) {base}, "
        f"number % 4, (number % 4) * 9900, 0, 0 FROM numbers({rows // 10})"
    )
    db.execute(
        f"INSERT INTO raw_complaints ({common}, code, channel, complaints) {base}, "
        f"['C01', 'C02', 'C0301', 'C04'][1 + number % 4], 'platform', 1 "
        f"FROM numbers({max(rows // 2000, 1)})"
    )


def _fill_cells(db: Engine, end: datetime) -> None:
    """A day of closed minutes of every cell."""
    cells = _keys(f"(number % {CELLS})")
    db.execute(
        f"INSERT INTO indicators_cell (minute, platform_id, category, district, closed, version, "
        f"{', '.join(f'{n}_1m' for n in _FIGURES)}) SELECT {_minute(end, CELLS)}, {cells}, 1, 1, "
        f"{', '.join(_FIGURES.values())} FROM numbers({CELLS * 1440})"
    )


def _fill_session_minutes(db: Engine, end: datetime) -> None:
    """An hour of the sessions' minutes."""
    n = f"(number % {SESSIONS})"
    db.execute(
        "INSERT INTO indicators_session (minute, platform_id, category, district, session_id, "
        f"merchant_pid, closed, version, {', '.join(f'{n}_1m' for n in _FIGURES)}) SELECT "
        f"{_minute(end, SESSIONS)}, {_keys(n)}, concat('s', toString({n}), '-0'), {_merchant(n)}, "
        f"1, 1, {', '.join(_FIGURES.values())} FROM numbers({SESSIONS * 60})"
    )


def _minute(end: datetime, keys: int) -> str:
    step = f"toIntervalMinute(intDiv(number, {keys}))"
    return f"toDateTime('{end:%Y-%m-%d %H:%M:00}', 'UTC') - {step}"


_FIGURES = {
    "active": "1 + number % 30", "viewers": "100 + number % 900", "orders": "number % 7",
    "paid_fen": "(number % 7) * 9900", "viewer_milliminutes": "100000 + number % 900000",
    "complaints": "toUInt8(number % 500 = 0)", "seen": "30", "expected": "30 + (number % 50 = 0)",
}  # fmt: skip


def _fill_sessions(db: Engine, days: int, end: datetime) -> None:
    n = f"(number % {SESSIONS})"
    db.execute(
        "INSERT INTO sessions (platform_id, category, district, session_id, merchant_pid, "
        "room_pid, streamer_pid, mcn_pid, base_id, scenario, first_seen, version) "
        f"SELECT {_keys(n)}, "
        f"concat('s', toString({n}), '-', toString(intDiv(number, {SESSIONS}))), {_merchant(n)}, "
        f"'r', 't', 'm', 'b', ['', 'night_food', 'first_launch'][1 + number % 3], "
        f"toDateTime64('{end:%Y-%m-%d %H:%M:%S}', 3, 'UTC') - toIntervalDay(intDiv(number, "
        f"{SESSIONS})), 1 FROM numbers({days * SESSIONS})"
    )


def _fill_flags(db: Engine, end: datetime) -> None:
    n = "number"
    db.execute(
        "INSERT INTO flag_events (flag_id, event, grade, rule, entity_type, entity, platform_id, "
        "category, onset, event_time, decided_at, observed, expected, exposure, window_s, score, "
        "threshold, rule_version, sentence_zh, sentence_en, version) SELECT "
        "concat('f', toString(number)), 'opened', "
        "['watch', 'raised', 'critical'][1 + number % 3], 'F01', 'merchant', "
        f"{_merchant(n)}, {_PLATFORM.format(n=n)}, {_CATEGORY.format(n=n)}, at, "
        "at, at, 9, 2, 1000, 3600, 8, 6, '1', '投诉', 'complaints', 1 FROM (SELECT number, "
        f"toDateTime64('{end:%Y-%m-%d %H:%M:%S}', 3, 'UTC') - toIntervalMinute(number) AS at "
        "FROM numbers(30000))"
    )
    db.execute(
        "INSERT INTO completeness (minute, platform_id, source, topic, kafka_partition, epoch, "
        "next_sequence, batches, rows, watermark, version) SELECT "
        f"toDateTime('{end:%Y-%m-%d %H:%M:00}', 'UTC') - toIntervalMinute(intDiv(number, 120)), "
        f"{_PLATFORM.format(n=n)}, 'gate', 'telemetry.viewers.v1', intDiv(number, 5) % 24, 1, "
        "number, number, number, now64(3), 1 FROM numbers(120 * 1440)"
    )


def _keys(n: str) -> str:
    return ", ".join(part.format(n=n) for part in (_PLATFORM, _CATEGORY, _DISTRICT))


def _merchant(n: str) -> str:
    return f"leftPad(toString({n} % 2000), 32, '0')"


def queries(end: datetime, hours: int) -> Iterator[tuple[str, str]]:
    """(dashboard and panel, SQL) of each query that a Grafana sends for the last `hours`."""
    library = Library.committed()
    span = TimeRange(end - timedelta(hours=hours), end)
    for listed in library.listing():
        board = library.board(listed["uid"], "zh")
        values = {v["name"]: macros.ALL for v in board["templating"]["list"]}
        values |= {"session": "s1-0"}
        for panel in board["panels"]:
            target = (panel.get("targets") or [{}])[0]
            if "rawSql" in target:
                step = step_seconds(span, panel.get("maxDataPoints", 400), 60)
                sql = macros.expand(target["rawSql"], macros.Context(span, step, values))
                yield f"{listed['uid']}/{panel['id']} {panel['title']}", sql


def measure(db: Engine, end: datetime, hours: int) -> dict[str, Any]:
    """Milliseconds of each query, the slowest first."""
    found = {}
    for name, sql in queries(end, hours):
        times = []
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            db.execute(sql)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        found[name] = [round(1000 * min(t[i] for t in times)) for i in (0, 1)]
    order = sorted(found, key=lambda name: -found[name][0])
    elapsed = [found[name][0] for name in order]
    return {
        "hours": hours,
        "queries": len(found),
        "slowest_query_ms": elapsed[0],
        "median_ms": elapsed[len(elapsed) // 2],
        "over_budget": [f"{n}: {found[n][0]} ms" for n in order if found[n][0] > BUDGET_MS],
        "slowest": {
            n: dict(zip(("elapsed_ms", "cpu_ms"), found[n], strict=True)) for n in order[:5]
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1e6,1e7,1e8", help="raw rows, one size or several")
    parser.add_argument("--hours", type=int, default=6, help="range of the dashboards")
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    options, _ = parser.parse_known_args()
    sizes = [round(float(text)) for text in options.rows.split(",")]
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    for rows in sizes[:1] if options.quick else sizes:
        directory = Path(tempfile.mkdtemp(prefix="livewatch-queries-"))
        db = Engine(directory)
        try:
            run(db, "livewatch", plan(load(), 0, None))
            began = time.perf_counter()
            fill(db, rows, end)
            told = {
                "rows": rows,
                "fill_s": round(time.perf_counter() - began),
                "engine": chdb.__version__,
            }
            size = db.execute("SELECT sum(bytes_on_disk) FROM system.parts WHERE active")
            told["gb"] = round(int(size[0][0]) / 1e9, 2)
            print(
                json.dumps(told | measure(db, end, options.hours), ensure_ascii=False), flush=True
            )
        finally:
            db.close()
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
