"""The group's offsets are lost, topics are made anew: readers see what was sent all the same."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from pipelines.agents.exits import EX_TEMPFAIL
from pipelines.topics import ensure, specs
from schemas.telemetry import TOPICS, SampleType
from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Pipeline, Row, Sender, Source

MINUTES = 4
RAW = {SampleType.VIEWERS: "viewers", SampleType.ORDERS: "paid_fen"}


class Story:
    """What was sent so far, by sources that go on with their numbers."""

    def __init__(self, pipeline: Pipeline, sender: Sender) -> None:
        self.pipeline, self.sender = pipeline, sender
        self.at = recent(60)
        self.gates = sources(sender, self.at)
        self.rng = random.Random(9)

    def tell(self, minutes: int = MINUTES) -> None:
        """Some minutes, and all of them closed."""
        self.pipeline.worker.wait("ready", self.pipeline.worker.ready, 60)
        hello(self.pipeline, self.sender, list(self.gates.values()))
        for _ in range(minutes):
            for platform, gate in self.gates.items():
                mine = [s for s in sessions() if s.platform == platform]
                parts = [minute_rows(s, self.at, self.rng, lambda: 0) for s in mine]
                gate.step(self.at + MINUTE, merged(parts))
            self.at += MINUTE
        for gate in self.gates.values():
            gate.goodbye()
        self.sender.flush()
        last = (self.at - MINUTE) // 1000
        self.pipeline.worker.wait("all closed", lambda: closed(self.pipeline) >= last, 120)
        # With a goodbye all that was spoken of closes, the minute that would come next too.
        self.at += MINUTE

    def rows(self) -> list[tuple[SampleType, Row]]:
        gates: list[Source] = list(self.gates.values())
        return [(h.identity.sample, row) for g in gates for h, rows in g.sent for row in rows]

    def check(self) -> None:
        for sample, measure in RAW.items():
            sql = f"SELECT session_id, toUnixTimestamp64Milli(event_time), {measure}, late FROM "
            found = self.pipeline.query(f"{sql}v_{sample.value}")
            sent = [r for kind, r in self.rows() if kind is sample]
            wanted = [(r["session_id"], r["event_time"], r[measure], 0) for r in sent]
            assert Counter(found) == Counter(wanted), sample
        for table in ("session", "cell"):
            told = self.pipeline.query(
                f"SELECT toUnixTimestamp(minute), sum(orders_1m) AS n FROM v_indicators_{table} "
                "WHERE closed = 1 GROUP BY minute HAVING n != 0"
            )
            wanted_sums: Counter[int] = Counter()
            for kind, row in self.rows():
                if kind is SampleType.ORDERS:
                    wanted_sums[row["event_time"] // MINUTE * 60] += row["orders"]
            assert dict(told) == {m: n for m, n in wanted_sums.items() if n}, table


def closed(pipeline: Pipeline) -> int:
    tables = ("v_indicators_session", "v_indicators_cell")
    sql = "SELECT toUnixTimestamp(max(minute)) FROM {} WHERE closed"
    return min(int(pipeline.query(sql.format(t))[0][0]) for t in tables)


def stopped(pipeline: Pipeline) -> None:
    """The worker ends and has left the group."""
    pipeline.worker.end_cleanly(30)


@pytest.fixture(scope="module")
def story(pipeline: Pipeline, sender: Sender) -> Story:
    made = Story(pipeline, sender)
    made.tell()
    return made


def test_what_was_sent_is_there(story: Story) -> None:
    story.check()


def test_lost_offsets_change_no_figure(story: Story, kafka: Any) -> None:
    before = story.pipeline.query("SELECT * FROM v_indicators_session ORDER BY ALL")
    stopped(story.pipeline)
    with closing(kafka.admin()) as admin:
        admin.delete_groups([story.pipeline.database])
    story.pipeline.worker.restart()
    story.tell()
    story.check()
    after = story.pipeline.query("SELECT * FROM v_indicators_session ORDER BY ALL")
    assert set(before) <= set(after), "what was closed stays as it was"


def test_a_changelog_made_anew_costs_a_second_reading_and_no_figure(
    story: Story, kafka: Any
) -> None:
    stopped(story.pipeline)
    group = story.pipeline.database
    kafka.delete_topics(*(t.name for t in specs(group, PARTITIONS) if "changelog" in t.name))
    ensure(kafka.bootstrap, group, PARTITIONS)
    story.pipeline.worker.restart()
    story.tell()
    story.check()
    assert set(story.pipeline.worker.unasked) <= {EX_TEMPFAIL}


def test_a_topic_made_anew_is_read_from_its_beginning(story: Story, kafka: Any) -> None:
    stopped(story.pipeline)
    kafka.delete_topics(*TOPICS)
    ensure(kafka.bootstrap, story.pipeline.database, PARTITIONS)
    story.pipeline.worker.restart()
    story.tell(2 * MINUTES)
    story.check()
