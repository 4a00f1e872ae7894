"""A world in memory for the checkpoint protocol: logs, a warehouse, a changelog, and crashes.

The real partition and the real stages run in it. Every effect on the outside can be cut off
right before or right after it happens, as a kill -9 would.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.agents.fold import FoldStage
from pipelines.agents.partition import Moved, Partition
from pipelines.agents.records import record_of
from pipelines.agents.stage import Record, Stage
from pipelines.agents.store import StateStore
from pipelines.core.columns import Coded, Maybe, TableColumns
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import ClockPolicy
from pipelines.instruments import Instruments
from pipelines.sinks.raw import RawRows
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.sharding import shard_of
from schemas.telemetry import ARROW, MEASURES, SampleType

START = 1_790_000_040_000 // 300_000 * 300_000
MINUTE = 60_000
PARTITIONS = 2


class Crash(Exception):  # noqa: N818 - an event, not an error
    """The process is gone."""


@dataclass
class Faults:
    """Cuts the process off at the `at`-th effect, before or after it happens."""

    at: int | None = None
    after: bool = False
    count: int = 0
    dead: bool = False

    def before_effect(self) -> None:
        self.count += 1
        self._die_if(self.at == self.count and not self.after)

    def after_effect(self) -> None:
        self._die_if(self.at == self.count and self.after)

    def _die_if(self, now: bool) -> None:
        self.dead |= now
        if self.dead:
            raise Crash


class Changelog:
    """A table: writes are local at once and in Kafka when acknowledged."""

    def __init__(self) -> None:
        self.local: dict[bytes, bytes] = {}
        self.kafka: dict[bytes, bytes] = {}
        self._sent: list[tuple[bytes, bytes | None]] = []
        self._handed: list[Coroutine[Any, Any, None]] = []
        self.faults = Faults()

    def keys_here(self) -> list[bytes]:
        return list(self.local)

    def get(self, key: bytes) -> bytes | None:
        return self.local.get(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.local[key] = value
        self._sent.append((key, value))

    def __delitem__(self, key: bytes) -> None:
        del self.local[key]
        self._sent.append((key, None))

    def take_sent(self) -> list[Any]:
        sent, self._sent = self._sent, []
        self._handed.append(self._deliver(sent))
        return self._handed[-1:]

    async def _deliver(self, sent: list[tuple[bytes, bytes | None]]) -> None:
        # A crash in the middle leaves any prefix of the writes in Kafka.
        for key, value in sent:
            self.faults.before_effect()
            if value is None:
                self.kafka.pop(key, None)
            else:
                self.kafka[key] = value
            self.faults.after_effect()

    def lose_process(self, *, same_disk: bool) -> None:
        """After a crash: the same worker finds its disk, another one only what is in Kafka."""
        self._sent = []
        for write in self._handed:
            write.close()  # what the process never came to await
        self._handed = []
        if not same_disk:
            self.local = dict(self.kafka)


def rows_of(columns: TableColumns) -> list[dict[str, Any]]:
    """Columns back to rows, as a reader of the table would see them."""
    plain: dict[str, list[Any]] = {}
    for name, values in columns.items():
        if isinstance(values, Coded):
            plain[name] = [values.values[i] for i in values.codes.tolist()]
        elif isinstance(values, Maybe):
            pairs = zip(values.values.tolist(), values.null.tolist(), strict=True)
            plain[name] = [None if null else v for v, null in pairs]
        else:
            plain[name] = values if isinstance(values, list) else values.tolist()
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


KEYS = {
    "indicators_session": ("minute", "platform_id", "session_id"),
    "indicators_cell": ("minute", "platform_id", "category", "district"),
    "flag_events": ("flag_id", "event", "grade"),
    "sessions": ("platform_id", "session_id"),
    "completeness": ("minute", "topic", "platform_id", "source"),
}
KEYS["indicator_values"] = ("indicator", "scope", "session_id", "window", "part", "minute")
KEYS["corrections"] = ("platform_id", "topic", "source", "epoch", "sequence")
RAW_KEY = ("platform_id", "source", "epoch", "kafka_partition", "sequence", "row")


class Tables:
    """ClickHouse: tables that replace by key, the highest version read."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self.writes = 0

    def write(self, table: str, columns: TableColumns) -> None:
        into = self.rows.setdefault(table, {})
        for row in rows_of(columns):
            key = tuple(row[k] for k in KEYS.get(table, RAW_KEY))
            if key not in into or row["version"] >= into[key]["version"]:
                into[key] = row
            self.writes += 1


@dataclass
class World:
    """What outlives the processes: logs, tables, changelog, committed offsets, messages sent."""

    logs: dict[str, list[Record]]
    tables: Tables = field(default_factory=Tables)
    changelog: Changelog = field(default_factory=Changelog)
    committed: dict[str, int] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    emitted: list[FlagEvent] = field(default_factory=list)
    dead: list[tuple[str, int, list[str]]] = field(default_factory=list)
    generation: int = 0


class Outlet:
    """The worker around a partition, with a fault before or after each effect."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults = world, faults
        self.raw = RawRows(self)  # type: ignore[arg-type]

    def generation(self) -> int:
        return self.world.generation

    async def confirm(self, generation: int) -> None:
        """The only owner there is."""

    async def store(self, table: str, columns: TableColumns) -> int:
        await asyncio.sleep(0)
        self.faults.before_effect()
        self.world.tables.write(table, columns)
        self.faults.after_effect()
        return len(next(iter(columns.values())))

    async def send(self, topic: str, messages: list[bytes], partition: int) -> None:
        for message in messages:
            self.faults.before_effect()
            self.world.sent.append(message)
            self.faults.after_effect()

    async def dead_letter(self, topic: str, record: Record, reasons: list[str]) -> None:
        self.faults.before_effect()
        self.world.dead.append((topic, record.offset, reasons))
        self.faults.after_effect()

    async def emit(self, flags: list[FlagEvent], version: int) -> None:
        self.faults.before_effect()
        self.world.emitted += flags
        self.faults.after_effect()


class Message:
    """A Kafka message as Faust hands it out; an acknowledgement commits its offset."""

    def __init__(self, world: World, record: Record) -> None:
        self.topic, self.partition, self.offset = record.topic, record.partition, record.offset
        self.timestamp = record.broker_ms / 1000
        self.value, self.headers = record.value, record.headers
        self._world = world

    def ack(self, consumer: Any) -> None:
        committed = self._world.committed
        committed[self.topic] = max(committed.get(self.topic, 0), self.offset + 1)


class FakeEvent:
    """What the stream yields."""

    def __init__(self, world: World, record: Record) -> None:
        self.message = Message(world, record)
        self.value = record.value
        self.app = SimpleNamespace(consumer=None)


def stage_for(world: World) -> Stage:
    clock = ClockPolicy(lateness_ms=2 * MINUTE, idle_ms=10**12)
    return FoldStage(0, PARTITIONS, Instruments(), clock)


async def run_process(world: World, faults: Faults, rng: random.Random, stage: Stage) -> None:
    """One life of a process: take over, read to the end, close everything. Raises Crash."""
    world.generation += 1
    world.changelog.faults = faults
    outlet = Outlet(world, faults)
    store = StateStore(world.changelog)
    partition = Partition(0, world.generation, stage, store, outlet)
    ends = {topic: len(log) for topic, log in world.logs.items()}
    first = FakeEvent(world, next(iter(world.logs.values()))[0])
    await partition.load(first, dict.fromkeys(ends, 0), ends)
    arrivals = _arrivals(world, rng)
    now_ms = START + 60 * MINUTE
    for record in arrivals:
        event = FakeEvent(world, record)
        partition.receive(event, record_of(event), 0.0)
        if rng.random() < 0.15:
            await partition.look(now_ms)
            await partition.commit(now_ms, ends, 10)
        if rng.random() < 0.05:
            await outlet.raw.flush()
    for _ in range(20):
        await partition.look(now_ms)
        await partition.commit(now_ms, ends, 10, force=True)


def _arrivals(world: World, rng: random.Random) -> list[Record]:
    """From the committed offsets on: topics interleaved anyhow, some records twice or early."""
    left = {t: log[world.committed.get(t, 0) :] for t, log in world.logs.items()}
    out: list[Record] = []
    while any(left.values()):
        topic = rng.choice([t for t, log in left.items() if log])
        out += [left[topic].pop(0) for _ in range(min(len(left[topic]), rng.randint(1, 6)))]
    for _ in range(len(out) // 10):
        i = rng.randrange(len(out))
        out.insert(i, out[rng.randrange(len(out))])
        j = rng.randrange(len(out) - 1)
        out[j], out[j + 1] = out[j + 1], out[j]
    return out


def run(world: World, faults: list[Faults], seed: int) -> int:
    """Lives until one reads to the end; returns how many effects the last one had."""
    rng = random.Random(seed)
    lives = [*faults, Faults()]
    for one in lives:
        try:
            asyncio.run(run_process(world, one, rng, stage_for(world)))
        except Crash:
            world.changelog.lose_process(same_disk=rng.random() < 0.5)
        except Moved:  # pragma: no cover - nobody moves the group here
            raise
    return lives[-1].count


# -- the data ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A row as the platform made it."""

    type: SampleType
    source: str
    session: str
    at_ms: int
    value: int


def session_ids(count: int, seed: int = 5) -> list[str]:
    """Ids that hash to partition 0."""
    rng = np.random.default_rng(seed)
    ids = [rng.bytes(16).hex() for _ in range(20 * count)]
    shards = shard_of([i.encode() for i in ids], PARTITIONS)
    return [i for i, s in zip(ids, shards.tolist(), strict=True) if s == 0][:count]


def record_batch(samples: list[Sample]) -> pa.RecordBatch:
    """Samples of one type as the contract's columns."""
    kind = samples[0].type
    n = len(samples)
    code = pa.dictionary(pa.int16(), pa.utf8())
    fixed = {
        "district": "310101", "category": "food", "code": "C01", "channel": "platform",
        "mode": "machine", "outcome": "passed",
    }  # fmt: skip
    told = {c.name for c in MEASURES[kind] if not c.since}
    columns = []
    for name, type_ in zip(ARROW[kind].names, ARROW[kind].types, strict=True):
        if name == "event_time":
            columns.append(pa.array([s.at_ms for s in samples], type_))
        elif name == "session_id":
            columns.append(pa.array([s.session for s in samples]))
        elif name in fixed:
            columns.append(pa.array([fixed[name]] * n).dictionary_encode().cast(code))
        elif name.endswith("_pid"):
            columns.append(pa.array(["ab" * 16] * n))
        elif name in told:
            columns.append(pa.array([s.value for s in samples], type_))
        else:
            columns.append(pa.nulls(n, type_))
    return pa.RecordBatch.from_arrays(columns, schema=ARROW[kind])


def logs_of(samples: list[Sample], minutes: int, sources: tuple[str, ...]) -> dict[str, Any]:
    """The topics' logs: a batch a source and 40 s, heartbeats, a goodbye.

    Batches span minutes on purpose: a record can touch a closed minute and an open one.
    """
    logs: dict[str, list[Record]] = {t.topic: [] for t in SampleType}
    sequence: dict[tuple[str, str], int] = {}
    span = 40_000
    steps = minutes * MINUTE // span
    for step in range(steps + 1):
        until = START + (step + 1) * span
        final = step == steps
        for kind in SampleType:
            for source in sources:
                some = [
                    s
                    for s in samples
                    if s.type is kind and s.source == source and until - span <= s.at_ms < until
                ]
                number = sequence.setdefault((kind.topic, source), 0)
                sequence[kind.topic, source] += 1
                log = logs[kind.topic]
                ident = BatchIdentity("p01", source, 1, kind.topic, 0, number)
                header = BatchHeader(ident, len(some), until, until, final=final)
                schema = ARROW[kind]
                rows = record_batch(some) if some else pa.RecordBatch.from_pylist([], schema)
                headers: Mapping[str, bytes] = dict(to_headers(header))
                log.append(
                    Record(
                        kind.topic, 0, len(log), until + 500, encode(rows), tuple(headers.items())
                    )
                )
    return logs


def measures(kind: SampleType) -> list[str]:
    """Names of the measures of a sample type, in order."""
    return [c.name for c in MEASURES[kind]]
