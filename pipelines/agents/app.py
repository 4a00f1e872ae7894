"""The Faust app of a worker: its settings, tables and raw topics, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from pipelines.agents.assignor import CompleteAssignor
from pipelines.agents.store import AcknowledgedTable
from pipelines.settings import Settings

log = structlog.get_logger()
_AGAIN_S = 0.5

#: Options of a topic whose keys and values are bytes that Faust must not touch.
RAW_TOPIC: dict[str, Any] = {
    "key_type": bytes,
    "value_type": bytes,
    "key_serializer": "raw",
    "value_serializer": "raw",
    "allow_empty": True,
    "internal": False,
}


class PatientApp(faust.App):
    """Waits for Kafka at its start, where Faust would end, and for its work at its stop.

    To end and be started again costs seconds of processor time each time, just when the broker
    needs them to come back. And Faust closes tables and producer under a commit that is not one
    of its agents: what the commit then writes is an error, and the exit code says crash.
    """

    finish: Callable[[], Awaitable[None]] | None = None

    async def on_first_start(self) -> None:
        await super().on_first_start()
        brokers = [f"{url.host}:{url.port}" for url in self.conf.broker]
        said = False
        while not self.should_stop and not await _answers(brokers):
            if not said:
                log.warning("waiting for Kafka", brokers=brokers)
            said = True
            await self.sleep(_AGAIN_S)

    async def on_stop(self) -> None:
        if self.finish is not None:
            await self.finish()
        await super().on_stop()


async def _answers(brokers: list[str]) -> bool:
    client = AIOKafkaClient(bootstrap_servers=brokers)
    try:
        await client.bootstrap()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True


def make_app(settings: Settings, name: str, state_dir: Path, http_port: int) -> PatientApp:
    brokers = ";".join(f"kafka://{b}" for b in settings.bootstrap.split(","))
    session = settings.session_timeout_s
    return PatientApp(
        settings.group,
        broker=brokers,
        store="rocksdb://",
        # Another group's copy says nothing of ours, and its offsets contradict our changelog.
        datadir=str(state_dir / settings.group),
        Table=AcknowledgedTable,
        PartitionAssignor=CompleteAssignor,
        autodiscover=False,
        origin="pipelines",
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        stream_wait_empty=False,
        stream_buffer_maxsize=256,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 4,
        broker_request_timeout=max(30.0, 3 * session),
        broker_commit_interval=1.0,
        broker_max_poll_records=200,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_max_request_size=2_000_000,
        producer_linger_ms=0,
        producer_compression_type="lz4",
        table_standby_replicas=0,
        reply_create_topic=False,
        web_enabled=True,
        web_bind="127.0.0.1",
        web_port=http_port,
        web_host="127.0.0.1",
        worker_redirect_stdouts=False,
        broker_client_id=f"{settings.group}-{name}",
    )


def state_table(app: faust.App, name: str, partitions: int) -> AcknowledgedTable:
    table: Any = app.Table(
        name,
        partitions=partitions,
        # For bytes Faust takes its raw serializer, in the store and in the changelog.
        key_type=bytes,
        value_type=bytes,
        options={"block_cache_size": 8 << 20, "write_buffer_size": 8 << 20},
    )
    return table  # type: ignore[no-any-return]
