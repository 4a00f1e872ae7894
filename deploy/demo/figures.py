"""The figures of the summary, each asked of whoever knows it: ledger, SQL, workers' metrics."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clickhouse_driver.errors import Error
from prometheus_client.parser import text_string_to_metric_families

from deploy.check.warehouse import Warehouse
from deploy.stack.settings import HOST, StackSettings
from schemas.telemetry import SampleType

_FLAGS_SHOWN = 6
_INDICATORS = """
SELECT minute, count(), sum(active_1m), sum(viewers_1m), sum(orders_1m), sum(paid_fen_5m) / 100,
       sum(paid_fen_60m) / 100 / nullIf(sum(orders_60m), 0),
       1000 * sum(orders_5m) / nullIf(sum(viewer_milliminutes_5m) / 1000, 0),
       10000 * (sum(complaints_60m) + 1) / (sum(orders_60m) + 1000),
       100 * sum(seen_5m) / nullIf(sum(expected_5m), 0)
FROM v_indicators_cell
WHERE closed = 1 AND minute = (SELECT max(minute) FROM indicators_cell WHERE closed = 1)
GROUP BY minute
"""
_FLAGS = """
SELECT grade, state, opened_event_time, entity_type, sentence_zh, sentence_en
FROM v_flags WHERE grade_rank >= 2
ORDER BY opened_event_time DESC LIMIT {limit:d}
"""
_FLAG_COUNTS = "SELECT grade, count() FROM v_flags GROUP BY grade"


@dataclass(frozen=True)
class Indicators:
    """City-wide, of the last closed minute; None is unknown."""

    minute: datetime
    cells: int
    active: int
    viewers: int
    orders_per_min: int
    gmv_5m_yuan: float
    order_value_yuan: float | None
    orders_per_1000_viewer_min: float | None
    complaints_per_10000: float
    completeness_pct: float | None


@dataclass(frozen=True)
class Flag:
    """One flag, raised or critical, with its sentences."""

    grade: str
    state: str
    at: datetime
    entity_type: str
    zh: str
    en: str


@dataclass(frozen=True)
class Figures:
    """One look at everything. What could not be asked is None or empty: unknown, never zero."""

    produced: int = 0
    produced_event_ms: int = 0
    stored: int | None = None
    lag_records: int | None = None
    lag_seconds: float | None = None
    late_rows: int | None = None
    watermark: datetime | None = None
    indicators: Indicators | None = None
    flags: list[Flag] = field(default_factory=list)
    flag_counts: dict[str, int] = field(default_factory=dict)
    workers_ready: int = 0
    workers: int = 0


def look(
    settings: StackSettings, warehouse: Warehouse, produced: int, produced_event_ms: int
) -> Figures:
    """Ask everyone once."""
    metrics = [m for p in _worker_ports(settings) if (m := scrape(p)) is not None]
    merged = merge(metrics)
    through = merged.get("livewatch_closed_through_seconds")
    try:
        stored = _stored(warehouse)
        indicators = _indicators(warehouse)
        flags, counts = _flags(warehouse)
    except (Error, OSError, EOFError):  # it is being restarted: shown as unknown
        stored, indicators, flags, counts = None, None, [], {}
    return Figures(
        produced=produced,
        produced_event_ms=produced_event_ms,
        stored=stored,
        lag_records=_whole(sum_of(merged, "livewatch_lag_records")),
        lag_seconds=max(merged.get("livewatch_lag_seconds", []), default=None),
        late_rows=_whole(sum_of(merged, "livewatch_late_rows_total")),
        watermark=datetime.fromtimestamp(min(through), UTC) if through else None,
        indicators=indicators,
        flags=flags,
        flag_counts=counts,
        workers_ready=len(metrics),
        workers=settings.workers,
    )


Samples = dict[str, list[float]]


def scrape(port: int) -> Samples | None:
    """Values of every sample of a worker by name; None when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=2) as reply:
            return parse(reply.read().decode())
    except (OSError, ValueError):
        return None


def parse(text: str) -> Samples:
    """Values by sample name from the Prometheus text format; those never set are left out."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def merge(metrics: Iterable[Samples]) -> Samples:
    """The samples of all workers together."""
    merged: Samples = {}
    for samples in metrics:
        for name, values in samples.items():
            merged.setdefault(name, []).extend(values)
    return merged


def sum_of(samples: Samples, name: str) -> float | None:
    """None when nobody has told it."""
    values = samples.get(name)
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _worker_ports(settings: StackSettings) -> list[int]:
    return [settings.ports.worker_base + n for n in range(settings.workers)]


def _stored(warehouse: Warehouse) -> int:
    """Rows in the raw tables, from their metadata: cheap, and exact but for rows rewritten after
    a crash that are not merged yet; the closing summary reads the exact views."""
    names = ", ".join(f"'raw_{sample.value}'" for sample in SampleType)
    sql = f"SELECT sum(total_rows) FROM system.tables WHERE database = %(db)s AND name IN ({names})"  # noqa: S608
    return int(warehouse.rows(sql, {"db": warehouse.database})[0][0] or 0)


def _indicators(warehouse: Warehouse) -> Indicators | None:
    rows = warehouse.rows(_INDICATORS)
    return Indicators(*rows[0]) if rows else None


def _flags(warehouse: Warehouse) -> tuple[list[Flag], dict[str, int]]:
    rows: list[tuple[Any, ...]] = warehouse.rows(_FLAGS.format(limit=_FLAGS_SHOWN))
    return [Flag(*row) for row in rows], dict(warehouse.rows(_FLAG_COUNTS))
