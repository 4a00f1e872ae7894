"""Reading the topics of flags and of the ledger from where the outbox says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipelines.alerts import metrics
from pipelines.alerts.levels import LevelTaker, NotYetError
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.take import Incoming, Taker
from pipelines.topics import FLAGS_TOPIC, LEDGER_TOPIC, topic_ids

log = structlog.get_logger("livewatch.alerts")
_POLL_MS = 500
_AT_ONCE = 500
_AGAIN_S = 2.0
_WELL_AFTER_S = 5.0


class Intake:
    """One reader, no consumer group: positions are in the outbox, with what came of them.

    The client blocks, so its calls run in a thread, one at a time.
    """

    def __init__(
        self, bootstrap: str, outbox: Outbox, taker: Taker, taken: Callable[[], None]
    ) -> None:
        self._bootstrap, self._outbox, self._taker = bootstrap, outbox, taker
        self.caught_up = False
        self.caught_up_at = 0.0
        self.wake = taken

    async def run(self) -> None:
        """Until cancelled; Kafka away is waited for."""
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                log.warning("flags cannot be read", why=str(error)[:200])
                self.caught_up = False
                await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        ids = await asyncio.to_thread(topic_ids, self._bootstrap, [FLAGS_TOPIC])
        if FLAGS_TOPIC not in ids:
            raise OSError(f"topic {FLAGS_TOPIC} does not exist yet")
        consumer, lanes, begins, ends = await asyncio.to_thread(_assigned, self._bootstrap)
        try:
            for lane in lanes:
                at = self._position(lane, ids[FLAGS_TOPIC], begins[lane], ends[lane])
                consumer.seek(lane, at)
            while True:
                await self._once(consumer, lanes, ids[FLAGS_TOPIC])
        finally:
            await asyncio.to_thread(consumer.close)

    def _position(self, lane: TopicPartition, topic_id: str, begin: int, end: int) -> int:
        """Where it was left; where retention was faster, at what is left."""
        at = self._outbox.position(lane.topic, lane.partition, topic_id)
        if at is not None and not begin <= at <= end:
            log.error("flags were removed before they were read", position=at, begin=begin)
            return begin
        return begin if at is None else at

    async def _once(
        self, consumer: KafkaConsumer, lanes: list[TopicPartition], topic_id: str
    ) -> None:
        found = await asyncio.to_thread(consumer.poll, _POLL_MS, _AT_ONCE)
        records = [
            Incoming(r.topic, r.partition, r.offset, r.timestamp, r.value)
            for lane in found.values()
            for r in lane
        ]
        if records:
            taken = self._taker.take(records, topic_id, round(time.time() * 1000))
            for event, count in taken.events.items():
                metrics.EVENTS.labels(event).inc(count)
            metrics.REPEATED.inc(taken.repeated)
            metrics.UNREADABLE.inc(taken.unreadable)
            self.wake()
        self._look(consumer, lanes)

    def _look(self, consumer: KafkaConsumer, lanes: list[TopicPartition]) -> None:
        """How far behind. Unknown before the first answer of the broker."""
        highs = [consumer.highwater(lane) for lane in lanes]
        if any(high is None for high in highs):
            return
        lag = sum(
            max(0, high - consumer.position(lane)) for high, lane in zip(highs, lanes, strict=True)
        )
        metrics.LAG.set(lag)
        self.caught_up = lag == 0
        if self.caught_up:
            self.caught_up_at = time.monotonic()


class LevelIntake:
    """Reads the ledger beside the flags; where there is none it looks again now and then."""

    def __init__(self, bootstrap: str, outbox: Outbox, taker: LevelTaker, flags: Intake) -> None:
        self._bootstrap, self._outbox, self._taker, self._flags = bootstrap, outbox, taker, flags
        self._waiting: tuple[int, float] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                log.warning("the ledger cannot be read", why=str(error)[:200])
            await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        ids = await asyncio.to_thread(topic_ids, self._bootstrap, [LEDGER_TOPIC])
        if LEDGER_TOPIC not in ids:
            return
        consumer, lanes, begins, _ = await asyncio.to_thread(
            _assigned, self._bootstrap, LEDGER_TOPIC
        )
        try:
            lane = lanes[0]
            at = self._outbox.position(LEDGER_TOPIC, 0, ids[LEDGER_TOPIC])
            consumer.seek(lane, begins[lane] if at is None else at)
            while True:
                found = await asyncio.to_thread(consumer.poll, _POLL_MS, _AT_ONCE)
                records = [(r.offset, r.value) for some in found.values() for r in some]
                if records and not self._take(records, ids[LEDGER_TOPIC]):
                    return  # again from the position, once more flags were read
        finally:
            await asyncio.to_thread(consumer.close)

    def _take(self, records: list[tuple[int, bytes | None]], topic_id: str) -> bool:
        """False where an entry has to wait for its flag."""
        now_ms, read = round(time.time() * 1000), self._read_since(records[0][0])
        if read:
            records = records[:1]  # of those behind it the flags may still come
        try:
            told = self._taker.take(LEDGER_TOPIC, topic_id, records, now_ms, all_flags_read=read)
        except NotYetError as error:
            at = records[error.taken][0]
            if self._waiting is None or self._waiting[0] != at:
                self._waiting = (at, time.monotonic())
            return False
        metrics.EVENTS.labels("level").inc(told)
        if told:
            self._flags.wake()
        return not read

    def _read_since(self, offset: int) -> bool:
        """Whether all flags were read well after the entry that waits was first seen: its flag was
        written before it, so one that is still unknown then is from before this outbox."""
        if self._waiting is None or self._waiting[0] != offset:
            return False
        read_at = self._flags.caught_up_at
        return self._flags.caught_up and read_at > self._waiting[1] + _WELL_AFTER_S


def _assigned(
    bootstrap: str, topic: str = FLAGS_TOPIC
) -> tuple[KafkaConsumer, list[TopicPartition], dict[Any, int], dict[Any, int]]:
    """A consumer of every partition, and where each begins and ends."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","), enable_auto_commit=False,
        auto_offset_reset="earliest", group_id=None, isolation_level="read_committed",
    )  # fmt: skip
    try:
        numbers = sorted(consumer.partitions_for_topic(topic) or {0})
        lanes = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(lanes)
        return consumer, lanes, consumer.beginning_offsets(lanes), consumer.end_offsets(lanes)
    except BaseException:
        consumer.close()
        raise
