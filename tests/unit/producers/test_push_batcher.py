"""Sealing as timelines: wall time passes, what is sealed is drawn above each case.

In the drawings one character is 100 ms of wall time: `+` rows come, `B` a batch is sealed,
`h` a heartbeat, `.` nothing.
"""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from producers.batcher import Batcher, SealedBatch, SealPolicy
from schemas.batch import decode
from schemas.telemetry import ARROW, HEARTBEAT_MS, SampleType

T0 = 1_800_000_000_000
COMPLAINTS = SampleType.COMPLAINTS


def rows(*event_ms: int, code: str = "C01") -> pa.RecordBatch:
    one = {
        "session_id": "0" * 32,
        "room_pid": "1" * 32,
        "streamer_pid": "2" * 32,
        "merchant_pid": "3" * 32,
        "district": "310101",
        "category": "food",
        "code": code,
        "channel": "platform",
        "complaints": 1,
    }
    return pa.RecordBatch.from_pylist(
        [one | {"event_time": t} for t in event_ms], schema=ARROW[COMPLAINTS]
    )


def batcher(partitions: int = 1, **policy: int) -> Batcher:
    return Batcher("p01", "sim-1", 7, partitions, SealPolicy(**policy), watermark_ms=T0)


def timeline(drawing: str, **policy: int) -> str:
    """What the complaints lane seals, poll by poll, when rows come where the drawing says +."""
    b = batcher(**policy)
    b.poll(0)  # the first poll says hello on every lane
    seen = ""
    for step, mark in enumerate(drawing, start=1):
        now = step * 100
        if mark == "+":
            b.add(COMPLAINTS, 0, rows(T0 + now), now)
        b.advance(T0 + now)
        sealed = [s for s in b.poll(now) if s.header.identity.sample is COMPLAINTS]
        seen += "." if not sealed else ("B" if sealed[0].rows is not None else "h")
    return seen


@pytest.mark.parametrize(
    ("drawing", "expected", "policy"),
    [
        # silence: a heartbeat each time the bound is reached
        ("..........", "....h....h", {"linger_ms": 200, "heartbeat_ms": 500}),
        # a batch is a sign of life: the next heartbeat counts from it
        ("+.........", "..B....h..", {"linger_ms": 200, "heartbeat_ms": 500}),
        # what comes while the oldest row waits goes with it
        (".+.+......", "...B......", {"linger_ms": 200, "heartbeat_ms": 5000}),
        ("+++.......", "..B.......", {"linger_ms": 200, "heartbeat_ms": 5000}),
        # and what comes later waits for itself
        ("+...+.....", "..B...B...", {"linger_ms": 200, "heartbeat_ms": 5000}),
    ],
)
def test_sealing_follows_linger_and_heartbeat(
    drawing: str, expected: str, policy: dict[str, int]
) -> None:
    assert timeline(drawing, **policy) == expected


def test_every_topic_partition_is_heard_at_least_as_often_as_the_contract_asks() -> None:
    b = batcher(partitions=3, heartbeat_ms=HEARTBEAT_MS)
    last: dict[tuple[str, int], int] = {}
    for now in range(0, 60_000, 100):
        for sealed in b.poll(now):
            ident = sealed.header.identity
            key = (ident.topic, ident.partition)
            assert now - last.get(key, now) <= HEARTBEAT_MS
            last[key] = now
    assert len(last) == 3 * len(SampleType)
    assert min(last.values()) >= 55_000


def test_a_full_batch_is_sealed_at_once_and_the_rest_waits() -> None:
    b = batcher(max_rows=4, linger_ms=1000)
    sealed = b.add(COMPLAINTS, 0, rows(*range(T0, T0 + 10)), 0)
    assert [s.header.rows for s in sealed] == [4, 4]
    b.advance(T0 + 10)
    assert [s.header.rows for s in b.poll(1000) if s.rows is not None] == [2]


def test_sequences_are_contiguous_from_0_in_each_topic_partition() -> None:
    b = batcher(partitions=2, max_rows=3, linger_ms=100, heartbeat_ms=300)
    sealed: list[SealedBatch] = []
    for step in range(40):
        now = step * 50
        count = step % 5
        first = T0 + now
        sealed += b.add(COMPLAINTS, step % 2, rows(*range(first, first + count)), now)
        b.advance(T0 + now + 50)
        sealed += b.poll(now)
    sealed += b.close(3000, T0 + 10_000_000, final=True)
    lanes: dict[tuple[str, int], list[int]] = {}
    for s in sealed:
        ident = s.header.identity
        assert (ident.platform_id, ident.source, ident.epoch) == ("p01", "sim-1", 7)
        lanes.setdefault((ident.topic, ident.partition), []).append(ident.sequence)
    assert len(lanes) == 2 * len(SampleType)
    assert all(seq == list(range(len(seq))) for seq in lanes.values())


def test_a_watermark_never_passes_a_row_that_comes_later() -> None:
    b = batcher(max_rows=3, linger_ms=150, heartbeat_ms=400)
    sealed: list[SealedBatch] = []
    for step in range(60):
        now = step * 50
        first = T0 + now
        sealed += b.add(COMPLAINTS, 0, rows(*(first + i for i in range(step % 6))), now)
        sealed += b.poll(now)
        b.advance(first + 50)
        sealed += b.poll(now)
    lane = [s for s in sealed if s.header.identity.sample is COMPLAINTS]
    earliest_later = T0 + 10_000_000
    for s in reversed(lane):
        assert s.header.watermark_ms <= earliest_later
        if s.rows is not None:
            times = s.rows.column(0).cast(pa.int64()).to_pylist()
            earliest_later = min([earliest_later, *times])
    marks = [s.header.watermark_ms for s in lane]
    assert all(a <= b for a, b in itertools.pairwise(marks))


def test_a_row_behind_the_watermark_is_refused() -> None:
    b = batcher()
    b.advance(T0 + 1000)
    with pytest.raises(ValueError, match="older than the watermark"):
        b.add(COMPLAINTS, 0, rows(T0 + 999), 0)


def test_a_heartbeat_is_a_batch_of_the_contract_without_rows() -> None:
    b = batcher()
    b.advance(T0 + 5)
    for s in b.poll(10_000):
        decoded = decode(s.value, s.header, T0)
        assert decoded.table.num_rows == 0
        assert s.header.watermark_ms == T0 + 5


def test_closing_promises_that_nothing_more_comes() -> None:
    b = batcher(partitions=2)
    b.add(COMPLAINTS, 1, rows(T0 + 1), 0)
    b.advance(T0 + 2)
    sealed = b.close(10, T0 + 3_600_000, final=True)
    assert sealed[0].header.rows == 1
    ends = [s for s in sealed if s.rows is None]
    assert len(ends) == 2 * len(SampleType)
    assert {s.header.watermark_ms for s in ends} == {T0 + 3_600_000}
    assert all(s.header.final for s in ends)
    assert not any(s.header.final for s in b.close(20, T0 + 3_600_000, final=False))


def test_a_silent_source_says_nothing_and_loses_what_comes_meanwhile() -> None:
    b = batcher(linger_ms=100, heartbeat_ms=200)
    b.poll(0)
    b.add(COMPLAINTS, 0, rows(T0 + 1), 0)
    assert [s.header.rows for s in b.silence(True, 10)] == [1]
    assert b.add(COMPLAINTS, 0, rows(T0 + 2), 20) == []
    b.advance(T0 + 1000)
    assert b.poll(5000) == []
    assert b.silence(False, 5000) == []
    back = [s for s in b.poll(5000) if s.header.identity.sample is COMPLAINTS]
    assert [(s.header.rows, s.header.identity.sequence) for s in back] == [(0, 2)]


@pytest.mark.parametrize("policy", [{"max_rows": 0}, {"max_rows": 5000}, {"heartbeat_ms": 5001}])
def test_a_policy_outside_the_contract_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be from"):
        SealPolicy(**policy)
