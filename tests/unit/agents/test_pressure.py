"""Poison and pressure on the real fold: one stage in memory, records as Kafka hands them out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipelines.agents.fold import FoldStage
from pipelines.agents.stage import Output, Record, Work
from pipelines.core.columns import TableColumns
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.instruments import Instruments
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, MAX_COUNT, SampleType

START = 1_790_000_000_000 // 300_000 * 300_000
MINUTE = 60_000
V, ORD, C = SampleType.VIEWERS, SampleType.ORDERS, SampleType.COMPLAINTS
MEASURES = {
    V: ("viewers", "unique_viewers", "clicks", "interactions"),
    ORD: ("orders", "paid_fen", "refunds", "refunded_fen"),
    C: ("complaints",),
    SampleType.REVIEWS: ("reviews", "latency_ms"),
}


def ids(count: int, seed: int = 1) -> list[str]:
    """Session ids of partition 0 of 2."""
    rng = np.random.default_rng(seed)
    some = [rng.bytes(16).hex() for _ in range(2 * count + 100 + count // 2)]
    shards = shard_of([i.encode() for i in some], 2)
    return [i for i, s in zip(some, shards.tolist(), strict=True) if s == 0][:count]


class Feed:
    """Sources that number their batches, and the stage that folds them."""

    def __init__(self) -> None:
        self.stage = FoldStage(0, 2, Instruments(), ClockPolicy(0, 30_000))
        self.stage.load(None, {}, 1)
        self._next: dict[tuple[str, str, str], int] = {}
        self._offset: dict[str, int] = {}

    def send(
        self,
        sample: SampleType,
        sessions: list[str],
        at_ms: int,
        value: int = 1,
        *,
        platform: str = "p01",
        final: bool = False,
        spoil: bytes | None = None,
        merchants: list[str] | None = None,
    ) -> Work:
        """Fold a batch: a row for each session at `at_ms`, which is also the watermark."""
        key = (platform, "gate", sample.topic)
        number = self._next[key] = self._next.get(key, -1) + 1
        offset = self._offset[sample.topic] = self._offset.get(sample.topic, -1) + 1
        ident = BatchIdentity(platform, "gate", 1, sample.topic, 0, number)
        header = BatchHeader(ident, len(sessions), at_ms, at_ms, final=final)
        body = encode(rows(sample, sessions, at_ms, value, merchants)) if spoil is None else spoil
        headers = tuple(to_headers(header))
        return self.stage.fold(Record(sample.topic, 0, offset, at_ms + 100, body, headers))

    def close(self, now_ms: int) -> list[Output]:
        clocks = {t: TopicClock(now_ms, True) for t in self.stage.topics}
        return [self.stage.close(m, now_ms, {}) for m in self.stage.ready(clocks)]


def rows(
    sample: SampleType,
    sessions: list[str],
    at_ms: int,
    value: int,
    merchants: list[str] | None = None,
) -> pa.RecordBatch:
    n = len(sessions)
    code = pa.dictionary(pa.int16(), pa.utf8())
    fixed = {
        "district": "310101", "category": "food", "code": "C01", "channel": "platform",
        "mode": "machine", "outcome": "passed",
    }  # fmt: skip
    columns = []
    for field in ARROW[sample]:
        if field.name == "event_time":
            columns.append(pa.array([at_ms] * n, field.type))
        elif field.name == "session_id":
            columns.append(pa.array(sessions, pa.utf8()))
        elif field.name == "merchant_pid" and merchants:
            columns.append(pa.array(merchants, pa.utf8()))
        elif field.name in fixed:
            columns.append(pa.array([fixed[field.name]] * n).dictionary_encode().cast(code))
        elif field.name.endswith("_pid"):
            columns.append(pa.array(["ab" * 16] * n, pa.utf8()))
        elif field.name in MEASURES[sample]:
            columns.append(pa.array([value] * n, field.type))
        else:
            columns.append(pa.nulls(n, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=ARROW[sample])


def table(outputs: list[Output], name: str) -> list[TableColumns]:
    return [columns for one in outputs for found, columns in one.tables if found == name]


def test_one_bad_record_goes_to_the_dead_letters_and_nothing_else_changes() -> None:
    def sums(poison: bool) -> tuple[int, int]:
        feed, some = Feed(), ids(5)
        feed.send(V, some, START, 10)
        if poison:
            work = feed.send(V, some, START + 1, spoil=b"no arrow at all")
            assert work.dead is not None
            assert work.raw is None
        feed.send(ORD, some, START + 2, 3)
        feed.send(V, some, START + 3 * MINUTE, 10)
        feed.send(ORD, some, START + 3 * MINUTE, 3)
        found = table(feed.close(START + 3 * MINUTE), "indicators_session")
        first = [t for t in found if (np.asarray(t["minute"]) == START // 1000).any()]
        return len(found), sum(int(np.asarray(t["orders_1m"]).sum()) for t in first)

    with_it, without = sums(True), sums(False)
    assert with_it == without
    assert without[1] == 15


def test_the_hottest_session_does_not_overflow() -> None:
    """A million viewers and 10,000 complaints a minute for an hour, sampled every second."""
    feed, (hot, other) = Feed(), ids(2)
    outputs: list[Output] = []
    flags = []
    for minute in range(60):
        at = START + minute * MINUTE
        for second in range(0, 60, 6):
            feed.send(V, [hot, other], at + second * 1000, 1_000_000)
        feed.send(ORD, [hot, other], at + 59_000, 60_000)
        feed.send(C, [hot], at + 59_500, 10_000)
        flags += feed.stage.tick(at).flags
        outputs += feed.close(at + 59_500)
    last = table(outputs, "indicators_session")[-1]
    names = [s.decode() for s in np.asarray(last["session_id"]).tolist()]
    at_hot = names.index(hot)
    assert int(np.asarray(last["complaints_60m"])[at_hot]) == 10_000 * 59
    assert int(np.asarray(last["viewers_1m"])[at_hot]) == 1_000_000
    flags += [f for one in outputs for f in one.flags]
    assert {f.entity for f in flags if f.rule == "F01"} == {hot}


def test_the_greatest_counts_that_the_contract_allows_do_not_wrap() -> None:
    feed, (hot,) = Feed(), ids(1)
    for second in range(0, 60, 10):
        feed.send(V, [hot], START + second * 1000, MAX_COUNT)
        feed.send(ORD, [hot], START + second * 1000, MAX_COUNT)
    for sample in (V, ORD):
        feed.send(sample, [hot], START + 2 * MINUTE, 1)
    found = table(feed.close(START + 2 * MINUTE), "indicators_session")
    for one in found:
        assert (np.asarray(one["viewers_1m"]) >= 0).all()
        assert (np.asarray(one["orders_60m"]) >= 0).all()
        assert (np.asarray(one["paid_fen_1m"]) >= 0).all()


def test_one_platform_with_half_of_all_rows_changes_nothing_for_the_others() -> None:
    big, small = ids(400, 1), ids(3, 2)

    def figures(with_big: bool) -> list[int]:
        feed = Feed()
        for step in range(0, 180, 10):
            at = START + step * 1000
            if with_big:
                feed.send(V, big, at, 9, platform="p-big")
                feed.send(ORD, big, at, 9, platform="p-big")
            feed.send(V, small, at, 5)
            feed.send(ORD, small, at, 2)
        out = []
        for one in table(feed.close(START + 170_000), "indicators_session"):
            mine = np.isin(np.asarray(one["session_id"]), [s.encode() for s in small])
            out += np.asarray(one["orders_1m"])[mine].tolist()
        return out

    assert figures(True) == figures(False) != []


def test_a_source_that_falls_silent_and_comes_back_holds_nobody_for_longer_than_it_speaks() -> None:
    feed, one, other = Feed(), ids(2, 1), ids(2, 2)
    for minute in range(3):
        at = START + minute * MINUTE
        for sample in (V, ORD, C):
            feed.send(sample, one, at)
            feed.send(sample, other, at, platform="p-silent")
    for minute in range(3, 8):  # one is silent and never said goodbye
        for sample in (V, ORD, C):
            feed.send(sample, one, START + minute * MINUTE)
    feed.close(START + 7 * MINUTE)
    assert feed.stage.closed_through == START // MINUTE + 6
    back = feed.send(V, other, START + 7 * MINUTE + 1, platform="p-silent")
    assert back.raw is not None
    assert not np.asarray(back.raw[1]["late"]).any()
    old = feed.send(V, other, START + 2 * MINUTE, platform="p-silent")
    assert old.raw is not None
    assert np.asarray(old.raw[1]["late"]).all()


def test_ten_thousand_new_sessions_give_their_slots_back() -> None:
    """Each lives for one sample; once forgotten, its slot and its merchant's serve others."""
    feed = Feed()
    sizes, merchants = [], []
    for wave in range(3):
        at = START + wave * 90 * MINUTE
        some = ids(10_000, 10 + wave)
        shops = [i[:30] + "ff" for i in some]
        for start in range(0, len(some), 4_000):
            batch = slice(start, start + 4_000)
            feed.send(V, some[batch], at, merchants=shops[batch])
        feed.send(V, [], at + 80 * MINUTE)
        feed.close(at + 80 * MINUTE)
        sizes.append(feed.stage.state.sessions.capacity)
        merchants.append(feed.stage.state.sessions.merchants.size)
    assert feed.stage.state.sessions.count == 0
    assert sizes == [sizes[0]] * 3
    assert merchants == [merchants[0]] * 3


@pytest.mark.parametrize("hours", [6])
def test_hours_read_again_at_once_keep_few_minutes_open(hours: int) -> None:
    """A group reset to the beginning: complaints are read first, and wait when far ahead."""
    feed, some = Feed(), ids(20)
    topics = {s.topic: s for s in (V, ORD, C)}
    at = dict.fromkeys(topics, 0)
    most = 0
    while min(at.values()) < hours * 60:
        clocks = {
            t: TopicClock(START + max(m - 1, 0) * MINUTE + 100, True, m >= hours * 60)
            if m
            else TopicClock(0, True, False)
            for t, m in at.items()
        }
        waiting = feed.stage.waiting(clocks)
        for topic in (C.topic, ORD.topic, V.topic):
            steps = 8 if topic != V.topic else 2
            if topic not in waiting:
                for _ in range(min(steps, hours * 60 - at[topic])):
                    feed.send(topics[topic], some, START + at[topic] * MINUTE)
                    at[topic] += 1
        for minute in feed.stage.ready(clocks):
            feed.stage.close(minute, 0, {})
        most = max(most, feed.stage.open_minutes)
    assert 100 < most <= 4 * 30 + 16
    assert int(feed.stage._instruments.late_rows._value.get()) == 0
