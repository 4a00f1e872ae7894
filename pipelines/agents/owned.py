"""The partitions that this worker has, and how they are taken over."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from faust.types import TP

from pipelines.agents.exits import EX_CONFIG, EX_TEMPFAIL
from pipelines.agents.fold import FoldStage
from pipelines.agents.partition import Moved, Partition
from pipelines.agents.rollup import RollupStage
from pipelines.agents.stage import Stage
from pipelines.agents.store import Event, IncompleteCopyError, StateStore, event_context
from pipelines.core.upgrade import UnknownStateError
from pipelines.sinks.erased import erasures
from pipelines.sinks.overturned import overturned
from pipelines.sinks.present import present_batches
from pipelines.topics import topic_ids

if TYPE_CHECKING:
    from pipelines.agents.worker import Worker

log = structlog.get_logger()
Key = tuple[str, int]
"""(stage, partition)"""


class Owned:
    """Loaded partitions by key. A generation of the group has its own."""

    def __init__(
        self,
        worker: Worker,
        stages: Mapping[str, Callable[[int], Stage]],
        tables: Mapping[str, Any],
    ) -> None:
        self._worker = worker
        self._stages = stages
        self._tables = tables
        self._loaded: dict[Key, Partition] = {}
        self.seconds: dict[Key, float] = {}
        """How long the last load of each partition took."""

    @staticmethod
    def key_of(topic: str, partition: int) -> Key:
        """Which stage's partition reads a topic-partition."""
        return ("rollup" if topic in RollupStage.topics else "fold"), partition

    def get(self, key: Key) -> Partition | None:
        """The partition, if it is loaded and of the group's generation."""
        found = self._loaded.get(key)
        if found is None or found.generation != self._worker.outlet.generation():
            return None
        return found

    def values(self) -> list[Partition]:
        """What is loaded now."""
        return list(self._loaded.values())

    def items(self) -> list[tuple[Key, Partition]]:
        """What is loaded now, by key."""
        return list(self._loaded.items())

    def drop(self, key: Key, one: Partition) -> None:
        """Discard the state of a partition that has moved."""
        if self._loaded.get(key) is one:
            del self._loaded[key]

    def keep_generation(self, generation: int) -> None:
        """Discard what belongs to other generations."""
        for key, one in self.items():
            if one.generation != generation:
                self.drop(key, one)

    def unread(self) -> dict[Key, int]:
        """Records in Kafka and not folded, by partition; of what is assigned, loaded or not."""
        out: dict[Key, int] = {}
        consumer: Any = self._worker.app.consumer
        for tp in consumer.assignment():
            key = self.key_of(tp.topic, tp.partition)
            if tp.topic not in _TOPICS:
                continue
            one = self.get(key)
            # Where nothing is loaded the consumer knows what the group has acknowledged.
            at = one.topics[tp.topic].position.next if one else consumer._read_offset.get(tp)
            end = self._worker.ends.of(tp)
            out[key] = out.get(key, 0) + max(0, (end or 0) - (at or 0))
        return out

    async def load(self, key: Key, event: Event) -> None:
        """Take a partition over, unless the group moves on meanwhile."""
        started = time.monotonic()
        worker, (name, number) = self._worker, key
        generation = event.message.generation_id or 0
        stage = self._stages[name](number)
        store = StateStore(self._tables[name])
        partition = Partition(number, generation, stage, store, worker.outlet)
        tps = {topic: TP(topic, number) for topic in stage.topics}
        # What must not come back has to be known before anything is restored.
        stage.erased = await erasures(worker.outlet.warehouse)
        if isinstance(stage, RollupStage):
            stage.overturned(await overturned(worker.outlet.warehouse))
        if await self._unread_state(name, event):
            log.error("a partition was given out before its changelog was read, ending")
            os._exit(EX_TEMPFAIL)
        try:
            begins = await worker.app.consumer.earliest_offsets(*tps.values())
            ends = await worker.app.consumer.highwaters(*tps.values())
            await partition.load(
                event,
                {topic: begins[tp] for topic, tp in tps.items()},
                {topic: ends[tp] or 0 for topic, tp in tps.items()},
                await asyncio.to_thread(topic_ids, worker.settings.bootstrap, stage.topics),
            )
            if isinstance(stage, FoldStage):
                stage.present = await present_batches(worker.outlet.warehouse, number, partition)
            partition.check()
        except Moved:
            return
        except IncompleteCopyError as error:
            log.error(
                "the copy of the state lacks entries; read from Kafka instead",
                stage=name, partition=number, entries=str(error),
            )  # fmt: skip
            copy: Any = self._tables[name].data
            shutil.rmtree(copy.partition_path(number), ignore_errors=True)
            os._exit(EX_TEMPFAIL)
        except UnknownStateError as error:
            log.error("cannot take the partition over, ending", reason=str(error))
            os._exit(EX_CONFIG)
        self._loaded[key] = partition
        seconds = self.seconds[key] = time.monotonic() - started
        log.info(
            "partition loaded", stage=name, partition=number, generation=generation,
            epoch=partition.epoch, seconds=round(seconds, 3), closed=stage.closed_through,
        )  # fmt: skip

    async def _unread_state(self, name: str, event: Event) -> bool:
        """Whether the changelog has records, and the copy here nothing at all.

        The fault suite saw a partition begin afresh that another worker had a checkpoint of.
        """
        table, consumer = self._tables[name], self._worker.app.consumer
        changelog = TP(table.changelog_topic.get_topic_name(), event.message.partition)
        with event_context(event):
            if table.keys_here():
                return False
        begins = await consumer.earliest_offsets(changelog)
        ends = await consumer.highwaters(changelog)
        return bool((ends[changelog] or 0) > (begins[changelog] or 0))


_TOPICS = frozenset((*FoldStage.topics, *RollupStage.topics))
