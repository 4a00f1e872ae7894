"""A simulated day in ClickHouse, built in seconds: the simulator's rows, then SQL.

The simulator gives the raw rows of 24 hours; the engine makes the minute indicators of them
with the settled views of the warehouse. So a figure on a dashboard has come from raw rows by
the project's own way, and a test holds it against numpy over the same rows.
"""

# ruff: noqa: S608 - SQL assembled from constants of this module

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deploy.check.simulated_day.events import flag_events, ledger, telemetry
from grafana.screen.timerange import TimeRange
from pipelines.core.columns import Maybe, TableColumns
from pipelines.warehouse.client import insert
from producers.simulate.anomalies import Injection
from producers.simulate.config import SimConfig
from producers.simulate.model import Population, Simulation
from producers.simulate.plan import Planner
from producers.simulate.requests import Request
from schemas.telemetry import MEASURES, SampleType

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SESSIONS, PLATFORMS, HOURS = 160, 3, 24
OPEN_MINUTES = 3
#: p03 sends nothing here
SILENT_MIN = (16 * 60, 16 * 60 + 25)
_DIMENSIONS = ("room_pid", "streamer_pid", "mcn_pid", "merchant_pid", "base_id", "district",
               "category", "scenario")  # fmt: skip
_IN_RAW = ("session_id", "merchant_pid", "category", "district")

Raw = dict[str, npt.NDArray[Any]]
"""Column name -> values, one entry a row; `platform_id` and `ms` among them."""


@dataclass(frozen=True)
class Day:
    """The raw rows by sample type, and what was injected."""

    start: datetime
    end: datetime
    raw: dict[SampleType, Raw]
    injections: tuple[Injection, ...]

    @property
    def closed_through(self) -> datetime:
        """Start of the last closed minute."""
        return self.end - timedelta(minutes=OPEN_MINUTES + 1)

    @property
    def span(self) -> TimeRange:
        """The whole day, to the last second of its last closed minute."""
        return TimeRange(self.start, self.closed_through + timedelta(minutes=1, seconds=-1))

    @property
    def hour(self) -> TimeRange:
        """Its last 60 closed minutes."""
        return TimeRange(self.closed_through - timedelta(minutes=59), self.span.end)

    @property
    def session(self) -> str:
        """The one that a spike of complaints was put into, so that it has evidence and a flag."""
        (spike,) = (i.anomaly for i in self.injections if i.anomaly.entity_type == "session")
        return spike.entity_id

    @property
    def rows(self) -> int:
        """Raw rows of all samples."""
        return sum(len(raw["ms"]) for raw in self.raw.values())


def whole_day(now: datetime | None = None) -> datetime:
    """The start of the last whole day in Shanghai, recent enough for the tables' TTL."""
    local = (now or datetime.now(UTC)) + timedelta(hours=8)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(hours=8) - timedelta(days=1)


def build(client: Any, start: datetime) -> Day:
    """Fill the migrated database of `client` with the day from `start`."""
    day = simulate(start)
    for sample, raw in day.raw.items():
        insert(client, f"raw_{sample.value}", _raw_columns(sample, raw))
    insert(client, "sessions", _sessions(day.raw[SampleType.VIEWERS]))
    _indicators(client, day)
    _values(client, day)
    _insert_rows(client, "flag_events", flag_events(day))
    _insert_rows(client, "ledger", ledger(day))
    _insert_rows(client, "completeness", telemetry(day))
    return day


def simulate(start: datetime) -> Day:
    begin = round(start.timestamp() * 1000)
    config = SimConfig(11, SESSIONS, PLATFORMS, 1, begin, None, MINUTE_MS, None)
    simulation = Simulation(config, _planned)
    parts: dict[SampleType, list[tuple[str, pa.RecordBatch]]] = defaultdict(list)
    for minute in range(HOURS * 60):
        silent = SILENT_MIN[0] <= minute < SILENT_MIN[1]
        for shard in simulation.tick().shards:
            platform = simulation.city.platforms[shard.platform]
            if not (silent and platform == "p03"):
                parts[shard.sample].append((platform, shard.rows))
    raw = {sample: _columns(batches) for sample, batches in parts.items()}
    return Day(start, start + timedelta(hours=HOURS), raw, simulation.injections)


def _planned(population: Population) -> list[Injection]:
    hours = (14, 20.5, 22.5, 22.8)
    at = [int(h * HOUR_MS) for h in hours]
    return Planner(population).plan(
        [
            Request("F01", at[0], 40 * MINUTE_MS, "session", excess=45.0),
            Request("F01", at[1], 40 * MINUTE_MS, "merchant", excess=60.0),
            Request("F01", at[2], 60 * MINUTE_MS, "category", excess=120.0),
            Request("F01", at[3], 60 * MINUTE_MS, "merchant", excess=70.0),
        ]
    )


def _columns(batches: list[tuple[str, pa.RecordBatch]]) -> Raw:
    table = pa.Table.from_batches([b for _, b in batches])
    raw = {
        name: _plain(table.column(name)).to_numpy()
        for name in table.column_names
        if name != "event_time"
    }
    raw["platform_id"] = np.repeat([p for p, _ in batches], [b.num_rows for _, b in batches])
    raw["ms"] = table.column("event_time").cast(pa.int64()).to_numpy()
    # The batch and row that a sample came in, and whether it came after its minute had closed.
    raw["sequence"] = np.repeat(np.arange(len(batches)), [b.num_rows for _, b in batches])
    raw["row"] = np.concatenate([np.arange(b.num_rows) for _, b in batches])
    raw["late"] = (np.arange(len(raw["ms"])) % 397 == 0).astype(np.int64)
    return raw


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.utf8()) if pa.types.is_dictionary(column.type) else column


def _text(values: npt.NDArray[Any]) -> list[str]:
    return ["" if v is None else v for v in values.tolist()]


def _raw_columns(sample: SampleType, raw: Raw) -> TableColumns:
    n = len(raw["ms"])
    one = np.ones(n, np.int64)
    columns: TableColumns = {"event_time": raw["ms"], "platform_id": _text(raw["platform_id"])}
    columns |= {name: _text(raw[name]) for name in _IN_RAW}
    for measure in MEASURES[sample]:
        values = raw[measure.name]
        if pa.types.is_dictionary(measure.type):
            columns[measure.name] = _text(values)
        elif measure.nullable:
            unknown = np.isnan(values.astype(np.float64))
            columns[measure.name] = Maybe(np.where(unknown, 0, values).astype(np.int64), unknown)
        else:
            columns[measure.name] = values.astype(np.int64)
    return columns | {
        "source": [f"sim-{p[-1]}" for p in raw["platform_id"].tolist()],
        "epoch": one,
        "kafka_partition": 0 * one,
        "sequence": raw["sequence"],
        "row": raw["row"],
        "late": raw["late"],
        "kafka_offset": raw["sequence"],
        "broker_time": raw["ms"] + 700,
        "version": one,
    }


def _sessions(raw: Raw) -> TableColumns:
    _, first = np.unique(raw["session_id"], return_index=True)
    columns: TableColumns = {
        name: _text(raw[name][first]) for name in ("session_id", "platform_id", *_DIMENSIONS)
    }
    return columns | {"first_seen": raw["ms"][first], "version": np.ones(len(first), np.int64)}


_WINDOWED = ("orders", "paid_fen", "viewer_milliminutes", "complaints")
_SUMS = ", ".join(f"{name}_{w}m" for name in _WINDOWED for w in (1, 5, 15, 60))
_SHARED = f"{_SUMS}, orders_24h, complaints_24h, active_1m, viewers_1m"
_DUE = (
    "sum({0}) OVER (PARTITION BY session_id ORDER BY minute "
    "RANGE BETWEEN 240 PRECEDING AND CURRENT ROW)"
)


def _indicators(client: Any, day: Day) -> None:
    span = f"since = '{day.start:%F %T}', until = '{day.end:%F %T}'"
    closed = f"minute <= toDateTime('{day.closed_through:%F %T}', 'UTC')"
    client.execute(f"""
        INSERT INTO indicators_session (minute, platform_id, category, district, session_id,
            merchant_pid, closed, {_SHARED}, i11_complaints_per_10000_1h,
            seen_1m, expected_1m, seen_5m, expected_5m, version)
        SELECT minute, platform_id, category, district, session_id, merchant_pid, {closed},
            {_SHARED}, i11_complaints_per_10000_1h, active_1m, 1,
            {_DUE.format("active_1m")}, {_DUE.format("1")}, 1
        FROM v_settled_indicators_session({span})""")
    client.execute(f"""
        INSERT INTO indicators_cell (minute, platform_id, category, district, closed, {_SHARED},
            seen_1m, expected_1m, seen_5m, expected_5m, i22_lag_p95_ms_5m, version)
        SELECT c.minute, c.platform_id, c.category, c.district, c.{closed},
            {", ".join(f"c.{name}" for name in _SHARED.split(", "))},
            s.seen_1m, s.expected_1m, s.seen_5m, s.expected_5m, 1000, 1
        FROM v_settled_indicators_cell({span}) AS c
        LEFT JOIN (
            SELECT minute, platform_id, category, district, sum(seen_1m) AS seen_1m,
                sum(expected_1m) AS expected_1m, sum(seen_5m) AS seen_5m,
                sum(expected_5m) AS expected_5m
            FROM indicators_session GROUP BY minute, platform_id, category, district
        ) AS s USING (minute, platform_id, category, district)""")


def _values(client: Any, day: Day) -> None:
    """Indicators of long windows, which the settled view has slowly: three times in the day."""
    for before in (16, 8, 0):
        at = day.closed_through - timedelta(hours=before)
        client.execute(f"""
            INSERT INTO indicator_values (minute, indicator, window, part, scope, platform_id,
                category, session_id, value, numerator, denominator, n, version)
            SELECT toDateTime('{at:%F %T}', 'UTC'), indicator, window, part, scope, platform_id,
                category, session_id, value, numerator, denominator, n, 1
            FROM v_settled_indicator_values(at = '{at:%F %T}')""")


def _insert_rows(client: Any, table: str, rows: list[dict[str, Any]]) -> None:
    columns = {name: [r[name] for r in rows] for name in rows[0]}
    names = ", ".join(columns)
    client.execute(f"INSERT INTO {table} ({names}) VALUES", list(columns.values()), columnar=True)
