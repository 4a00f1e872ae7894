"""How long every query of the committed dashboards takes, from 1 to 100 million raw rows.

`python -m benchmarks.queries [--rows 1e6,1e7,1e8] [--hours 6,168,2160]` prints one JSON object a
size and range, and in the end all of them as one table on stderr (`benchmarks.growth`). Panels, the
lists of the template variables and annotations are all asked. The engine runs in this process;
`benchmarks.city` and `benchmarks.city_history` fill it. `elapsed_ms` is the best of three;
`cpu_ms`, processor time of all threads, is what to look at where the machine has other work, too.
`empty` are the queries that returned no row: they prove nothing. A range of 168 h is full from
3.4e7 rows on, which are a week; in one of 2160 h flags and ledger alone fill 90 days.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import chdb
from rich.console import Console

from benchmarks import city, city_history, growth
from benchmarks.city import Engine
from grafana.screen import macros
from grafana.screen.library import Library
from grafana.screen.timerange import TimeRange, step_seconds
from pipelines.warehouse.migrate import applied_number, load, plan, run

BUDGET_MS = 200
#: Why a query may return no row, by the end of its name.
MAY_BE_EMPTY = {"annotation 节庆、首发与展会": "no festival within the range"}


def queries(end: datetime, hours: int) -> Iterator[tuple[str, str]]:
    """(dashboard and what of it, SQL) of each query that a Grafana sends for the last `hours`."""
    library = Library.committed()
    span = TimeRange(end - timedelta(hours=hours), end)
    for listed in library.listing():
        uid = listed["uid"]
        board = library.board(uid, "zh")
        values = {v["name"]: macros.ALL for v in board["templating"]["list"]}
        values |= {"session": "s0-0"}
        for name, raw, points in _asked(library, uid):
            step = step_seconds(span, points, 60)
            yield f"{uid}/{name}", macros.expand(raw, macros.Context(span, step, values))


def _asked(library: Library, uid: str) -> Iterator[tuple[str, str, int]]:
    """(name, SQL with macros, points) of the panels, variables and annotations of a dashboard."""
    for panel in library.board(uid, "zh")["panels"]:
        target = (panel.get("targets") or [{}])[0]
        if "rawSql" in target:
            name = f"{panel['id']} {panel['title']}"
            yield name, target["rawSql"], panel.get("maxDataPoints", 400)
    for variable in library.variables(uid, "zh"):
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"], 400
    for mark in library.annotations(uid, "zh"):
        yield f"annotation {mark['name']}", mark["target"]["rawSql"], 400


def measure(db: Engine, end: datetime, hours: int) -> dict[str, Any]:
    """Milliseconds of each query, the slowest first, and those that returned no row."""
    found, empty = {}, []
    for name, sql in queries(end, hours):
        times = []
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            answer = db.execute(sql)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        found[name] = [round(1000 * min(t[i] for t in times)) for i in (0, 1)]
        if not answer:
            empty.append(name + _reason(name))
    order = sorted(found, key=lambda name: -found[name][0])
    elapsed = [found[name][0] for name in order]
    cpu = sorted(took[1] for took in found.values())
    return {
        "hours": hours,
        "queries": len(found),
        "empty": empty,
        "slowest_query_ms": elapsed[0],
        "median_ms": elapsed[len(elapsed) // 2],
        "slowest_cpu_ms": cpu[-1],
        "median_cpu_ms": cpu[len(cpu) // 2],
        "over_budget": [
            f"{n}: {found[n][0]} ms, processor {found[n][1]} ms"
            for n in order
            if found[n][0] > BUDGET_MS
        ],
        "slowest": {
            n: dict(zip(("elapsed_ms", "cpu_ms"), found[n], strict=True)) for n in order[:5]
        },
    }


def _reason(name: str) -> str:
    return next((f": {why}" for end, why in MAY_BE_EMPTY.items() if name.endswith(end)), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1e6,1e7,1e8", help="raw rows, one size or several")
    parser.add_argument("--hours", default="6,168,2160", help="range of the dashboards, or several")
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    parser.add_argument("--keep", type=Path, help="folder in which filled databases stay")
    options, _ = parser.parse_known_args()
    sizes = [round(float(text)) for text in options.rows.split(",")]
    ranges = [int(text) for text in options.hours.split(",")]
    found = []
    for rows in sizes[:1] if options.quick else sizes:
        with _filled(rows, options.keep) as (db, told, end):
            size = db.execute("SELECT sum(bytes_on_disk) FROM system.parts WHERE active")
            told["gb"] = round(int(size[0][0]) / 1e9, 2)
            for hours in ranges:
                found.append(told | measure(db, end, hours))
                print(json.dumps(found[-1], ensure_ascii=False), flush=True)
    growth.draw(found, Console(stderr=True))


@contextmanager
def _filled(rows: int, keep: Path | None) -> Iterator[tuple[Engine, dict[str, Any], datetime]]:
    """A database of that size, what to tell of it, and its last minute.

    In the folder `keep` one stays for the next time; migrations that came since are run then.
    """
    folder = Path(tempfile.mkdtemp(prefix="livewatch-queries-")) if keep is None else keep
    directory, done = folder / str(rows), folder / f"{rows}.end"
    if not done.exists():
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    db = Engine(directory)
    try:
        run(db, "livewatch", plan(load(), applied_number(db, "livewatch"), None))
        db.execute("USE livewatch")
        began = time.perf_counter()
        end = datetime.fromisoformat(done.read_text()) if done.exists() else _fill(db, rows)
        done.write_text(end.isoformat())
        city_history.keep_completeness(db, end)
        city_history.keep_hours(db, end)
        spent = round(time.perf_counter() - began)
        yield db, {"rows": rows, "fill_s": spent, "engine": chdb.__version__}, end
    finally:
        db.close()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _fill(db: Engine, rows: int) -> datetime:
    """The city, up to five minutes ago; returns that moment."""
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    city.fill(db, rows, end)
    city_history.fill(db, end, city.days_of(rows))
    return end


if __name__ == "__main__":
    main()
