"""The SDK against a real broker: kills, outages, and what is refused in the call."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.check import personal_data
from deploy.check.sdk_writer import Writer, read_book
from producers import TelemetryClient
from producers.anonymise import Secret
from producers.batcher import SealPolicy
from producers.client import ClientOptions
from producers.errors import TransportError, UsageError
from producers.pacing import wall_ms
from producers.samples import Checker
from producers.sender import SenderPolicy
from producers.spool import SpoolBusy, SpoolFull, SpoolLimits
from schemas import codes
from schemas.batch import Batch, decode
from schemas.errors import ContractError
from schemas.identity import from_headers
from schemas.signing import SIGNATURE_HEADER, Signer, verify
from schemas.telemetry import TOPICS, SampleType

PARTITIONS = 4
REASON = sorted(codes.REASONS.codes)[0]
ORDERS = SampleType.ORDERS
NOWHERE = "127.0.0.1:1"
SECRET = Secret(b"0123456789abcdef0123456789abcdef")
SHOW = {"room": "r1", "streamer": "u1", "merchant": "m1", "district": "310115", "category": "food"}
SENDING = SenderPolicy(SealPolicy(linger_ms=100, heartbeat_ms=500))


@pytest.fixture
def topics(kafka: Any) -> Iterator[str]:
    kafka.create_topics(PARTITIONS)
    yield kafka.bootstrap
    kafka.delete_topics()


def client(path: Path, bootstrap: str, **given: Any) -> TelemetryClient:
    options = ClientOptions(partitions=PARTITIONS, sending=SENDING, **given.pop("options", {}))
    return TelemetryClient("p01", bootstrap, path, SECRET, options=options, **given)


def records(bootstrap: str) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    lanes = [TopicPartition(t, p) for t in TOPICS for p in range(PARTITIONS)]
    consumer.assign(lanes)
    ends = consumer.end_offsets(lanes)
    consumer.seek_to_beginning(*lanes)
    found = []
    while any(consumer.position(lane) < ends[lane] for lane in lanes):
        for some in consumer.poll(timeout_ms=500, max_records=500).values():
            found += some
    consumer.close()
    return found


def batches(bootstrap: str) -> list[Batch]:
    """Each batch once, by its identity; sequences without a hole, watermarks that never go back."""
    seen: dict[Any, Batch] = {}
    for r in records(bootstrap):
        batch = decode(r.value, from_headers(r.headers, r.topic, r.partition), r.timestamp)
        assert batch.refused == []
        seen.setdefault(batch.header.identity, batch)
    lanes: dict[Any, list[int]] = {}
    for ident in seen:
        lanes.setdefault((ident.source, ident.epoch, ident.topic, ident.partition), []).append(
            ident.sequence
        )
    assert all(sorted(lane) == list(range(len(lane))) for lane in lanes.values())
    return list(seen.values())


def paid(bootstrap: str) -> Counter[int]:
    rows = [b.table for b in batches(bootstrap) if b.header.identity.sample is ORDERS]
    return Counter(n for table in rows for n in table.column("paid_fen").to_pylist())


def test_a_session_arrives_signed_and_hashed(topics: str, tmp_path: Path) -> None:
    signer = Signer.from_seed(b"s" * 32)
    with client(tmp_path, topics, signer=signer) as live:
        show = live.session(**SHOW, base_id="hongqiao-01", mcn="agency")
        show.viewers(10, unique_viewers=20)
        show.viewers(11, at=wall_ms() - 600_000)  # late: not refused, and not lost
        show.orders(2, paid_fen=300, refunds=1, refunded_fen=100)
        show.complaints("C0301", channel="12315")
        show.withdraw(ORDERS, wall_ms() - 60_000, wall_ms() + 1_000, REASON)
        show.orders(3, paid_fen=400)
        with pytest.raises(ContractError, match="reason: must be a code"):
            show.withdraw(ORDERS, wall_ms() - 1, wall_ms(), "13812345678")
        show.end()
        with pytest.raises(UsageError, match="ended"):
            show.viewers(1)
        assert live.flush(20)
        assert live.status().rows == 0
    found = [b for b in batches(topics) if b.header.rows]
    rows = {s: [r for b in found if b.header.identity.sample is s for r in b.table.to_pylist()]
            for s in SampleType}  # fmt: skip
    assert sorted(r["viewers"] for r in rows[SampleType.VIEWERS]) == [0, 10, 11]
    assert [r["paid_fen"] for r in rows[ORDERS]] == [300, 400]
    withdrawn = [b.header for b in batches(topics) if b.header.supersedes]
    assert [(h.identity.sample, h.reason, h.rows) for h in withdrawn] == [(ORDERS, REASON, 0)]
    assert withdrawn[0].supersedes.startswith(f"session/{show.id}/")
    assert [r["code"] for r in rows[SampleType.COMPLAINTS]] == ["C0301"]
    assert {r["room_pid"] for many in rows.values() for r in many} == {
        live.pseudonyms().make("room", "r1")
    }
    for r in records(topics):
        signature = dict(r.headers)[SIGNATURE_HEADER]
        verify(signer.public_key, signature, r.topic, r.partition, r.headers, r.value)


def test_silence_is_filled_with_heartbeats_and_goodbye_is_said(topics: str, tmp_path: Path) -> None:
    live = client(tmp_path, topics)
    deadline = time.monotonic() + 30
    while len(records(topics)) < 4 * len(TOPICS) * PARTITIONS and time.monotonic() < deadline:
        time.sleep(0.2)
    assert live.close(goodbye=True)
    found = batches(topics)
    assert sum(b.header.final for b in found) == len(TOPICS) * PARTITIONS
    assert len(found) >= 5 * len(TOPICS) * PARTITIONS


def test_kills_and_outages_lose_and_double_nothing(kafka: Any, topics: str, tmp_path: Path) -> None:
    rng, runs = random.Random(5), []
    for run in range(7):
        writer = Writer(tmp_path, topics, PARTITIONS, run)
        runs.append(writer)
        deadline = time.monotonic() + 60
        while not writer.accepted() and time.monotonic() < deadline:
            time.sleep(0.02)
        if run == 2:
            kafka.kill()  # and the next back end starts while Kafka is away
        time.sleep(rng.uniform(0, 0.8))
        if run == 4:
            kafka.restart()
        if run < 6:
            writer.kill()
    assert runs[-1].finish(100) == 0
    book, stored = read_book(r.book for r in runs), paid(topics)
    assert len(book.accepted) > 100
    assert book.accepted <= stored.keys() <= book.tried
    assert set(stored.values()) == {1}


def test_without_kafka_samples_wait_and_a_full_spool_says_so(tmp_path: Path) -> None:
    options = {"limits": SpoolLimits(max_bytes=20_000), "block_s": 0.0}
    live = client(tmp_path, NOWHERE, options=options)
    show = live.session(**SHOW)
    taken: list[int] = []
    with pytest.raises(SpoolFull, match="full"):
        _orders_without_end(show, taken)
    assert live.status().rows == len(taken) > 20
    assert live.status().full > 0.9
    with pytest.raises(SpoolBusy, match="in use"):
        client(tmp_path, NOWHERE)
    assert not live.close(0)
    with pytest.raises(UsageError, match="closed"):
        show.orders(1, paid_fen=1)


def _orders_without_end(show: Any, taken: list[int]) -> None:
    for number in range(100_000):
        show.orders(1, paid_fen=number)
        taken.append(number)


def test_a_first_start_needs_kafka_or_the_number_of_partitions(tmp_path: Path) -> None:
    options = ClientOptions(connect_s=0.2)
    with pytest.raises(TransportError, match="no Kafka"):
        TelemetryClient("p01", NOWHERE, tmp_path, SECRET, options=options)
    live = client(tmp_path, NOWHERE)
    source = live.source
    live.close(0)
    again = TelemetryClient("p01", NOWHERE, tmp_path, SECRET, options=options)
    assert again.source == source
    again.close(0)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda s: s.viewers(-1), "viewers"),
        (lambda s: s.viewers(True), "viewers"),
        (lambda s: s.viewers(1, clicks=float("nan")), "clicks"),
        (lambda s: s.orders(1, paid_fen=13_812_345_678_000), "paid_fen"),
        (lambda s: s.orders("13812345678", paid_fen=1), "orders"),
        (lambda s: s.orders(None, paid_fen=1), "orders"),
        (lambda s: s.complaints("13812345678"), "code"),
        (lambda s: s.viewers(1, at=wall_ms() + 61_000), "event_time"),
        (lambda s: s.viewers(1, at=0), "event_time"),
        (lambda s: s.viewers(1, nickname="13812345678"), "fields"),
    ],
)
def test_a_refusal_names_field_and_rule_and_never_the_value(
    tmp_path: Path, call: Any, field: str
) -> None:
    live = client(tmp_path, NOWHERE)
    show = live.session(**SHOW)
    try:
        with pytest.raises(ContractError) as told:
            call(show)
        assert told.value.field == field
        assert "138" not in str(told.value)
        assert live.status().rows == 0
    finally:
        live.close(0)


def test_many_rows_are_taken_all_or_none(tmp_path: Path) -> None:
    live = client(tmp_path, NOWHERE)
    show = live.session(**SHOW)
    row = {**show.dimensions, "event_time": wall_ms(), "orders": 1, "paid_fen": 1, "refunds": 0,
           "refunded_fen": 0}  # fmt: skip
    try:
        with pytest.raises(ContractError, match=r"row 1: orders: must be from 0 to") as told:
            live.write(ORDERS, [row, row | {"orders": 2_000_000_000}])
        assert told.value.rows == (1,)  # type: ignore[attr-defined]
        assert live.write("orders", [row, row]) == 2
        assert live.status().rows == 2
    finally:
        live.close(0)


def test_planted_personal_data_does_not_pass_and_clean_data_does() -> None:
    found = personal_data.run(100_000, seed=11)
    assert found == {
        "pii_planted": 100_000,
        "pii_passed": 0,
        "clean_sent": found["clean_sent"],
        "clean_refused": 0,
    }
    assert found["clean_sent"] >= 50_000


def test_the_check_would_see_what_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checker, "_fault", lambda *_: None)
    assert personal_data.run(2_000, seed=11)["pii_passed"] > 50


def push(*arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "producers.cli", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def test_a_spool_is_looked_at_and_drained_by_command(topics: str, tmp_path: Path) -> None:
    live = client(tmp_path / "spool", NOWHERE)
    show = live.session(**SHOW)
    for number in range(50):
        show.orders(1, paid_fen=number)
    told = json.loads(push("spool", "status", tmp_path / "spool", "--json").stdout)
    assert (told["rows"], told["refused"]) == (50, 0)
    busy = push("spool", "drain", tmp_path / "spool", "--bootstrap", topics)
    assert busy.returncode == 1
    assert "in use by process" in busy.stderr
    live.close(0)
    key = tmp_path / "p01.pem"
    push("keys", "create", key, "--owner", "platform/p01")
    drain = ("spool", "drain", tmp_path / "spool", "--signing-key", key)
    away = push(*drain, "--bootstrap", NOWHERE, "--wait", "1")
    assert (away.returncode, "rows stay in the spool" in away.stderr) == (1, True)
    done = push(*drain, "--bootstrap", topics)
    assert (done.returncode, done.stdout) == (0, "sent 50 rows; the spool is empty\n")
    assert paid(topics) == Counter(range(50))
    assert all(SIGNATURE_HEADER in dict(r.headers) for r in records(topics))
    assert push("spool", "status", tmp_path / "none").returncode == 1
