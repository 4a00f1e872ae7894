"""The spool: what was accepted is there after any end of the process, once, in order."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from producers.batcher import Batcher, SealPolicy
from producers.clock import EventClock
from producers.ledger import Ledger, forget_unspooled, read_ledger
from producers.spool import (
    Entry,
    Lane,
    Spool,
    SpoolBusy,
    SpoolCorrupt,
    SpoolError,
    SpoolFull,
    SpoolLimits,
    read_status,
    row_entry,
    table_entries,
)
from producers.spool.entries import LAYOUT, Stored, assemble
from schemas.telemetry import ARROW, SampleType
from schemas.validate import row_errors

T0 = 1_800_000_000_000
ORDERS = SampleType.ORDERS
LANE = Lane("p01", "app-1", ORDERS, 0)
SEAL = SealPolicy(max_rows=3, linger_ms=500, heartbeat_ms=2_000)


def values(orders: int, event_ms: int = T0, session: str = "a" * 32) -> tuple[object, ...]:
    given = {
        "event_time": event_ms,
        "session_id": session,
        "room_pid": "1" * 32,
        "streamer_pid": "2" * 32,
        "merchant_pid": "3" * 32,
        "district": "310101",
        "category": "food",
        "orders": orders,
        "paid_fen": 100,
        "refunds": 0,
        "refunded_fen": 0,
    }
    return tuple(given.get(name) for name in ARROW[ORDERS].names)


def one(orders: int, event_ms: int = T0, lane: Lane = LANE) -> Entry:
    return row_entry(lane, event_ms, values(orders, event_ms))


def table(count: int) -> pa.RecordBatch:
    names = ARROW[ORDERS].names
    rows = [dict(zip(names, values(i, T0 + i, f"{i:032x}"), strict=True)) for i in range(count)]
    return pa.RecordBatch.from_pylist(rows, schema=ARROW[ORDERS])


def opened(path: Path, now: int = T0, **limits: int) -> Spool:
    spool = Spool.open(path, SpoolLimits(**limits), now)  # type: ignore[arg-type]
    spool.register("p01", "app-1", 2)
    return spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = opened(tmp_path)
    yield made
    made.close()


def contents(spool: Spool) -> list[tuple[int, int, list[int]]]:
    """(epoch, sequence, order counts) of the sealed batches of LANE that have rows."""
    found = []
    for batch in spool.pending(0, 10_000):
        rows = spool.load(batch)
        if rows is not None and batch.header.identity.partition == 0:
            assert row_errors(rows, ORDERS, T0 + 10**9) == []
            ident = batch.header.identity
            found.append((ident.epoch, ident.sequence, rows.column("orders").to_pylist()))
    return found


def fill(spool: Spool, taken: list[int]) -> None:
    """Append until it is refused; `taken` has what was not."""
    for i in range(100_000):
        spool.append([one(i)], T0)
        taken.append(i)


def test_batches_are_cut_by_rows_and_by_age_and_keep_the_order(spool: Spool) -> None:
    spool.append([one(i) for i in range(5)], T0)
    spool.seal(T0 + 10, SEAL, T0)  # all lanes say hello, LANE has a full batch
    assert contents(spool) == [(T0, 0, [0, 1, 2])]
    spool.seal(T0 + 600, SEAL, T0)
    assert contents(spool) == [(T0, 0, [0, 1, 2]), (T0, 1, [3, 4])]


def test_tables_and_single_samples_come_back_as_they_went_in(spool: Spool) -> None:
    rows = table(2_500)
    entries = table_entries("p01", "app-1", rows, ORDERS, 2)
    assert sum(e.rows for e in entries) == 2_500
    spool.append([*entries, one(7)], T0)
    spool.seal(T0, SealPolicy(max_rows=4_000), T0, all_of_it=True)
    loaded = [spool.load(b) for b in spool.pending(0, 100)]
    back = pa.Table.from_batches([b for b in loaded if b is not None]).to_pylist()
    expected = [*rows.to_pylist(), *table(8).slice(7).to_pylist()]
    expected[-1] |= {"session_id": "a" * 32, "event_time": expected[0]["event_time"]}
    key = lambda r: (r["session_id"], r["orders"])  # noqa: E731
    assert sorted(back, key=key) == sorted(expected, key=key)


def test_a_watermark_never_passes_a_row_that_waits_nor_goes_back(spool: Spool) -> None:
    spool.append([one(i, T0 + i) for i in range(4)], T0)
    spool.seal(T0 + 10, SEAL, T0 + 1_000)
    spool.append([one(9, T0 - 50_000)], T0 + 20)  # late: older than what was promised
    spool.seal(T0 + 600, SEAL, T0 + 2_000)
    marks = [b.header.watermark_ms for b in spool.pending(0, 99) if b.header.rows]
    assert marks == [T0 + 3, T0 + 2_000]
    assert [rows for _, _, rows in contents(spool)] == [[0, 1, 2], [3, 9]]


def test_heartbeats_do_not_pile_up_and_sequences_have_no_hole(spool: Spool) -> None:
    lanes = 2 * len(SampleType)
    for second in range(60):
        spool.seal(T0 + second * 1_000, SEAL, T0)
    assert len(spool.pending(0, 999)) == lanes
    spool.done(spool.pending(0, 999))
    spool.seal(T0 + 60_000, SEAL, T0)
    assert {b.header.identity.sequence for b in spool.pending(0, 999)} == {1}


def test_another_start_keeps_identities_and_takes_a_new_epoch(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([one(i) for i in range(5)], T0)
    spool.seal(T0 + 10, SEAL, T0)
    spool.close()
    again = opened(tmp_path, T0 - 99)  # the clock went back
    again.seal(T0 + 600, SEAL, T0)
    assert contents(again) == [(T0, 0, [0, 1, 2]), (T0 + 1, 0, [3, 4])]
    again.done(again.pending(0, 99))
    again.append([one(6)], T0)
    again.close()
    third = opened(tmp_path, T0)
    third.seal(T0, SEAL, T0, all_of_it=True)
    assert contents(third) == [(T0 + 2, 0, [6])]
    third.close()


def test_full_is_said_and_room_comes_with_acknowledgement(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=2_000)
    with pytest.raises(SpoolFull, match=r"full \(1,\d+ of 2,000 bytes\)"):
        fill(spool, taken := [])
    assert 1 < len(taken) < 30
    spool.seal(T0, SealPolicy(), T0, all_of_it=True)
    waiter = threading.Thread(target=lambda: spool.append([one(99)], T0, timeout_s=20))
    waiter.start()
    spool.done(spool.pending(0, 99))
    waiter.join(20)
    assert not waiter.is_alive()
    spool.seal(T0, SealPolicy(), T0, all_of_it=True)
    assert [r for *_, r in contents(spool)] == [[99]]
    spool.close()


def test_a_full_disk_refuses_and_still_drains(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool._db._max_pages = 40
    with pytest.raises(SpoolFull, match="disk"):
        fill(spool, taken := [])
    spool.seal(T0, SealPolicy(max_rows=4_000), T0, all_of_it=True)
    assert [n for *_, rows in contents(spool) for n in rows] == taken
    spool.done(spool.pending(0, 999))
    spool.append([one(1)], T0)
    assert spool.used_bytes == spool.status().bytes
    spool.close()


def test_one_process_at_a_time(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(SpoolBusy, match=f"in use by process {os.getpid()}"):
        Spool.open(tmp_path, SpoolLimits(), T0)


@pytest.mark.parametrize("damage", ["header", "middle"])
def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path, damage: str) -> None:
    spool = opened(tmp_path)
    for i in range(500):
        spool.append([one(i)], T0)
    spool.close()
    file = tmp_path / "spool.sqlite3"
    data = bytearray(file.read_bytes())
    at = 0 if damage == "header" else len(data) // 2 // 4096 * 4096
    data[at : at + 64] = os.urandom(64)
    file.write_bytes(data)
    with pytest.raises(SpoolCorrupt, match=r"damaged.*moved to spool.sqlite3.damaged"):
        opened(tmp_path)
    assert [p.read_bytes() == data for p in tmp_path.glob("*.damaged-*")] == [True]
    opened(tmp_path).close()


def test_an_unreadable_batch_is_set_aside(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([one(1)], T0)
    spool.seal(T0, SEAL, T0, all_of_it=True)
    spool.close()
    with sqlite3.connect(tmp_path / "spool.sqlite3") as sql:
        sql.execute("UPDATE entries SET value = x'c1'")
    spool = opened(tmp_path)
    batch = next(b for b in spool.pending(0, 99) if b.header.rows)
    with pytest.raises(SpoolError, match="cannot be read"):
        spool.load(batch)
    spool.refuse(batch, "cannot be read")
    assert batch not in spool.pending(0, 99)
    assert spool.status().refused == 1
    spool.close()


def test_a_correction_is_a_batch_of_its_own(spool: Spool) -> None:
    spool.append([one(1)], T0)
    spool.append([Entry(LANE, 0, T0, b"", supersedes="batch/1/2", reason="X")], T0)
    spool.append([one(3)], T0)
    spool.seal(T0, SEAL, T0, all_of_it=True)
    mine = [b.header for b in spool.pending(0, 99) if b.header.identity.partition == 0]
    said = [(h.rows, h.supersedes) for h in mine if h.identity.sample is ORDERS]
    assert said == [(1, ""), (0, "batch/1/2"), (1, "")]


def test_threads_together_lose_and_double_nothing(spool: Spool) -> None:
    def work(base: int) -> None:
        for i in range(100):
            spool.append([one(base + i)], T0)

    threads = [threading.Thread(target=work, args=(n * 1_000,)) for n in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        spool.seal(T0 + 600, SEAL, T0)
    for t in threads:
        t.join()
    spool.seal(T0, SEAL, T0, all_of_it=True)
    found = sorted(n for *_, rows in contents(spool) for n in rows)
    assert found == [n * 1_000 + i for n in range(4) for i in range(100)]


def test_status_is_read_beside_the_process(spool: Spool, tmp_path: Path) -> None:
    spool.append([one(1), one(2)], T0 + 5)
    told = read_status(tmp_path)
    assert (told.rows, told.oldest_ms, told.bytes) == (2, T0 + 5, spool.used_bytes)
    assert told.lanes[0].topic == ORDERS.topic
    with pytest.raises(SpoolError, match="holds no spool"):
        read_status(tmp_path / "nothing")


_CHILD = """
import sys
from pathlib import Path
from producers.spool import Spool, SpoolLimits
from producers.batcher import SealPolicy
from tests.unit.producers.test_push_spool import T0, one
spool = Spool.open(Path(sys.argv[1]), SpoolLimits(), T0)
spool.register("p01", "app-1", 2)
number = int(sys.argv[2])
while True:
    spool.append([one(number)], T0)
    sys.stdout.write(f"{number}\\n"); sys.stdout.flush()
    number += 1
    if number % 7 == 0:
        spool.seal(T0, SealPolicy(max_rows=3), T0)
"""


def test_what_was_accepted_survives_kill_9(tmp_path: Path) -> None:
    accepted: list[int] = []
    for run in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path), str(run * 100_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        accepted.append(int(child.stdout.readline()))
        time.sleep(0.02 + 0.05 * run)
        child.send_signal(signal.SIGKILL)
        accepted += [int(line) for line in child.stdout if line.endswith("\n")]
        child.wait()
    spool = opened(tmp_path)
    spool.seal(T0, SEAL, T0, all_of_it=True)
    found = [n for *_, rows in contents(spool) for n in rows]
    assert len(found) == len(set(found))
    # The one more is the sample whose call had not returned when the process died.
    assert set(accepted) <= set(found)
    assert len(set(found) - set(accepted)) <= 4
    sequences = [(e, s) for e, s, _ in contents(spool)]
    assert len(sequences) == len(set(sequences))
    spool.close()


def test_a_batch_sealed_elsewhere_keeps_its_identity(tmp_path: Path) -> None:
    batcher = Batcher("p01", "app-1", 7, 1, SealPolicy(max_rows=2), watermark_ms=T0)
    sealed = [*batcher.poll(T0), *batcher.add(ORDERS, 0, table(2), T0)]
    sealed += batcher.close(T0 + 1, T0 + 5, final=True)
    spool = opened(tmp_path)
    for batch in sealed:
        spool.put(batch)
    assert spool.last_put() == "/platforms/p01/sources/app-1 7/telemetry.orders.v1/0/1"
    spool.close()
    spool = opened(tmp_path)
    assert [b.header for b in spool.pending(0, 99)] == [b.header for b in sealed]
    loaded = [spool.load(b) for b in spool.pending(0, 99)]
    assert [rows for rows in loaded if rows is not None] == [table(2)]
    spool.done(spool.pending(0, 99))
    assert (spool.used_bytes, spool.holds_rows()) == (0, False)
    spool.close()


def test_a_line_that_was_never_spooled_is_taken_out_of_the_ledger(tmp_path: Path) -> None:
    batcher = Batcher("p01", "app-1", 7, 1, SealPolicy(max_rows=1), watermark_ms=T0)
    ledger = Ledger(tmp_path / "ledger.jsonl", EventClock(T0, T0, None))
    for batch in batcher.add(ORDERS, 0, table(3), T0):
        ledger.append(batch)
    ledger.close()
    uri = "/platforms/p01/sources/app-1 7/telemetry.orders.v1/0/"
    assert not forget_unspooled(ledger.path, uri + "2")
    assert forget_unspooled(ledger.path, uri + "1")
    assert [e.sequence for e in read_ledger(ledger.path)] == [0, 1]


@pytest.mark.parametrize("single", [True, False])
def test_entries_of_an_older_contract_are_read(single: bool) -> None:
    sample = SampleType.VIEWERS
    layout = LAYOUT[sample]
    older = layout.remove(layout.get_field_index("interactions"))
    given = dict(zip(ARROW[ORDERS].names, values(0), strict=True)) | {"viewers": 7}
    row = [given.get(name) for name in older.names]
    arrays = [pa.array([v], pa.int64() if isinstance(v, int) else None) for v in row]
    table_of_one = pa.RecordBatch.from_arrays(
        [a.cast(f.type) for a, f in zip(arrays, older, strict=True)], schema=older
    )
    value = msgspec.msgpack.encode(row) if single else table_of_one.serialize().to_pybytes()
    back = assemble([Stored(older, single, value)], sample)
    assert back.schema.equals(ARROW[sample])
    assert (back.column("viewers").to_pylist(), back.column("interactions").null_count) == ([7], 1)
