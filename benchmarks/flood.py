"""More telemetry than a machine can take: whole batches made at once, without a simulation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from kafka import KafkaProducer

from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, MAX_ROWS, MEASURES, SampleType

PLATFORM = "p-flood"
RESERVED = 100
"""Sessions of each partition that `second` leaves alone."""


@dataclass
class City:
    """Sessions by partition, as dictionaries of Arrow columns."""

    sessions: int
    partitions: int
    columns: list[dict[str, pa.Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        ids = np.array([rng.bytes(16).hex() for _ in range(self.sessions)])
        shards = shard_of([i.encode() for i in ids.tolist()], self.partitions)
        for partition in range(self.partitions):
            mine = ids[shards == partition]
            self.columns.append(_dimensions(mine, rng, self.sessions))

    def ids(self, partition: int) -> list[str]:
        """Session ids of a partition."""
        found: list[str] = self.columns[partition]["session_id"].to_pylist()
        return found


def _dimensions(ids: Any, rng: np.random.Generator, everybody: int) -> dict[str, pa.Array]:
    n = len(ids)

    def coded(values: list[str]) -> pa.Array:
        index = pa.array(rng.integers(0, len(values), n), pa.int16())
        return pa.DictionaryArray.from_arrays(index, pa.array(values))

    def some_of(count: float) -> pa.Array:
        """Each session belongs to one of so many; every partition has sessions of each."""
        return pa.array([f"{int(i[:8], 16) % max(1, round(count)):032x}" for i in ids.tolist()])

    own = pa.array(ids)
    return {
        "session_id": own,
        "room_pid": own,
        "streamer_pid": own,
        "mcn_pid": some_of(0.01 * everybody),
        "merchant_pid": some_of(0.4 * everybody),
        "base_id": coded(["base-1", "base-2"]),
        "district": coded(["310101", "310104", "310115"]),
        "category": coded(["food", "apparel", "cosmetics"]),
        "scenario": coded(["night_food", "first_launch"]),
    }


class Flood:
    """One source on every topic-partition; thread-safe."""

    def __init__(self, bootstrap: str, city: City, name: str = "flood") -> None:
        self.city = city
        self.name = name
        self.rows = 0
        self._sequence: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()
        self._rng = np.random.default_rng(11)
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            linger_ms=5,
            batch_size=1 << 20,
            max_request_size=4 << 20,
        )

    def send(
        self,
        sample: SampleType,
        partition: int,
        picks: Any,
        at_ms: Any,
        watermark_ms: int,
        values: dict[str, int] | None = None,
    ) -> Any:
        """One batch: the sessions `picks` [n] of the partition at event times `at_ms` [n]."""
        n = len(picks)
        some = pa.array(picks)
        columns = {k: v.take(some) for k, v in self.city.columns[partition].items()}
        for c in MEASURES[sample]:
            if pa.types.is_dictionary(c.type):
                one = sorted(c.allowed or ())[0]
                columns[c.name] = pa.array([one] * n).dictionary_encode().cast(c.type)
            else:
                value = (values or {}).get(c.name)
                column = self._rng.integers(0, 3, n) if value is None else np.full(n, value)
                columns[c.name] = pa.array(column, c.type)
        columns["event_time"] = pa.array(at_ms, pa.int64()).cast(pa.timestamp("ms", "UTC"))
        schema = pa.schema([f for f in ARROW[sample] if f.name in columns])
        batch = pa.RecordBatch.from_arrays([columns[f.name] for f in schema], schema=schema)
        return self._send(sample, partition, n, encode(batch), watermark_ms)

    def _send(
        self, sample: SampleType, partition: int, rows: int, value: bytes, watermark_ms: int
    ) -> Any:
        with self._lock:
            number = self._sequence.get((sample.topic, partition), 0)
            self._sequence[sample.topic, partition] = number + 1
            self.rows += rows
            ident = BatchIdentity(PLATFORM, self.name, 1, sample.topic, partition, number)
            header = BatchHeader(ident, rows, watermark_ms, watermark_ms)
            return self._producer.send(
                sample.topic, value=value, headers=to_headers(header), partition=partition
            )

    def second(self, until_ms: int, viewers: int, orders: int) -> None:
        """A second of the whole city that ends at `until_ms`: so many rows of each, spread."""
        for partition in range(self.city.partitions):
            count = len(self.city.columns[partition]["session_id"]) - RESERVED
            for sample, rows in ((SampleType.VIEWERS, viewers), (SampleType.ORDERS, orders)):
                left = max(1, rows // self.city.partitions)
                while left > 0:
                    n = min(left, MAX_ROWS)
                    at = until_ms - 1000 + self._rng.integers(0, 1000, n)
                    self.send(sample, partition, self._rng.integers(0, count, n), at, until_ms)
                    left -= n
        self.nothing(SampleType.COMPLAINTS, until_ms)

    def everyone(self, until_ms: int) -> None:
        """One sample of viewers and of orders of every session in the minute before `until_ms`."""
        for partition in range(self.city.partitions):
            everyone = np.arange(len(self.city.columns[partition]["session_id"]))
            for start in range(0, len(everyone), MAX_ROWS):
                picks = everyone[start : start + MAX_ROWS]
                at = until_ms - 60_000 + self._rng.integers(0, 60_000, len(picks))
                for sample in (SampleType.VIEWERS, SampleType.ORDERS):
                    self.send(sample, partition, picks, at, until_ms)
        self.nothing(SampleType.COMPLAINTS, until_ms)

    def nothing(self, sample: SampleType, until_ms: int) -> None:
        """A heartbeat on every partition."""
        for partition in range(self.city.partitions):
            quiet = np.zeros(0, np.int64)
            self.send(sample, partition, quiet, quiet, until_ms)

    def flush(self) -> None:
        """Return when Kafka has everything."""
        self._producer.flush(120)

    def close(self) -> None:
        self._producer.close(timeout=10)
