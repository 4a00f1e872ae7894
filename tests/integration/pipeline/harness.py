"""A real worker as a child process, a sender with full control, and the rows that both share."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from clickhouse_driver import Client
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.stack.process import Child, last_lines
from deploy.stack.settings import HOST
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, Headers, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, SampleType

MINUTE = 60_000
PARTITIONS = 2
Row = dict[str, Any]


class Worker:
    """`livewatch worker`; started again, as a supervisor would, when it ends by itself."""

    def __init__(
        self, env: dict[str, str], directory: Path, port: int, argv: list[str] | None = None
    ) -> None:
        self.env, self.port = env, port
        self.log = directory / "worker.log"
        self.unasked: list[int] = []
        self._argv = argv or [
            *(sys.executable, "-m", "deploy.cli", "worker", "--name", "t1"),
            *("--state-dir", str(directory / "state"), "--http-port", str(port)),
        ]
        self._child = self._start()

    def _start(self) -> Child:
        return Child(self._argv, self.env, self.log)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{HOST}:{self.port}{path}", timeout=30, trust_env=False)

    def signal(self, number: signal.Signals) -> None:
        self._child.signal(number)

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._child.kill()

    def restart(self) -> None:
        self._child = self._start()

    def terminate(self, timeout: float) -> int | None:
        """SIGTERM; the exit code, or None when it takes longer."""
        self._child.signal(signal.SIGTERM)
        return self._child.wait(timeout)

    def end_cleanly(self, timeout: float) -> None:
        """SIGTERM, and the exit code of who had nothing to complain about."""
        code = self.terminate(timeout)
        assert code == 0, "\n".join([f"exit code {code}", *last_lines(self.log, 40)])

    def end(self) -> None:
        if self._child.exit_code() is None:
            self._child.kill()

    def supervise(self) -> None:
        """Start it again where it has ended unasked; the code is kept."""
        code = self._child.exit_code()
        if code is not None:
            self.unasked.append(code)
            self._child = self._start()

    def ready(self) -> bool:
        self.supervise()
        try:
            return self.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def metric(self, name: str) -> float:
        """Sum over the labels of a metric."""
        lines = self.get("/metrics").text.splitlines()
        mine = [x for x in lines if x.partition(" ")[0].partition("{")[0] == name]
        return sum(float(x.rpartition(" ")[2]) for x in mine)

    def wait(self, what: str, done: Callable[[], bool], timeout: float) -> None:
        """Poll until `done`; fails with the worker's last words."""
        deadline = time.monotonic() + timeout
        while not done():
            self.supervise()
            if time.monotonic() > deadline:
                raise AssertionError("\n".join([f"never: {what}", *last_lines(self.log, 30)]))
            time.sleep(0.1)


@dataclass(frozen=True)
class Pipeline:
    """Everything that a module's tests share."""

    worker: Worker
    kafka: Any
    clickhouse: Any
    database: str

    def query(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        with self.client() as client:
            return list(client.execute(sql, params))

    def client(self) -> Client:
        client: Client = self.clickhouse.client(self.database)
        return client


# -- sending ----------------------------------------------------------------------------------


class Sender:
    """Batches of any source, in the order given; a resend is the same call again."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=120_000,
            reconnect_backoff_max_ms=500,
            linger_ms=5,
        )
        self._sent: list[Any] = []

    def send(self, header: BatchHeader, value: bytes, headers: Headers | None = None) -> Any:
        """Send; the future has the offset. `headers` takes the place of the right ones."""
        ident = header.identity
        future = self._producer.send(
            ident.topic,
            value=value,
            headers=to_headers(header) if headers is None else headers,
            partition=ident.partition,
        )
        self._sent.append(future)
        return future

    def flush(self) -> None:
        """Return when Kafka has everything; raises where it refused something."""
        for future in self._sent:
            future.get(120)
        self._sent.clear()

    def close(self) -> None:
        self._producer.close(timeout=5)


class Source:
    """One source: numbers its batches per topic-partition and states its watermark."""

    def __init__(self, sender: Sender, platform: str, name: str, watermark: int) -> None:
        self._sender, self.platform, self.name = sender, platform, name
        self.watermark = watermark
        self.sent: list[tuple[BatchHeader, list[Row]]] = []
        self._next: dict[tuple[SampleType, int], int] = {}

    def header(self, sample: SampleType, partition: int, rows: int) -> BatchHeader:
        """The next header of a topic-partition."""
        number = self._next.get((sample, partition), 0)
        self._next[sample, partition] = number + 1
        ident = BatchIdentity(self.platform, self.name, 1, sample.topic, partition, number)
        return BatchHeader(ident, rows, self.watermark, self.watermark)

    def send(self, sample: SampleType, partition: int, rows: list[Row]) -> BatchHeader:
        header = self.header(sample, partition, len(rows))
        self._sender.send(header, encode(batch_of(sample, rows)))
        self.sent.append((header, rows))
        return header

    def step(self, until: int, rows: dict[SampleType, list[Row]]) -> None:
        """Rows before `until`, on whatever partitions they belong to; heartbeats elsewhere."""
        self.watermark = until
        for sample in SampleType:
            for partition in range(PARTITIONS):
                mine = [r for r in rows.get(sample, []) if partition_of(r) == partition]
                self.send(sample, partition, mine)

    def goodbye(self) -> None:
        for sample in SampleType:
            for partition in range(PARTITIONS):
                header = replace(self.header(sample, partition, 0), final=True)
                self._sender.send(header, encode(batch_of(sample, [])))


# -- rows -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """A live session of the test's city."""

    platform: str
    id: str
    merchant: str
    category: str
    district: str

    def row(self, at_ms: int, **measures: Any) -> Row:
        return {
            "event_time": at_ms,
            "session_id": self.id,
            "room_pid": "0a" * 16,
            "streamer_pid": "0b" * 16,
            "mcn_pid": None,
            "merchant_pid": self.merchant,
            "base_id": None,
            "district": self.district,
            "category": self.category,
            "scenario": None,
            **(TOLD if self.category == "food" else dict.fromkeys(TOLD)),
        } | measures


TOLD = {
    "venue_id": "xujiahui",
    "origin_region": "530000",
    "brand_type": "time_honoured",
    "streamer_certified": True,
    "streamer_tier": "head",
}


def session_ids(count: int, partition: int) -> list[str]:
    """Ids that hash to `partition`."""
    ids = [f"{n:032x}" for n in range(1, 20 * count + 20)]
    shards = shard_of([i.encode() for i in ids], PARTITIONS)
    return [i for i, s in zip(ids, shards.tolist(), strict=True) if s == partition][:count]


def partition_of(row: Row) -> int:
    return int(shard_of([row["session_id"].encode()], PARTITIONS)[0])


def batch_of(sample: SampleType, rows: Iterable[Row]) -> pa.RecordBatch:
    """Rows as the contract's columns; unknown codes are encoded as they are."""
    rows = list(rows)
    columns = []
    for field in ARROW[sample]:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_dictionary(field.type):
            plain = pa.array(values, pa.utf8())
            columns.append(plain.dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=ARROW[sample])


# -- reading ----------------------------------------------------------------------------------


def records_of(bootstrap: str, topic: str) -> list[Any]:
    """Every record of partition 0 of a topic."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    lane = TopicPartition(topic, 0)
    consumer.assign([lane])
    consumer.seek_to_beginning(lane)
    end = consumer.end_offsets([lane])[lane]
    found: list[Any] = []
    while consumer.position(lane) < end:
        for records in consumer.poll(timeout_ms=500).values():
            found += records
    consumer.close()
    return found


def worker_env(bootstrap: str, clickhouse: Any, database: str, group: str) -> dict[str, str]:
    return {
        "LIVEWATCH_BOOTSTRAP": bootstrap,
        "LIVEWATCH_PARTITIONS": str(PARTITIONS),
        "LIVEWATCH_CLICKHOUSE_HOST": clickhouse.host,
        "LIVEWATCH_CLICKHOUSE_PORT": str(clickhouse.tcp_port),
        "LIVEWATCH_CLICKHOUSE_USER": "ingest",
        "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE": str(clickhouse.password_file("ingest")),
        "LIVEWATCH_CLICKHOUSE_DATABASE": database,
        "LIVEWATCH_GROUP": group,
        "LIVEWATCH_SESSION_TIMEOUT_S": "6",
        "LIVEWATCH_UNSIGNED": "accept",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
