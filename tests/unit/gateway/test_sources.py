"""A gateway's sources: numbers, watermarks and silence, on a made-up clock."""

from __future__ import annotations

import pyarrow as pa

from producers.gateway.correction import Correction
from producers.gateway.parse import JSON, parse
from producers.gateway.sources import SourcePolicy, Sources, split
from schemas.identity import Supersedes
from schemas.sharding import shard_of
from schemas.telemetry import SampleType
from tests.unit.gateway.test_parse import NOW, ORDERS, row

POLICY = SourcePolicy(lag_ms=10_000, idle_ms=60_000, heartbeat_ms=4_000)


def rows(*times: int) -> pa.RecordBatch:
    import json

    made = [row(event_time=t, session_id=f"{n:032x}") for n, t in enumerate(times)]
    return parse(ORDERS, JSON, json.dumps(made).encode(), 100, NOW).rows


def test_rows_go_to_the_partition_of_their_session_in_their_order() -> None:
    table = rows(*(NOW - n for n in range(50)))
    shards = shard_of([i.encode() for i in table.column("session_id").to_pylist()], 4)
    parts = dict(split(table, shards, 4))
    assert sum(p.num_rows for p in parts.values()) == 50
    for partition, part in parts.items():
        ids = part.column("session_id").to_pylist()
        assert ids == sorted(ids)
        assert set(shard_of([i.encode() for i in ids], 4).tolist()) == {partition}


def test_the_watermark_follows_the_newest_row_at_a_distance_and_never_goes_back() -> None:
    source = Sources("t", 5, 2, POLICY).of("p01")
    assert source.watermark_ms == 0
    source.add(ORDERS, [rows(NOW - 3_000)], NOW)
    assert source.watermark_ms == NOW - 13_000
    source.poll(NOW)
    sealed, _ = source.add(ORDERS, [rows(NOW - 40_000)], NOW)
    assert source.watermark_ms == NOW - 13_000
    late = [b.header for b in sealed]  # taken, and late
    assert [(h.rows, h.watermark_ms) for h in late] == [(1, NOW - 13_000)]
    source.alive(NOW + 5_000)
    assert source.watermark_ms == NOW - 5_000


def test_a_row_from_the_future_does_not_carry_the_watermark_along() -> None:
    source = Sources("t", 5, 2, POLICY).of("p01")
    source.add(ORDERS, [rows(NOW + 50_000)], NOW)
    assert source.watermark_ms == NOW - 10_000


def test_a_platform_that_stops_falls_silent_and_comes_back_with_the_next_number() -> None:
    sources = Sources("t", 5, 1, POLICY)
    sources.of("p01").alive(NOW)
    lanes = len(SampleType)
    assert len(sources.poll(NOW)) == lanes
    assert sources.poll(NOW + 3_999) == []
    assert len(sources.poll(NOW + 4_000)) == lanes
    assert sources.poll(NOW + 60_000) == []
    assert not sources.of("p01").active(NOW + 60_000)
    sources.of("p01").alive(NOW + 90_000)
    assert {b.header.identity.sequence for b in sources.poll(NOW + 90_000)} == {2}


def test_goodbye_is_said_once_and_ends_the_heartbeats() -> None:
    sources = Sources("t", 5, 1, POLICY)
    sources.of("p01").alive(NOW)
    sources.poll(NOW)
    assert all(b.header.final for b in sources.of("p01").goodbye(NOW + 1))
    assert sources.poll(NOW + 10_000) == []


def test_each_request_learns_where_its_rows_are() -> None:
    source = Sources("t", 5, 4, POLICY).of("p01")
    tables = [rows(*(NOW - n for n in range(count))) for count in (7, 1, 12)]
    sealed, places = source.add(ORDERS, tables, NOW)
    assert [sum(p.rows for p in mine) for mine in places] == [7, 1, 12]
    assert {p.id for mine in places for p in mine} == {
        f"p01/gw-t/{b.header.identity.id}" for b in sealed
    }
    assert places[1][0].shared
    _, alone = source.add(ORDERS, tables[:1], NOW)
    assert not any(p.shared for p in alone[0])
    assert {p.id for p in alone[0]}.isdisjoint(p.id for mine in places for p in mine)


def test_a_correction_is_a_batch_of_its_own_and_says_nothing_of_the_present() -> None:
    sources = Sources("t", 5, 2, POLICY)
    source, new = sources.of("p01"), rows(NOW - 1, NOW - 2)
    source.add(ORDERS, [rows(NOW - 3_000)], NOW)
    targets = [(p, Supersedes(epoch=5, sequence=n)) for p in (0, 1) for n in (0, 1)]
    what = Correction(tuple(targets), "miscounted")
    sealed = source.correct(ORDERS, new, what, NOW + 90_000)
    assert [(b.header.identity.partition, b.header.supersedes) for b in sealed] == [
        (p, t.text()) for p, t in targets
    ]
    assert sum(b.header.rows for b in sealed) == 2
    assert [b.header.rows for b in sealed if b.header.supersedes == "batch/5/0"] == [0, 0]
    assert {b.header.reason for b in sealed} == {"miscounted"}
    assert {b.header.watermark_ms for b in sealed} == {NOW - 13_000}
    assert not source.active(NOW + 90_000), "the platform is as silent as before"
    assert sources.poll(NOW + 90_000) == []


def test_after_a_failed_write_numbers_begin_again_under_a_new_epoch() -> None:
    sources = Sources("t", 5, 1, POLICY)
    sources.of("p01").alive(NOW)
    sources.poll(NOW)
    sources.renew(6)
    sources.of("p01").alive(NOW)
    found = {(b.header.identity.epoch, b.header.identity.sequence) for b in sources.poll(NOW)}
    assert found == {(6, 0)}
