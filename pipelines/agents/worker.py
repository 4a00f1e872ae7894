"""The worker: a Faust app whose two agents feed the stages' partitions.

Reading happens in the agents, everything that waits (ClickHouse, Kafka, checkpoints) in one
committing task, so that a record is never in two hands.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from pipelines.agents.app import RAW_TOPIC, make_app, state_table
from pipelines.agents.exits import EX_TEMPFAIL
from pipelines.agents.fold import FoldStage
from pipelines.agents.pages import add_pages
from pipelines.agents.partition import Moved, Partition
from pipelines.agents.records import record_of
from pipelines.agents.rollup import RollupStage
from pipelines.agents.signers import signers_of
from pipelines.agents.stage import Record, Stage
from pipelines.agents.store import Event, StateStore
from pipelines.core.columns import TableColumns
from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import ClockPolicy
from pipelines.instruments import Instruments
from pipelines.settings import Settings
from pipelines.sinks.flags import flag_columns
from pipelines.sinks.present import present_batches
from pipelines.sinks.raw import RawRows
from pipelines.sinks.warehouse import Warehouse
from pipelines.topics import FLAGS_TOPIC, FOLD_STATE, ROLLUP_STATE
from schemas.telemetry import SampleType

log = structlog.get_logger()
HOLE_SEEK_S = 2.0
HOLE_EXIT_S = 12.0
MINUTES_PER_COMMIT = 120
POSITIONS_EVERY_S = 5.0

StageOf = Callable[[int], Stage]


class Worker:
    """State of the process, and the outlet that the partitions write through."""

    def __init__(self, settings: Settings, name: str, state_dir: Path, http_port: int) -> None:
        self.settings = settings
        self.instruments = Instruments()
        self._signers = signers_of(settings, self.instruments)
        self.warehouse = Warehouse(settings, self.instruments, threads=3)
        self.raw = RawRows(self.warehouse)
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.progress_at = time.monotonic()
        self.committed_at = time.monotonic()
        self.app = make_app(settings, name, state_dir, http_port)
        telemetry = self.app.topic(*(t.topic for t in SampleType), **RAW_TOPIC)
        self._cells = self.app.topic(RollupStage.topics[0], **RAW_TOPIC)
        self._flags = self.app.topic(FLAGS_TOPIC, **RAW_TOPIC)
        self._dead = {t.dlq_topic: self.app.topic(t.dlq_topic, **RAW_TOPIC) for t in SampleType}
        self._tables = {
            "fold": state_table(self.app, FOLD_STATE, settings.partitions),
            "rollup": state_table(self.app, ROLLUP_STATE, 1),
        }
        self._read("fold", telemetry, self._fold_stage)
        self._read("rollup", self._cells, lambda _: RollupStage(settings.partitions))
        self.app.task(self._flush_raw)
        self.app.task(self._commit_all)
        add_pages(self.app, self)

    # -- reading ------------------------------------------------------------------------------

    def _fold_stage(self, partition: int) -> Stage:
        clock = ClockPolicy(int(self.settings.lateness_s * 1000), int(self.settings.idle_s * 1000))
        return FoldStage(
            partition,
            self.settings.partitions,
            self.instruments,
            clock,
            DEFAULT_POLICY,
            self._signers,
        )

    def _read(self, name: str, topic: Any, stage_of: StageOf) -> None:
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._receive(name, stage_of, event)

        self.app.agent(topic, name=name, concurrency=1, supervisor_strategy=CrashingSupervisor)(
            agent
        )

    async def _receive(self, name: str, stage_of: StageOf, event: Event) -> None:
        message = event.message
        if message.generation_id != self.generation():
            return
        key = (name, message.partition)
        found = self.partitions.get(key)
        if found is None or found.generation != message.generation_id:
            found = await self._load(name, stage_of, event)
            if found is None:
                return
        while self.raw.pending_rows > self.settings.max_pending_rows:
            # ClickHouse is behind: stop reading, and memory stays bounded.
            await asyncio.sleep(0.05)
            if message.generation_id != self.generation():
                return
        repeats = found.repeats
        if found.receive(event, record_of(event), time.monotonic()):
            self.progress_at = time.monotonic()
            self.instruments.records.labels(message.topic).inc()
        self.instruments.repeats.inc(found.repeats - repeats)

    async def _load(self, name: str, stage_of: StageOf, event: Event) -> Partition | None:
        """Take a partition over; None when the group moved on meanwhile."""
        started = time.monotonic()
        number, generation = event.message.partition, event.message.generation_id or 0
        stage = stage_of(number)
        store = StateStore(self._tables[name])
        partition = Partition(number, generation, stage, store, self)
        tps = {topic: TP(topic, number) for topic in stage.topics}
        try:
            begins = await self.app.consumer.earliest_offsets(*tps.values())
            ends = await self.app.consumer.highwaters(*tps.values())
            await partition.load(
                event,
                {topic: begins[tp] for topic, tp in tps.items()},
                {topic: ends[tp] or 0 for topic, tp in tps.items()},
            )
            if isinstance(stage, FoldStage):
                stage.present = await present_batches(self.warehouse, number, partition)
            partition.check()
        except Moved:
            return None
        self.partitions[name, number] = partition
        seconds = time.monotonic() - started
        self.instruments.recovery.labels(name, number).set(seconds)
        log.info(
            "partition loaded", stage=name, partition=number, generation=generation,
            epoch=partition.epoch, seconds=round(seconds, 3), closed=stage.closed_through,
        )  # fmt: skip
        return partition

    # -- committing ---------------------------------------------------------------------------

    async def _flush_raw(self) -> None:
        while not self.app.should_stop:
            await self.app.sleep(self.settings.flush_s)
            await self.raw.flush()
            self.instruments.pending_rows.set(self.raw.pending_rows)

    async def _commit_all(self) -> None:
        looked = 0.0
        while not self.app.should_stop:
            await self.app.sleep(0.1)
            look = time.monotonic() - looked >= self.settings.tick_s
            looked = time.monotonic() if look else looked
            # Side by side: a partition waits for ClickHouse and Kafka most of the time.
            work = [self._commit_one(key, look=look) for key in list(self.partitions)]
            await asyncio.gather(*work)
            self.instruments.generation.set(self.generation())
            self.committed_at = time.monotonic()

    async def _commit_one(self, key: tuple[str, int], *, look: bool) -> None:
        partition = self.partitions[key]
        try:
            partition.check()
            await self._commit(partition, look=look)
        except Moved:
            if self.partitions.get(key) is partition:
                del self.partitions[key]

    async def _commit(self, partition: Partition, *, look: bool) -> None:
        now_ms = round(time.time() * 1000)
        if look:
            await partition.look(now_ms)
            await self._mend_holes(partition)
            self._measure(partition, now_ms)
        ends = {t: self._end(t, partition.number) for t in partition.topics}
        stale = now_ms / 1000 - partition.last_checkpoint > POSITIONS_EVERY_S
        await partition.commit(now_ms, ends, MINUTES_PER_COMMIT, force=stale)

    def _end(self, topic: str, number: int) -> int:
        """Newest offset known; far away where none is, so that nobody is taken as caught up."""
        end = self.app.consumer.highwater(TP(topic, number))
        return 1 << 62 if end is None else end

    def lag(self) -> int:
        """Records that are in Kafka and not folded yet."""
        total = 0
        for partition in self.partitions.values():
            for name, topic in partition.topics.items():
                end = self.app.consumer.highwater(TP(name, partition.number)) or 0
                total += max(0, end - topic.position.next)
        return total

    async def _mend_holes(self, partition: Partition) -> None:
        for name, topic in partition.topics.items():
            age = topic.position.hole_age(time.monotonic())
            if age > HOLE_EXIT_S:
                log.error("a hole stays open, ending", topic=name, partition=partition.number)
                os._exit(EX_TEMPFAIL)
            if age > HOLE_SEEK_S:
                log.warning(
                    "reading a hole again", topic=name, partition=partition.number,
                    offset=topic.position.next,
                )  # fmt: skip
                self.instruments.holes.inc()
                await self.app.consumer.seek(TP(name, partition.number), topic.position.next)

    def _measure(self, partition: Partition, now_ms: int) -> None:
        stage, number = partition.stage, partition.number
        labels = (stage.name, number)
        for name, topic in partition.topics.items():
            end = self.app.consumer.highwater(TP(name, number))
            lag = max(0, (end or 0) - topic.position.next)
            self.instruments.lag_records.labels(name, number).set(lag)
            age = (now_ms - topic.broker_ms) / 1000 if lag and topic.broker_ms else 0.0
            self.instruments.lag_seconds.labels(name, number).set(age)
        if stage.closed_through is not None:
            self.instruments.watermark.labels(*labels).set((stage.closed_through + 1) * 60)
        self.instruments.checkpoint.labels(*labels).set(partition.last_checkpoint)
        if isinstance(stage, FoldStage):
            self.instruments.sessions.labels(number).set(stage.state.sessions.count)

    # -- the outlet of the partitions ---------------------------------------------------------

    def generation(self) -> int:
        """Generation of the consumer group that this process belongs to now."""
        return int(self.app.consumer_generation_id)

    async def store(self, table: str, columns: TableColumns) -> int:
        """Rows into ClickHouse; returns when they are acknowledged."""
        return await self.warehouse.store(table, columns)

    async def send(self, topic: str, messages: list[bytes], partition: int) -> None:
        """Messages to the next stage; returns when Kafka has them all."""
        if topic != RollupStage.topics[0]:
            raise ValueError(f"no way to {topic}")
        await self._acknowledged(
            [await self._cells.send(value=value, partition=partition) for value in messages]
        )

    async def dead_letter(self, topic: str, record: Record, reasons: list[str]) -> None:
        """The original bytes and headers, with where they stood and why they were refused."""
        headers = [(k, v if v is not None else b"") for k, v in record.headers] + [
            ("dlq_topic", record.topic.encode()),
            ("dlq_partition", str(record.partition).encode()),
            ("dlq_offset", str(record.offset).encode()),
            ("dlq_reason", "; ".join(reasons[:20]).encode()[:4000]),
            ("dlq_refused_rows", str(len(reasons)).encode()),
        ]
        sent = await self._dead[topic].send(value=record.value or b"", headers=headers)
        await self._acknowledged([sent])

    async def emit(self, flags: list[FlagEvent], version: int) -> None:
        """Flag events into ClickHouse and onto their topic."""
        await self.store("flag_events", flag_columns(flags, version))
        values = [json.dumps(f.to_json(), ensure_ascii=False).encode() for f in flags]
        keys = [f.flag_id.encode() for f in flags]
        await self._acknowledged(
            [
                await self._flags.send(key=k, value=v, partition=0)
                for k, v in zip(keys, values, strict=True)
            ]
        )
        for flag in flags:
            self.instruments.flags.labels(flag.event, flag.grade).inc()

    async def _acknowledged(self, sent: list[Any]) -> None:
        for one in sent:
            try:
                await one
            except KafkaError:
                # The client has retried for as long as it may: start again from the checkpoint.
                log.exception("kafka refused a message, ending")
                os._exit(EX_TEMPFAIL)
