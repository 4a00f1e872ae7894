"""The sending side against a real broker: complete, in order, and loud when it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from producers.batcher import Batcher, SealedBatch, SealPolicy
from producers.clock import plan_span
from producers.connect import connect
from producers.delivery import RunOptions
from producers.errors import TransportError
from producers.ledger import read_ledger
from producers.pacing import wall_ms
from producers.simulate.config import SimConfig
from producers.simulate.model import Simulation
from producers.simulate.run import SimulateRun
from producers.transport import KafkaSink, TransportPolicy
from schemas.batch import Batch, decode
from schemas.identity import BatchIdentity, from_headers
from schemas.telemetry import TOPICS

pytestmark = pytest.mark.integration
PARTITIONS = 4
SEAL = SealPolicy(max_rows=400, linger_ms=200, heartbeat_ms=500)


@pytest.fixture
def topics(kafka: Any) -> Iterator[str]:
    """The telemetry topics, made for one test; the bootstrap address."""
    kafka.create_topics(PARTITIONS)
    yield kafka.bootstrap
    kafka.delete_topics()


def consume(bootstrap: str) -> dict[tuple[str, int], list[Batch]]:
    """Every batch in Kafka, decoded and checked, by topic-partition in the order of offsets."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    lanes = [TopicPartition(t, p) for t in TOPICS for p in range(PARTITIONS)]
    consumer.assign(lanes)
    ends = consumer.end_offsets(lanes)
    consumer.seek_to_beginning(*lanes)
    found: dict[tuple[str, int], list[Batch]] = defaultdict(list)
    while any(consumer.position(lane) < ends[lane] for lane in lanes):
        for records in consumer.poll(timeout_ms=500, max_records=500).values():
            for r in records:
                header = from_headers(r.headers, r.topic, r.partition)
                found[r.topic, r.partition].append(decode(r.value, header, r.timestamp))
    consumer.close()
    return found


def never_asked(producer: Any) -> None:
    """The client believes that it has asked for an epoch, and nothing is on its way."""
    from kafka.producer.transaction_manager import TransactionState

    producer._transaction_manager._current_state = TransactionState.BUMPING_PRODUCER_EPOCH


def run_simulation(
    bootstrap: str,
    out: Path,
    *,
    sessions: int = 3000,
    duration_s: int = 240,
    speed: float | None = 60.0,
    stop: threading.Event | None = None,
    policy: TransportPolicy | None = None,
) -> dict[str, Any]:
    stop = stop or threading.Event()
    partitions = connect(bootstrap, 10)
    span = plan_span(wall_ms(), duration_s * 1000, speed)
    config = SimConfig(7, sessions, 3, partitions, span.start_ms, span.end_ms, 30_000, speed)
    sink = KafkaSink(bootstrap, policy, stop.is_set)
    try:
        return SimulateRun(Simulation(config), RunOptions(out, SEAL), sink, stop).run()
    finally:
        sink.close()


def check_complete(found: dict[tuple[str, int], list[Batch]], ledger: Path) -> int:
    """Nothing lost, nothing made up, order kept; the number of repeated batches."""
    seen: dict[BatchIdentity, int] = {}
    repeats = 0
    for lane in found.values():
        last: dict[str, tuple[int, int]] = defaultdict(lambda: (-1, 0))
        for batch in lane:
            ident = batch.header.identity
            assert batch.refused == []
            if ident in seen:
                repeats += 1
                continue
            sequence, watermark = last[ident.source]
            assert ident.sequence == sequence + 1
            assert batch.header.watermark_ms >= watermark
            last[ident.source] = ident.sequence, batch.header.watermark_ms
            seen[ident] = batch.header.rows
    written = {e.identity: e.rows for e in read_ledger(ledger)}
    assert {i: n for i, n in seen.items() if n} == written
    return repeats


def test_what_is_in_the_ledger_is_in_kafka(topics: str, tmp_path: Path) -> None:
    summary = run_simulation(topics, tmp_path)
    found = consume(topics)
    assert check_complete(found, tmp_path / "ledger.jsonl") == 0
    assert summary["complete"]
    assert sum(summary["rows"].values()) > 20_000
    ends = [lane[-1].header for lane in found.values()]
    assert len(ends) == len(TOPICS) * PARTITIONS
    assert {h.watermark_ms for h in ends} == {summary["event_end_ms"]}
    assert all(h.final for h in ends)


def test_a_killed_broker_loses_nothing_and_keeps_the_order(
    kafka: Any, topics: str, tmp_path: Path
) -> None:
    done: dict[str, Any] = {}
    policy = TransportPolicy(max_in_flight_batches=60)

    def work() -> None:
        done.update(run_simulation(topics, tmp_path, duration_s=900, policy=policy))

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(2):
        time.sleep(3)
        kafka.kill()
        time.sleep(1.5)
        kafka.restart()
    worker.join(90)
    assert not worker.is_alive()
    assert done["complete"]
    repeats = check_complete(consume(topics), tmp_path / "ledger.jsonl")
    assert repeats == 0 or done["resent_batches"] > 0


def test_a_refused_batch_is_loud(kafka: Any, tmp_path: Path) -> None:
    kafka.create_topics(PARTITIONS, config={"max.message.bytes": "4096"})
    try:
        with pytest.raises(
            TransportError, match=r"refused batch .* for good \(MessageSizeTooLarge"
        ):
            run_simulation(kafka.bootstrap, tmp_path)
    finally:
        kafka.delete_topics()


def test_a_batch_that_fails_is_sent_again_under_its_identity(topics: str) -> None:
    sink = KafkaSink(topics)
    batches: list[SealedBatch] = Batcher("p01", "sim-1", 7, 1, SEAL, watermark_ms=5).poll(wall_ms())
    from kafka.errors import OutOfOrderSequenceNumberError

    with sink._changed:
        sink._count(1, len(batches[0].value))
    sink._on_error(sink._given(batches[0]), OutOfOrderSequenceNumberError())
    sink.send(batches[1])
    assert sink.flush(10)
    sink.close()
    assert sink.resent == 1
    found = consume(topics)
    got = {b.header.identity for lane in found.values() for b in lane}
    assert got == {b.header.identity for b in batches[:2]}


def test_a_client_that_waits_for_ever_for_an_epoch_is_replaced(topics: str) -> None:
    """Where the fault suite found it: the connection broke while it asked for a new epoch."""
    sink = KafkaSink(topics, TransportPolicy(stall_s=1.0))
    batches: list[SealedBatch] = Batcher("p01", "sim-1", 7, 1, SEAL, watermark_ms=5).poll(wall_ms())
    sink.send(batches[0])
    assert sink.flush(10)
    never_asked(sink._producer)
    for batch in batches[1:3]:
        sink.send(batch)
    assert not sink.flush(0.5)
    assert sink.flush(20)
    sink.close()
    assert (sink.resent, sink.in_flight) == (2, 0)
    got = {b.header.identity for lane in consume(topics).values() for b in lane}
    assert got == {b.header.identity for b in batches[:3]}


def test_missing_topics_say_what_to_do(kafka: Any) -> None:
    with pytest.raises(TransportError, match=r"has no topic telemetry\.complaints\.v1"):
        connect(kafka.bootstrap, 5)


def test_unequal_topics_are_refused(kafka: Any) -> None:
    names = list(TOPICS)
    kafka.create_topics(2, *names[:-1])
    kafka.create_topics(3, names[-1])
    try:
        with pytest.raises(TransportError, match="equally many partitions"):
            connect(kafka.bootstrap, 5)
    finally:
        kafka.delete_topics()


def test_sigterm_sends_what_is_left(topics: str, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "producers.cli", "simulate", "--bootstrap", topics,
        "--sessions", "2000", "--sample-every", "5s", "--out", str(tmp_path), "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ledger = tmp_path / "ledger.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (ledger.exists() and ledger.stat().st_size > 20_000):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert '"complete": false' in out
    assert "demo: batches are unsigned" in err
    assert check_complete(consume(topics), ledger) == 0


def test_a_killed_simulator_with_a_spool_loses_nothing(topics: str, tmp_path: Path) -> None:
    out, spool = tmp_path / "out", tmp_path / "spool"
    run = [sys.executable, "-m", "producers.cli"]
    options = ["--sessions", "2000", "--speed", "60", "--duration", "1h", "--bootstrap", topics]
    argv = [*run, "simulate", *options, "--out", str(out), "--spool", str(spool)]
    child = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if (out / "ledger.jsonl").exists() and len(list(read_ledger(out / "ledger.jsonl"))) > 80:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    drain = [*run, "spool", "drain", str(spool), "--bootstrap", topics]
    drain += ["--ledger", str(out / "ledger.jsonl")]
    done = subprocess.run(drain, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    check_complete(consume(topics), out / "ledger.jsonl")
