"""The checks against real SQL: what is packed there is what is packed here."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.check import flags, indicators, latency, ledger_vs_sql
from deploy.check.warehouse import Warehouse
from pipelines.warehouse.migrate import load, plan, run
from producers.clock import EventClock
from producers.ledger import LedgerEntry
from schemas.telemetry import SampleType

MINUTE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
START_MS = int(MINUTE.timestamp() * 1000)
CLOCK = EventClock(START_MS, START_MS, 1.0)
_COLUMNS = (
    "event_time, platform_id, category, district, session_id, merchant_pid, orders, paid_fen,"
    " refunds, refunded_fen, source, epoch, kafka_partition, sequence, row, late, kafka_offset,"
    " broker_time, stored_at, version"
)


@pytest.fixture
def warehouse(clickhouse: Any, database: str) -> Warehouse:
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
    password = clickhouse.password("viewer")
    return Warehouse(
        clickhouse.host, clickhouse.tcp_port, clickhouse.http_port, database, "viewer", password
    )


def _insert(clickhouse: Any, database: str, keys: list[tuple[int, int, int]]) -> None:
    """Orders rows (partition, sequence, row) of one order each."""
    stored = datetime.fromtimestamp(START_MS / 1000 + 0.25, UTC)
    rows = [
        (MINUTE, "alpha", "food", "310101", "s1", "m1", 1, 100, 0, 0, "sim-1", 7, p, s, r, 0, 0,
         MINUTE, stored, 1)
        for p, s, r in keys
    ]  # fmt: skip
    with clickhouse.client(database) as client:
        client.execute(f"INSERT INTO raw_orders ({_COLUMNS}) VALUES", rows)


def _ledger(path: Path, *batches: tuple[int, int, int]) -> Path:
    """A book of orders batches (partition, sequence, rows) of one order a row."""
    lines = [json.dumps({"ledger": 1, **asdict(CLOCK)})]
    for partition, sequence, rows in batches:
        sums = {"orders": rows, "paid_fen": 100 * rows, "refunds": 0, "refunded_fen": 0}
        entry = LedgerEntry(
            "alpha", "sim-1", 7, SampleType.ORDERS.topic, partition, sequence, rows, sums,
            START_MS, START_MS, START_MS, START_MS, START_MS,
        )  # fmt: skip
        lines.append(json.dumps(asdict(entry)))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_complete_book_agrees(
    clickhouse: Any, database: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    keys = [(0, 0, 0), (0, 0, 1), (3, 5, 0)]
    _insert(clickhouse, database, keys)
    _insert(clickhouse, database, keys)  # sent again: the view shows it once
    book = _ledger(tmp_path / "ledger.jsonl", (0, 0, 2), (3, 5, 1))
    found = ledger_vs_sql.compare([book], warehouse)
    assert all(result.exact for result in found.values()), found
    assert found[SampleType.ORDERS].stored == 3
    measured = latency.measure(CLOCK, warehouse)
    assert measured is not None
    assert measured.p50_ms == pytest.approx(250)


def test_lost_and_strange_rows_are_seen(
    clickhouse: Any, database: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    _insert(clickhouse, database, [(0, 0, 0), (0, 1, 0)])
    book = _ledger(tmp_path / "ledger.jsonl", (0, 0, 2))
    found = ledger_vs_sql.compare([book], warehouse)[SampleType.ORDERS]
    assert (found.missing, found.unknown, found.duplicates, found.wrong_sums) == (1, 1, 0, 0)


def test_rows_of_a_source_that_has_no_book_are_unknown(
    clickhouse: Any, database: str, warehouse: Warehouse
) -> None:
    _insert(clickhouse, database, [(0, 0, 0), (1, 0, 0)])
    found = ledger_vs_sql.compare([], warehouse)[SampleType.ORDERS]
    assert (found.stored, found.unknown, found.duplicates) == (0, 2, 0)


def test_a_minute_that_was_not_closed_is_wrong(
    clickhouse: Any, database: str, warehouse: Warehouse
) -> None:
    assert indicators.check_minutes(warehouse).wrong_minutes == 0
    assert indicators.closed_through(warehouse) is None
    _insert(clickhouse, database, [(0, 0, 0)])
    found = indicators.check_minutes(warehouse)
    assert found.wrong_minutes == 1
    assert "v_indicators_cell.orders_1m" in found.wrong


def test_no_flags_at_all(warehouse: Warehouse) -> None:
    assert flags.read_decisions(warehouse) == []
