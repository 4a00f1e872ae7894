"""What a worker's partitions write through: ClickHouse, the next stage, flags, dead letters."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError

from pipelines.agents.app import RAW_TOPIC
from pipelines.agents.exits import EX_TEMPFAIL
from pipelines.agents.membership import confirmed
from pipelines.agents.partition import Moved
from pipelines.agents.rollup import RollupStage
from pipelines.agents.stage import Record
from pipelines.core.columns import TableColumns
from pipelines.core.flags import FlagEvent
from pipelines.instruments import Instruments
from pipelines.settings import Settings
from pipelines.sinks.flags import flag_columns
from pipelines.sinks.raw import RawRows
from pipelines.sinks.warehouse import Warehouse
from pipelines.topics import FLAGS_TOPIC
from schemas.telemetry import SampleType

log = structlog.get_logger()


class WorkerOutlet:
    """An `Outlet` over the app's producer and connections to ClickHouse."""

    def __init__(self, app: faust.App, settings: Settings, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments
        self.warehouse = Warehouse(settings, instruments, threads=3)
        # Flags have a connection of their own: they do not queue behind rows.
        self._express = Warehouse(settings, instruments, threads=1)
        self.raw = RawRows(self.warehouse)
        self.cells = app.topic(RollupStage.topics[0], **RAW_TOPIC)
        self._flags = app.topic(FLAGS_TOPIC, **RAW_TOPIC)
        self._dead = {t.dlq_topic: app.topic(t.dlq_topic, **RAW_TOPIC) for t in SampleType}

    def generation(self) -> int:
        """Generation of the consumer group that this process belongs to now."""
        app: Any = self._app
        return int(app.consumer_generation_id)

    async def confirm(self, generation: int) -> None:
        """Raise Moved unless the group's coordinator says that the generation is the current."""
        if not await confirmed(self._app, generation):
            raise Moved

    async def store(self, table: str, columns: TableColumns) -> int:
        """Rows into ClickHouse; returns when they are acknowledged."""
        return await self.warehouse.store(table, columns)

    async def send(self, topic: str, messages: list[bytes], partition: int) -> None:
        """Messages to the next stage; returns when Kafka has them all."""
        if topic != RollupStage.topics[0]:
            raise ValueError(f"no way to {topic}")
        await self._acknowledged(
            [await self.cells.send(value=value, partition=partition) for value in messages]
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
        await self._express.store("flag_events", flag_columns(flags, version))
        values = [json.dumps(f.to_json(), ensure_ascii=False).encode() for f in flags]
        keys = [f.flag_id.encode() for f in flags]
        await self._acknowledged(
            [
                await self._flags.send(key=k, value=v, partition=0)
                for k, v in zip(keys, values, strict=True)
            ]
        )
        for flag in flags:
            self._instruments.flags.labels(flag.event, flag.grade).inc()
            delay = time.time() - flag.decided_at / 1000
            self._instruments.flag_delay.labels(flag.event).observe(max(0.0, delay))

    async def _acknowledged(self, sent: list[Any]) -> None:
        for one in sent:
            try:
                await one
            except KafkaError:
                # The client has retried for as long as it may: start again from the checkpoint.
                log.exception("kafka refused a message, ending")
                os._exit(EX_TEMPFAIL)
