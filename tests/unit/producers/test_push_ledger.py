from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from producers.batcher import Batcher, SealedBatch, SealPolicy
from producers.clock import EventClock
from producers.errors import UsageError
from producers.ledger import Ledger, read_clock, read_ledger
from schemas.telemetry import ARROW, SampleType

T0 = 1_800_000_000_000
CLOCK = EventClock(T0, T0 + 500_000, 60.0)


def sealed(count: int) -> list[SealedBatch]:
    one = {
        "session_id": "0" * 32, "room_pid": "1" * 32, "streamer_pid": "2" * 32,
        "merchant_pid": "3" * 32, "district": "310101", "category": "food",
        "orders": 2, "paid_fen": 9_900, "refunds": 1, "refunded_fen": 50,
    }  # fmt: skip
    b = Batcher("p01", "sim-1", 7, 1, SealPolicy(max_rows=2))
    table = pa.RecordBatch.from_pylist(
        [one | {"event_time": T0 + 6000 * i} for i in range(2 * count)],
        schema=ARROW[SampleType.ORDERS],
    )
    return b.add(SampleType.ORDERS, 0, table, T0)


def write(path: Path, count: int) -> Ledger:
    ledger = Ledger(path, CLOCK)
    for batch in sealed(count):
        ledger.append(batch)
    return ledger


def test_what_is_written_is_read_back_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out" / "ledger.jsonl"
    write(path, 3)
    entries = list(read_ledger(path))
    assert [e.sequence for e in entries] == [0, 1, 2]
    first = entries[0]
    told = {name: total for name, total in first.sums.items() if total}
    assert told == {"orders": 4, "paid_fen": 19_800, "refunds": 2, "refunded_fen": 100}
    assert (first.rows, first.min_event_ms, first.max_event_ms) == (2, T0, T0 + 6000)
    assert first.identity.id == "7/telemetry.orders.v1/0/0"


def test_the_clock_tells_when_a_row_was_due(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, 1)
    assert read_clock(path) == CLOCK
    # 6 s of event time are 100 ms at speed 60
    assert next(read_ledger(path)).due_ms == T0 + 500_100


def test_heartbeats_have_no_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = write(path, 1)
    for batch in Batcher("p01", "sim-1", 7, 1, SealPolicy()).poll(T0):
        ledger.append(batch)
    assert len(list(read_ledger(path))) == 1


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, 3)
    path.write_bytes(path.read_bytes()[:-cut])
    assert [e.sequence for e in read_ledger(path)] == [0, 1]


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:20] + b"\n", *lines[2:]]))
    with pytest.raises(UsageError, match="line 2 is broken"):
        list(read_ledger(path))


def test_an_earlier_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, 1)
    with pytest.raises(UsageError, match="already holds a run"):
        Ledger(path, CLOCK)
    Ledger(path, CLOCK, overwrite=True)
    assert list(read_ledger(path)) == []


def test_another_file_is_not_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("hello\n")
    with pytest.raises(UsageError, match="not a ledger"):
        read_clock(path)
