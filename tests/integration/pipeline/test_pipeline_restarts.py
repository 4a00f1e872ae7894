"""Each process is killed in the middle of a stream; readers then see exactly what was sent."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from schemas.telemetry import SampleType
from tests.integration.pipeline.city import (
    hello,
    merged,
    minute_rows,
    recent,
    sessions,
    sources,
)
from tests.integration.pipeline.harness import MINUTE, Pipeline, Row, Sender, Source

MINUTES = 24
MEASURE = {
    SampleType.VIEWERS: "viewers",
    SampleType.ORDERS: "paid_fen",
    SampleType.COMPLAINTS: "complaints",
    SampleType.REVIEWS: "reviews",
}


@pytest.fixture(scope="module")
def sent(pipeline: Pipeline, sender: Sender) -> list[tuple[SampleType, Row]]:
    """Rows of a stream in whose middle the worker, ClickHouse and Kafka were killed in turn."""
    start = recent(MINUTES + 10)
    gates = sources(sender, start)
    hello(pipeline, sender, list(gates.values()))
    rng = random.Random(5)
    kills = {6: kill_worker, 12: kill_clickhouse, 18: kill_kafka}
    for minute in range(MINUTES):
        at = start + minute * MINUTE
        for platform, gate in gates.items():
            mine = [s for s in sessions() if s.platform == platform]
            parts = [minute_rows(s, at, rng, lambda: int(rng.random() < 0.2)) for s in mine]
            gate.step(at + MINUTE, merged(parts))
        time.sleep(0.05)
        if minute in kills:
            kills[minute](pipeline)
        pipeline.worker.supervise()
    for gate in gates.values():
        gate.goodbye()
    sender.flush()
    last = (start + MINUTES * MINUTE) // 1000
    pipeline.worker.wait("all minutes closed", closed(pipeline, last), 90)
    return all_rows(list(gates.values()))


def kill_worker(pipeline: Pipeline) -> None:
    pipeline.worker.kill()
    pipeline.worker.restart()
    pipeline.worker.wait("back after a kill", lambda: loaded(pipeline), 40)


def loaded(pipeline: Pipeline) -> bool:
    if not pipeline.worker.ready():
        return False
    try:
        return pipeline.worker.metric("livewatch_recovery_seconds") > 0
    except httpx.HTTPError:
        return False


def kill_clickhouse(pipeline: Pipeline) -> None:
    pipeline.clickhouse.kill()
    time.sleep(1)
    pipeline.clickhouse.restart()


def kill_kafka(pipeline: Pipeline) -> None:
    pipeline.kafka.kill()
    time.sleep(1)
    pipeline.kafka.restart()


def closed(pipeline: Pipeline, last: int) -> Callable[[], bool]:
    sql = "SELECT toUnixTimestamp(max(minute)) FROM {} WHERE closed"
    tables = ("v_indicators_session", "v_indicators_cell")
    return lambda: all(pipeline.query(sql.format(t))[0][0] >= last for t in tables)


def all_rows(gates: list[Source]) -> list[tuple[SampleType, Row]]:
    return [(h.identity.sample, row) for g in gates for h, rows in g.sent for row in rows]


def summed(sent: list[tuple[SampleType, Row]], sample: SampleType, name: str) -> dict[int, int]:
    out: Counter[int] = Counter()
    for kind, row in sent:
        if kind is sample:
            out[row["event_time"] // MINUTE * 60] += row[name]
    return {minute: n for minute, n in out.items() if n}


def test_each_raw_row_is_there_once_and_none_is_late(
    pipeline: Pipeline, sent: list[tuple[SampleType, Row]]
) -> None:
    for sample, measure in MEASURE.items():
        rows: list[tuple[Any, ...]] = pipeline.query(
            f"SELECT session_id, toUnixTimestamp64Milli(event_time), {measure}, late "
            f"FROM v_{sample.value}"
        )
        wanted = [
            (r["session_id"], r["event_time"], r[measure], 0) for kind, r in sent if kind is sample
        ]
        assert Counter(rows) == Counter(wanted), sample


@pytest.mark.parametrize("table", ["session", "cell"])
def test_closed_indicators_are_what_was_sent(
    pipeline: Pipeline, sent: list[tuple[SampleType, Row]], table: str
) -> None:
    for name, sample in (
        ("orders", SampleType.ORDERS),
        ("paid_fen", SampleType.ORDERS),
        ("complaints", SampleType.COMPLAINTS),
    ):
        told = pipeline.query(
            f"SELECT toUnixTimestamp(minute), sum({name}_1m) AS n FROM v_indicators_{table} "
            "WHERE closed = 1 GROUP BY minute HAVING n != 0"
        )
        assert dict(told) == summed(sent, sample, name), name


def test_each_minute_of_each_cell_is_closed(
    pipeline: Pipeline, sent: list[tuple[SampleType, Row]]
) -> None:
    rows = pipeline.query(
        "SELECT count(), countIf(closed = 0), uniqExact(minute) FROM v_indicators_cell "
        "WHERE active_1m > 0"
    )
    assert rows == [(4 * MINUTES, 0, MINUTES)]


def test_nothing_was_counted_as_lost_late_or_refused(
    pipeline: Pipeline, sent: list[tuple[SampleType, Row]]
) -> None:
    rows = pipeline.query(
        "SELECT sum(b), sum(r), sum(d), sum(g), sum(l), sum(f) FROM (SELECT "
        "argMax(batches, minute) b, argMax(rows, minute) r, argMax(duplicates, minute) d, "
        "argMax(gaps, minute) g, argMax(late_rows, minute) l, argMax(refused, minute) f "
        "FROM v_completeness GROUP BY platform_id, source, topic, kafka_partition)"
    )
    # A hello, the minutes and a goodbye on each topic and 2 partitions, from 2 sources.
    assert rows == [((MINUTES + 2) * len(SampleType) * 4, len(sent), 0, 0, 0, 0)]


def test_the_worker_ends_cleanly_after_all_that(
    pipeline: Pipeline, sent: list[tuple[SampleType, Row]]
) -> None:
    # Kafka away may end the worker, with the code that asks to be started again.
    assert set(pipeline.worker.unasked) <= {75}
    assert pipeline.worker.terminate(60) == 0
