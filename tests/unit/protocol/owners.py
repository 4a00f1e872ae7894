"""Several owners of one partition in one small world, one effect at a time.

The real `Partition` and `StateStore` run here as coroutines that stop before each effect on the
outside. Whoever drives them chooses who goes on, who is killed or paused, when the group moves,
and what the consumer delivers. `TinyStage` is as small as a stage can be that still has what the
protocol is about: rows that may be late, minutes that close (also for silence), a window over
closed minutes, and an onset that depends on when one looks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipelines.agents.partition import Moved, Partition
from pipelines.agents.stage import Entries, Output, Record, Work
from pipelines.agents.store import StateStore
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import TopicClock
from pipelines.core.upgrade import minute_name
from pipelines.sinks.raw import RawRows

TOPIC = "t"
NEXT = "next"
WINDOW = 3
ALARM = 3


class Boundary:
    """`await boundary`: an effect on the outside is about to happen."""

    def __await__(self) -> Generator[None, None, None]:
        yield


boundary = Boundary()


def record(ident: int, minute: int, amount: int, watermark: int = 0, offset: int = -1) -> Record:
    """`watermark`: minutes before it are complete as far as this record's sender goes."""
    text = json.dumps([ident, minute, amount, watermark]).encode()
    return Record(TOPIC, 0, ident if offset < 0 else offset, 1000 + ident, text, ())


@dataclass
class Broker:
    """What outlives every process: Kafka and the warehouse."""

    log: list[Record]
    generation: int = 0
    committed: int = 0
    changelog: dict[bytes, bytes] = field(default_factory=dict)
    raw: dict[int, tuple[int, int, int, bool]] = field(default_factory=dict)
    """identity -> (version, minute, amount, late)"""
    figures: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """minute -> (version, sum, sum over the window)"""
    sent: list[dict[str, Any]] = field(default_factory=list)
    emitted: list[FlagEvent] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    begin: int = 0
    topic_id: str = "one"
    past: list[Record] = field(default_factory=list)
    """Records of topics that were deleted."""

    def make_anew(self, log: list[Record]) -> None:
        """The topic is deleted, and the group's offsets with it; another of its name is made."""
        self.past += self.log
        self.log[:] = log
        self.topic_id += "+"
        self.committed = 0

    def store(self, table: str, columns: dict[str, Any]) -> None:
        for row in zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True):
            if table == "raw":
                version, ident, minute, amount, late = row
                if version >= self.raw.get(ident, (0,))[0]:
                    self.raw[ident] = (version, minute, amount, late)
            else:
                version, minute, total, window = row
                if version >= self.figures.get(minute, (0,))[0]:
                    self.figures[minute] = (version, total, window)


class Disk:
    """A table on one machine: local at once, in Kafka record by record when waited for."""

    def __init__(self, broker: Broker, local: dict[bytes, bytes] | None = None) -> None:
        self.broker = broker
        self.local = dict(broker.changelog) if local is None else local
        self._sent: list[tuple[bytes, bytes]] = []

    def keys_here(self) -> list[bytes]:
        return list(self.local)

    def get(self, key: bytes) -> bytes | None:
        return self.local.get(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.local[key] = value
        self._sent.append((key, value))

    def __delitem__(self, key: bytes) -> None:
        """Nobody waits for it, so it may be in Kafka at once; all puts before it are there."""
        del self.local[key]
        self.broker.changelog.pop(key, None)

    def take_sent(self) -> list[Any]:
        sent, self._sent = self._sent, []
        return [Delivery(self.broker.changelog, sent)] if sent else []


@dataclass
class Delivery:
    """Records on their way to the changelog; whoever waits for it sees them arrive in order."""

    changelog: dict[bytes, bytes]
    sent: list[tuple[bytes, bytes]]

    def __await__(self) -> Generator[None, None, None]:
        for key, value in self.sent:
            yield
            self.changelog[key] = value


class TinyStage:
    """Sums by minute. A minute closes when the watermark passed it, or for silence."""

    name = "fold"
    topics: tuple[str, ...] = (TOPIC,)
    emits_to: str | None = NEXT

    def __init__(self) -> None:
        self.opens: dict[int, int] = {}
        self.closed: dict[int, int] = {}
        self.closed_through: int | None = 0
        self.watermark = 0
        self.acknowledged = 0
        self.counted: dict[int, int] = {}
        self.onset: int | None = None
        self.looks = 0
        self.version = 0

    @property
    def open_minutes(self) -> int:
        return len(self.opens)

    @property
    def through(self) -> int:
        return self.closed_through or 0

    def load(self, head: Mapping[str, Any] | None, entries: Entries, version: int) -> Output:
        self.version = version
        self.looks = version % 7
        if head is None:
            return Output()
        self.closed_through = head["closed_through"]
        self.watermark = self.acknowledged = head["watermark"]
        self.counted = {int(m): at for m, at in head["counted"].items()}
        for name, value in entries.items():
            if name.startswith("minute/"):
                minute, total = json.loads(value)
                if self.through - WINDOW < minute <= self.through:
                    self.closed[minute] = total
        book = json.loads(entries.get("book", b'{"onset": null, "outbox": []}'))
        self.onset = book["onset"]
        return Output(flags=[FlagEvent(**row) for row in book["outbox"]])

    def made_anew(self, topic: str) -> None:
        self.counted = {}

    def fold(self, record: Record) -> Work:
        ident, minute, amount, watermark = json.loads(record.value or b"")
        self.watermark = max(self.watermark, watermark)
        if amount < 0:
            return Work(-1, self.watermark, dead=("dlq", ["negative"]))
        gone = minute <= self.through
        counted = gone and record.offset < self.counted.get(minute, 0)
        late = gone and not counted
        if not gone:
            self.opens[minute] = self.opens.get(minute, 0) + amount
        row = {
            "version": [self.version], "ident": [ident], "minute": [minute],
            "amount": [amount], "late": [late],
        }  # fmt: skip
        columns = {name: np.array(values) for name, values in row.items()}
        return Work(-1 if gone else minute, self.watermark, raw=("raw", columns | {"row": [0]}))

    def acknowledge(self, after: Any) -> None:
        self.acknowledged = after

    def ready(self, clocks: Mapping[str, TopicClock]) -> list[int]:
        clock = clocks[TOPIC]
        if not clock.settled:
            return []
        silent = clock.now_ms > 10**6
        last = max(self.opens, default=0) if silent else self.watermark - 1
        return list(range(self.through + 1, last + 1))

    def waiting(self, clocks: Mapping[str, TopicClock]) -> set[str]:
        return set()

    def close(self, minute: int, now_ms: int, folded: Mapping[str, int]) -> Output:
        self.counted[minute] = folded[TOPIC]
        total = self.closed[minute] = self.opens.pop(minute, 0)
        self.closed_through = minute
        window = sum(self.closed.get(m, 0) for m in range(minute - WINDOW + 1, minute + 1))
        row = {"version": self.version, "minute": minute, "total": total, "window": window}
        message = json.dumps({"minute": minute, "total": total, "window": window}).encode()
        return Output(
            tables=[("figures", {k: np.array([v]) for k, v in row.items()})],
            messages=[message],
            entries={minute_name(minute): json.dumps([minute, total]).encode()},
            flags=self._alarm(),
        )

    def _alarm(self) -> list[FlagEvent]:
        """A rise opens an episode once; when it is said to have begun depends on the look."""
        self.looks += 1
        total = sum(self.closed.values()) + sum(self.opens.values())
        if self.onset is not None or total < ALARM:
            return []
        self.onset = self.looks
        return [flag(f"F:{self.onset}")]

    def detector(self) -> Entries:
        return {}

    def tick(self, now_ms: int) -> Output:
        return Output(flags=self._alarm())

    def book(self, outbox: list[FlagEvent]) -> Entries:
        book = {"onset": self.onset, "outbox": [f.to_json() for f in outbox]}
        return {"book": json.dumps(book).encode()}

    def head(self) -> dict[str, Any]:
        return {
            "closed_through": self.closed_through,
            "watermark": self.acknowledged,
            "counted": self.counted,
        }


def flag(flag_id: str) -> FlagEvent:
    texts = dict.fromkeys(FlagEvent.__dataclass_fields__, "")
    return FlagEvent(**(texts | {"flag_id": flag_id, "event": "opened"}))  # type: ignore[arg-type]


class Owner:
    """A process that was given the partition in one generation."""

    def __init__(
        self,
        broker: Broker,
        program: Callable[[Owner], Coroutine[Any, Any, None]],
        *,
        partition_class: type[Partition] = Partition,
        store_class: type[StateStore] = StateStore,
        stage_class: type[TinyStage] = TinyStage,
        disk: dict[bytes, bytes] | None = None,
    ) -> None:
        broker.generation += 1
        self.broker = broker
        self.mine = broker.generation
        self.told = self.mine
        self.disk = Disk(broker, disk)
        self.raw = RawRows(self)  # type: ignore[arg-type]
        self.stage = stage_class()
        store = store_class(self.disk)
        self.partition = partition_class(0, self.mine, self.stage, store, self)
        self.steps = 0
        self.acknowledged: set[int] = set()
        self.done = False
        self._run = program(self)
        self._go()

    # -- driving ------------------------------------------------------------------------------

    def step(self) -> bool:
        """Let one effect happen; False when there is nothing more to do."""
        if not self.done:
            self.steps += 1
            self._go()
        return not self.done

    def _go(self) -> None:
        try:
            self._run.send(None)
        except (StopIteration, Moved):
            self.done = True

    def finish(self) -> None:
        while self.step():
            pass

    def kill(self) -> None:
        self.done = True
        self._run.close()

    # -- what the partition asks of a worker --------------------------------------------------

    def generation(self) -> int:
        """What this process believes; it learns of a move only from a failed heartbeat."""
        return self.told

    async def confirm(self, generation: int) -> None:
        await boundary
        if self.broker.generation != generation:
            self.told = self.broker.generation
            raise Moved

    async def store(self, table: str, columns: Any) -> int:
        await boundary
        self.broker.store(table, {k: v for k, v in columns.items() if k != "row"})
        return 1

    async def send(self, topic: str, messages: list[bytes], partition: int) -> None:
        for message in messages:
            await boundary
            self.broker.sent.append(json.loads(message))

    async def dead_letter(self, topic: str, record: Record, reasons: list[str]) -> None:
        await boundary
        self.broker.dead.add(json.loads(record.value or b"")[0])

    async def emit(self, flags: list[FlagEvent], version: int) -> None:
        await boundary
        self.broker.emitted += flags

    # -- what a program does ------------------------------------------------------------------

    async def take_over(self) -> None:
        end = len(self.broker.log)
        event = self._event(record(0, 0, 0))
        ids = {TOPIC: self.broker.topic_id}
        await self.partition.load(event, {TOPIC: self.broker.begin}, {TOPIC: end}, ids)

    @property
    def next(self) -> int:
        """The next offset to fold."""
        return self.partition.topics[TOPIC].position.next

    def offer(self, offset: int) -> None:
        if offset < len(self.broker.log):
            one = self.broker.log[offset]
            self.partition.receive(self._event(one), one, 0.0)

    async def look(self) -> None:
        await self.partition.look(0)

    async def commit(self, *, silence: bool = False, force: bool = False) -> None:
        ends = {TOPIC: self.partition.topics[TOPIC].position.next}
        await self.partition.commit(10**7 if silence else 0, ends, 10, force=force)

    def _event(self, one: Record) -> Any:
        message = SimpleNamespace(
            topic=one.topic, partition=0, offset=one.offset, timestamp=one.broker_ms / 1000,
            headers=(), value=one.value, ack=lambda consumer: self._acknowledge(one.offset),
        )  # fmt: skip
        return Weakable(message=message, value=one.value, app=SimpleNamespace(consumer=None))

    def _acknowledge(self, offset: int) -> None:
        """The broker takes a commit from a member of the current generation only."""
        if self.broker.generation == self.mine:
            kept = kept_position(self.broker)
            if offset >= kept:
                raise Violation(f"offset {offset} acknowledged, the checkpoint has {kept}")
            self.acknowledged.add(offset)
            while self.broker.committed in self.acknowledged:
                self.broker.committed += 1


class Weakable(SimpleNamespace):
    """An event that a weak reference can point to."""


class Violation(AssertionError):  # noqa: N818 - what was found, not what failed
    """A reader would see something wrong."""


def kept_position(broker: Broker) -> int:
    """The position of the checkpoint that a new owner would find in Kafka."""
    found = StateStore(Disk(broker)).newest_head()
    return 0 if found is None else int(json.loads(found[1])["positions"][TOPIC][0])


def check(broker: Broker) -> None:
    """Whatever happened: readers see each row once, and every figure agrees with the rows."""
    rows = [json.loads(r.value or b"") for r in broker.past + broker.log]
    good = {ident for ident, _, amount, _ in rows if amount >= 0}
    _same("rows", set(broker.raw), good)
    _same("dead letters", broker.dead, {row[0] for row in rows} - good)
    on_time: Counter[int] = Counter()
    for _, minute, amount, late in broker.raw.values():
        on_time[minute] += 0 if late else amount
    for minute, (_, total, window) in broker.figures.items():
        _same(f"figure of minute {minute}", total, on_time[minute])
        last = range(minute - WINDOW + 1, minute + 1)
        _same(f"window of minute {minute}", window, sum(on_time[m] for m in last))
    _same("minutes", {m for m, n in on_time.items() if n} - set(broker.figures), set())
    for one in broker.sent:
        # The next stage may have closed on any of them.
        _, total, window = broker.figures[one["minute"]]
        _same(f"partial of minute {one['minute']}", (one["total"], one["window"]), (total, window))
    _same("minutes sent on", {one["minute"] for one in broker.sent}, set(broker.figures))
    flags = {f.flag_id for f in broker.emitted}
    _same("flags", len(flags), int(sum(on_time.values()) >= ALARM))
    _same("committed", broker.committed, len(broker.log))


def _same(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Violation(f"{what}: {found}, not {wanted}")
