"""What was sent is read again from its beginning by a group that has nothing: the same tables.

Three hours of it; `LIVEWATCH_TEST_REPLAY_MINUTES=1440` makes it a whole day, which takes minutes.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.topics import ensure, specs
from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Pipeline, Sender

pytestmark = pytest.mark.timeout(900)

MINUTES = int(os.environ.get("LIVEWATCH_TEST_REPLAY_MINUTES", "180"))
SPIKE = range(MINUTES // 2, MINUTES // 2 + 40)
VIEWS = (
    "v_viewers",
    "v_orders",
    "v_complaints",
    "v_reviews",
    "v_sessions",
    "v_indicators_session",
    "v_indicators_cell",
    "v_indicator_values",
    "v_flag_events",
    "v_completeness",
    "v_silences",
)
# When a row was written or decided, by the clock on the wall: no part of what is told.
WALL = {"stored_at", "detected_at", "closed_at", "version", "told_at"}


def send_all(pipeline: Pipeline, sender: Sender) -> int:
    """Eight sessions, one of them with a spike; the last minute, seconds since the epoch."""
    rng, at = random.Random(3), recent(MINUTES + 10)
    gates = sources(sender, at)
    hello(pipeline, sender, list(gates.values()))
    city = sessions()
    for minute in range(MINUTES):
        for platform, gate in gates.items():
            mine = [s for s in city if s.platform == platform]
            parts = [minute_rows(s, at, rng, filed(rng, s is city[0], minute)) for s in mine]
            gate.step(at + MINUTE, merged(parts))
        at += MINUTE
        if minute % 60 == 59:
            sender.flush()
    for gate in gates.values():
        gate.goodbye()
    sender.flush()
    return at // 1000 - 60


def filed(rng: random.Random, spiked: bool, minute: int) -> Any:
    rate = 0.02 if not spiked else 0.9 if minute in SPIKE else 0.05
    return lambda: rng.randint(1, 3) if rng.random() < rate else 0


def finished(pipeline: Pipeline, last: int) -> bool:
    """All is read, stored and closed, in both stages."""
    worker = pipeline.worker
    if not worker.ready() or worker.metric("livewatch_lag_records"):
        return False
    if worker.metric("livewatch_pending_rows"):
        return False
    sql = "SELECT toUnixTimestamp(max(minute)) FROM v_indicators_{} WHERE closed"
    ends = [int(pipeline.query(sql.format(t))[0][0]) for t in ("session", "cell")]
    return min(ends) >= last


def tables(pipeline: Pipeline) -> dict[str, Counter[str]]:
    """Each view's rows as text, without what the clock on the wall said."""
    out = {}
    for view in VIEWS:
        columns = [c[0] for c in pipeline.query(f"DESCRIBE {view}") if c[0] not in WALL]
        rows = pipeline.query(f"SELECT toString(tuple({', '.join(columns)})) FROM {view}")
        out[view] = Counter(row for (row,) in rows)
    return out


@pytest.fixture(scope="module")
def told(pipeline: Pipeline, sender: Sender) -> Iterator[tuple[Any, Any, float]]:
    """Tables before and after the replay, and what share of the records it read."""
    last = send_all(pipeline, sender)
    worker = pipeline.worker
    worker.wait("all is closed", lambda: finished(pipeline, last), 600)
    sent = worker.metric("livewatch_records_total")
    worker.end_cleanly(60)
    before = tables(pipeline)
    group = f"test{secrets.token_hex(4)}"
    ensure(pipeline.kafka.bootstrap, group, PARTITIONS)
    worker.env["LIVEWATCH_GROUP"] = group
    worker.restart()
    wait_replayed(pipeline, last, sent)
    again = worker.metric("livewatch_records_total")
    worker.end_cleanly(60)
    yield before, tables(pipeline), again / sent
    mine = [s.name for s in specs(group, PARTITIONS) if s.name.startswith(group)]
    pipeline.kafka.delete_topics(*mine)


def wait_replayed(pipeline: Pipeline, last: int, sent: float) -> None:
    worker = pipeline.worker

    def done() -> bool:
        read = worker.ready() and worker.metric("livewatch_records_total") >= sent
        return read and finished(pipeline, last)

    worker.wait("all is read again", done, 600)


def test_all_was_read_again(told: tuple[Any, Any, float]) -> None:
    assert told[2] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("view", VIEWS)
def test_every_table_is_the_same(told: tuple[Any, Any, float], view: str) -> None:
    before, after, _ = told
    assert list((before[view] - after[view]).elements())[:3] == []
    assert list((after[view] - before[view]).elements())[:3] == []


def test_there_is_what_could_differ(told: tuple[Any, Any, float]) -> None:
    before = {view: sum(rows.values()) for view, rows in told[0].items()}
    assert before["v_viewers"] == len(sessions()) * MINUTES * 3
    assert before["v_indicators_session"] >= len(sessions()) * MINUTES
    assert before["v_flag_events"] >= 2
