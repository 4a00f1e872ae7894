"""What was sent is read again from its beginning: the same tables.

Three hours of it; `LIVEWATCH_TEST_REPLAY_MINUTES=1440` makes it a whole day, which takes minutes.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines.topics import ensure, specs
from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Pipeline, Sender

MINUTES = int(os.environ.get("LIVEWATCH_TEST_REPLAY_MINUTES", "180"))
pytestmark = pytest.mark.timeout(900 + 3 * MINUTES)
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


# Said of a moment in reading, which is another one when everything is read at once: what was seen
# first, how far each source had come, and flags, which complaints raise ahead of the other topics.
OF_THE_MOMENT = {"v_sessions", "v_completeness", "v_silences", "v_flag_events"}


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


@dataclass
class Told:
    """What readers saw at first, after the offsets were lost, and after the state was, too."""

    first: dict[str, Counter[str]]
    without_offsets: dict[str, Counter[str]]
    without_state: dict[str, Counter[str]]
    repeats: float
    records: float


@pytest.fixture(scope="module")
def told(pipeline: Pipeline, sender: Sender) -> Iterator[Told]:
    last = send_all(pipeline, sender)
    worker = pipeline.worker
    worker.wait("all is closed", lambda: finished(pipeline, last), 600 + 2 * MINUTES)
    records = worker.metric("livewatch_records_total")
    worker.end_cleanly(60)
    first = tables(pipeline)
    with closing(pipeline.kafka.admin()) as admin:
        admin.delete_groups([pipeline.database])
    repeats = read_again(pipeline, last, "livewatch_repeated_records_total", records)
    without_offsets = tables(pipeline)
    group = f"test{secrets.token_hex(4)}"
    ensure(pipeline.kafka.bootstrap, group, PARTITIONS)
    worker.env["LIVEWATCH_GROUP"] = group
    read_again(pipeline, last, "livewatch_records_total", records)
    yield Told(first, without_offsets, tables(pipeline), repeats, records)
    mine = [s.name for s in specs(group, PARTITIONS) if s.name.startswith(group)]
    pipeline.kafka.delete_topics(*mine)


def read_again(pipeline: Pipeline, last: int, counter: str, records: float) -> float:
    """Start the worker, wait until it has read everything, end it; what the counter said."""
    worker = pipeline.worker
    worker.restart()

    def done() -> bool:
        return worker.ready() and worker.metric(counter) >= records and finished(pipeline, last)

    worker.wait("all is read again", done, 600 + 2 * MINUTES)
    counted = worker.metric(counter)
    worker.end_cleanly(60)
    return counted


def test_without_its_offsets_the_group_reads_everything_again(told: Told) -> None:
    assert told.repeats >= told.records


@pytest.mark.parametrize("view", VIEWS)
def test_without_its_offsets_every_table_stays_as_it_is(told: Told, view: str) -> None:
    same(told.first[view], told.without_offsets[view])


@pytest.mark.parametrize("view", sorted(set(VIEWS) - OF_THE_MOMENT))
def test_without_any_state_the_figures_come_out_the_same(told: Told, view: str) -> None:
    same(told.first[view], told.without_state[view])


def same(before: Counter[str], after: Counter[str]) -> None:
    assert list((before - after).elements())[:2] == []
    assert list((after - before).elements())[:2] == []


def test_there_is_what_could_differ(told: Told) -> None:
    rows = {view: sum(rows.values()) for view, rows in told.first.items()}
    assert rows["v_viewers"] == len(sessions()) * MINUTES * 3
    assert rows["v_indicators_session"] >= len(sessions()) * MINUTES
    assert rows["v_flag_events"] >= 2
