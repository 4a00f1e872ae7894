"""One partition of a stage under the checkpoint protocol (docs/adr/0003, DESIGN section 3).

`receive` is the way in: fold in offset order, guarded by our own position. `commit` is the way
out, as numbered steps whose order is the argument for correctness. It is one file, longer than
others, so that the whole protocol can be read in one sitting.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from pipelines.agents.records import Pending, TopicState, record_of
from pipelines.agents.stage import Entries, Output, Record, Stage, epoch_after, version_of
from pipelines.agents.store import HEAD, Event, StateStore, event_context
from pipelines.core.blob import framed, unframed
from pipelines.core.columns import TableColumns, concat
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import TopicClock
from pipelines.core.positions import Position
from pipelines.core.upgrade import STATE_VERSION, outdated, upgraded
from pipelines.sinks.raw import RawRows

log = structlog.get_logger()
# Indicator rows that one checkpoint holds at most: catching up must not take all memory.
MAX_ROWS_PER_COMMIT = 100_000
UNSENT = "unsent"
"""Entry: messages to the next stage that the checkpoint speaks of and that may not be sent."""


class Moved(Exception):  # noqa: N818 - not an error: the partition now belongs to another generation
    """The consumer group has moved on: discard the state, write nothing."""


class Outlet(Protocol):
    """What a partition needs of the worker around it."""

    raw: RawRows

    def generation(self) -> int: ...
    async def confirm(self, generation: int) -> None: ...
    async def store(self, table: str, columns: Any) -> Any: ...
    async def send(self, topic: str, messages: list[bytes], partition: int) -> None: ...
    async def dead_letter(self, topic: str, record: Record, reasons: list[str]) -> None: ...
    async def emit(self, flags: list[FlagEvent], version: int) -> None: ...


class Partition:
    """State, positions and pending records of (stage, partition) within one generation."""

    def __init__(
        self, number: int, generation: int, stage: Stage, store: StateStore, outlet: Outlet
    ) -> None:
        self.number = number
        self.generation = generation
        self.stage = stage
        self.topics: dict[str, TopicState] = {}
        self.epoch = 0
        self.version = 0
        self.repeats = 0
        self.last_checkpoint = time.time()
        self.event: Event | None = None
        self._store = store
        self._outlet = outlet
        self._outbox: list[FlagEvent] = []
        self._intended = 0
        self._unsent: list[bytes] = []
        self._names: set[str] = set()
        self._head: dict[str, Any] = {}
        self._topic_ids: dict[str, str] = {}
        self._dead: list[tuple[str, Record, list[str], Pending]] = []
        # A look at the open minutes does not wait for a commit under way: flags are not held up
        # by rows. But entries and the head that speaks of them are written by one of them only.
        self._writing = asyncio.Lock()

    # -- loading ------------------------------------------------------------------------------

    async def load(
        self,
        event: Event,
        begins: Mapping[str, int],
        ends: Mapping[str, int],
        ids: Mapping[str, str] | None = None,
    ) -> None:
        """Take the partition over: claim it, restore, and send out what may not have been.

        `begins` and `ends` are the offsets that Kafka has of each topic, `ids` its topic ids.
        Raises Moved, and UnknownStateError for a state that this version cannot read.
        """
        self.event = event
        with event_context(event):
            found = self._store.checkpoint()
        head, entries = found or (None, {})
        self.epoch = self._epoch_after(head)
        self.version = version_of(self.epoch, self.generation)
        if head is not None:
            head, entries = upgraded(self.stage.name, head, entries)
        anew = self._resume(head, begins, ends, ids or {})
        again = self.stage.load(head, entries, self.version)
        for topic in anew:
            self.stage.made_anew(topic)
        self._outbox = again.flags
        self._unsent = unframed(entries.get(UNSENT, b""))
        await self._claim(entries)
        await self._release()

    def _epoch_after(self, head: Mapping[str, Any] | None) -> int:
        return epoch_after(head, self.generation)

    async def _claim(self, entries: Entries) -> None:
        """Write the whole checkpoint again as ours, then forget what others left.

        Nothing that we rely on may stay under a key that an older owner can write: it may be
        paused, and wake up. The local store may also be ahead of the changelog by a checkpoint
        that was cut off; what is only on this disk fences nobody.
        """
        await self._write(entries)
        with event_context(self._event()):
            self._store.guard()
            self._store.remove_others(self.version)
        await self._store.acknowledged()

    def _resume(
        self,
        head: Mapping[str, Any] | None,
        begins: Mapping[str, int],
        ends: Mapping[str, int],
        ids: Mapping[str, str],
    ) -> list[str]:
        """Positions to go on from; returns the topics that were made anew."""
        positions = {} if head is None else head["positions"]
        self._topic_ids = ({} if head is None else head.get("topic_ids", {})) | dict(ids)
        anew = []
        for topic in self.stage.topics:
            at, broker_ms = positions.get(topic, (begins[topic], 0))
            was = None if head is None else head.get("topic_ids", {}).get(topic)
            if was is not None and topic in ids and was != ids[topic]:
                log.warning(
                    "the topic was made anew, reading it from its beginning",
                    stage=self.stage.name, topic=topic, partition=self.number, position=at,
                )  # fmt: skip
                at, broker_ms = begins[topic], 0
                anew.append(topic)
            elif at > ends[topic] or at < begins[topic]:
                # Retention removed records that nobody read.
                log.warning(
                    "position is outside of the topic",
                    stage=self.stage.name, topic=topic, partition=self.number,
                    position=at, begin=begins[topic], end=ends[topic],
                )  # fmt: skip
                at = begins[topic]
            state = TopicState(Position(at), at, ends[topic])
            state.broker_ms = state.acknowledged_broker_ms = broker_ms
            self.topics[topic] = state
        return anew

    # -- the way in ---------------------------------------------------------------------------

    def receive(self, event: Event, record: Record, now: float) -> int:
        """Offer a record; returns how many could be folded.

        Raises Moved where the record shows that its topic was made anew under us: load again.
        """
        self.event = event
        topic = self.topics[record.topic]
        if record.offset < topic.position.next:
            if record.broker_ms > topic.broker_ms > 0:
                # The broker's time rises with the offset: this is another log of the same name.
                raise Moved
            self.repeats += 1
            if record.offset < topic.acknowledged:
                # Where nobody acknowledges it the committed offset would stand still for ever.
                event.message.ack(event.app.consumer)
            return 0
        ready = topic.position.offer(record.offset, event, now)
        for offset, one in ready:
            self._fold(topic, offset, one, record if one is event else record_of(one))
        return len(ready)

    def _fold(self, topic: TopicState, offset: int, event: Event, record: Record) -> None:
        work = self.stage.fold(record)
        topic.broker_ms = max(topic.broker_ms, record.broker_ms)
        pending = Pending(offset, record.broker_ms, work.minute, work.after, event)
        topic.pending.append(pending)
        for rows in (work.raw, work.also):
            if rows is not None:
                pending.waiting += 1
                self._outlet.raw.add(*rows, pending.kept)
        if work.dead is not None:
            # The bytes are kept only for a record that goes to the dead-letter topic.
            self._dead.append((work.dead[0], record, work.dead[1], pending))
            pending.waiting += 1
        event.message.value = None
        event.value = None

    # -- the way out --------------------------------------------------------------------------

    def clocks(self, now_ms: int, ends: Mapping[str, int]) -> dict[str, TopicClock]:
        """The clock of each topic; `ends` are the newest offsets known."""
        out = {}
        for name, topic in self.topics.items():
            caught_up = topic.position.next >= ends.get(name, 1 << 62)
            clock = max(now_ms, topic.broker_ms) if caught_up else topic.broker_ms
            settled = topic.position.next >= topic.end_at_load
            out[name] = TopicClock(clock, settled, caught_up)
        return out

    async def look(self, now_ms: int) -> None:
        """Detectors and provisional figures on the open minutes. Raises Moved.

        May run beside a commit: it says nothing of what is closed.
        """
        output = self.stage.tick(now_ms)
        self._outbox += output.flags
        if self._outbox:
            async with self._writing:
                if self._outbox:  # else the commit that held the lock has sent them on
                    await self._keep_intent()
                    await self._release()
        for table, columns in _tables([output]):
            await self._outlet.store(table, columns)
        if output.messages and self.stage.emits_to:
            await self._outlet.send(self.stage.emits_to, output.messages, 0)

    async def commit(
        self, now_ms: int, ends: Mapping[str, int], limit: int, *, force: bool = False
    ) -> int:
        """Close what can be closed, and checkpoint it. Returns minutes closed. Raises Moved.

        `force` makes a checkpoint although nothing closed, so that positions move on.
        """
        minutes = self.stage.ready(self.clocks(now_ms, ends))[:limit]
        if not minutes and not force:
            return 0
        # 1. Close. All that follows speaks of the state at this moment; folding may go on. The
        # flags go to the outbox at once: a book written meanwhile has their episodes in it.
        outputs = self._close(minutes, now_ms)
        self._outbox += [flag for output in outputs for flag in output.flags]
        through = self.stage.closed_through
        # 2. ClickHouse has the raw rows, the dead letters are in their topic.
        await self._outlet.raw.flush()
        await self._flush_dead()
        # 3. ClickHouse has the indicators.
        for table, columns in _tables(outputs):
            await self._outlet.store(table, columns)
        self.check()
        # 4. The checkpoint: entries, then the head that speaks of them, are in the changelog. With
        #    them the intent: messages and flags that follow from it.
        entries: Entries = {}
        for output in outputs:
            entries |= output.entries
        async with self._writing:
            self._unsent += [m for output in outputs for m in output.messages]
            if self._unsent or UNSENT in self._names:
                entries[UNSENT] = framed(self._unsent)
            done = self._acknowledgeable(through)
            await self._write(entries)
            # 5. The broker says that we still own the partition: so whoever owns it next reads
            #    this checkpoint. Partials, closed-through marks and flags go out.
            await self._release()
        # 6. Still ours? Then the records need not come again.
        self.check()
        for pending in done:
            pending.event.message.ack(pending.event.app.consumer)
        self.last_checkpoint = time.time()
        return len(outputs)

    def _close(self, minutes: list[int], now_ms: int) -> list[Output]:
        """Close minutes, as many as one checkpoint should hold."""
        outputs, rows = [], 0
        folded = {name: topic.position.next for name, topic in self.topics.items()}
        for minute in minutes:
            outputs.append(self.stage.close(minute, now_ms, folded))
            rows += sum(len(next(iter(one.values()))) for _, one in outputs[-1].tables)
            if rows > MAX_ROWS_PER_COMMIT:
                break
        if outputs:
            outputs[-1].entries |= self.stage.detector()
        return outputs

    async def _keep_intent(self) -> None:
        """Flags between two checkpoints: onsets are final in the changelog before they are told."""
        with event_context(self._event()):
            for name, value in self._book().items():
                self._put(name, value)
            # The head of the last checkpoint: minutes closed since are not in the entries yet.
            self._put_head()
        await self._store.acknowledged()

    async def _release(self) -> None:
        """Send out what the checkpoint in the changelog speaks of. Raises Moved."""
        if not self._unsent and not self._outbox:
            return
        await self._outlet.confirm(self.generation)
        if self._unsent and self.stage.emits_to:
            await self._outlet.send(self.stage.emits_to, self._unsent, 0)
        self.check()
        self._unsent = []
        # Only what the book in the changelog has: others may come while we wait.
        flags = self._outbox[: self._intended]
        if flags:
            await self._outlet.emit(flags, self.version)
        self.check()
        del self._outbox[: len(flags)]

    def _acknowledgeable(self, through: int | None) -> list[Pending]:
        """Records, in order, all of whose minutes are closed and whose rows are stored."""
        done = []
        closed = -1 if through is None else through
        for topic in self.topics.values():
            while topic.pending and topic.pending[0].minute <= closed and topic.pending[0].stored:
                pending = topic.pending.popleft()
                if pending.after is not None:
                    self.stage.acknowledge(pending.after)
                topic.acknowledged = pending.offset + 1
                seen = max(topic.acknowledged_broker_ms, pending.broker_ms)
                topic.acknowledged_broker_ms = seen
                done.append(pending)
        return done

    async def _flush_dead(self) -> None:
        dead, self._dead = self._dead, []
        for topic, record, reasons, pending in dead:
            await self._outlet.dead_letter(topic, record, reasons)
            pending.kept()

    async def _write(self, entries: Entries) -> None:
        """The entries, and when Kafka has them all the head that speaks of them.

        Within one partition a producer keeps the order, but a record that it gives up is passed
        by the next: a head must never stand without its entries.
        """
        written = entries | self._book()
        head = self.stage.head()
        with event_context(self._event()):
            for name, value in written.items():
                self._put(name, value)
        await self._store.acknowledged()
        self.check()
        self._head = head
        with event_context(self._event()):
            self._put_head()
        await self._store.acknowledged()
        self._forget_outdated()

    def _forget_outdated(self) -> None:
        """Entries of minutes that no window reaches any more, once the head does without them."""
        gone = outdated(self._names, self._head["closed_through"])
        if gone:
            with event_context(self._event()):
                self._store.remove(gone, self.version)
            self._names -= gone

    def _book(self) -> Entries:
        self._intended = len(self._outbox)
        return self.stage.book(self._outbox)

    def _put(self, name: str, value: bytes) -> None:
        self._names.add(name)
        self._store.write(name, self.version, value)

    def _put_head(self) -> None:
        positions = {
            name: (topic.acknowledged, topic.acknowledged_broker_ms)
            for name, topic in self.topics.items()
        }
        head = self._head | {
            "state_version": STATE_VERSION,
            "epoch": self.epoch,
            "generation": self.generation,
            "positions": positions,
            "topic_ids": self._topic_ids,
            "names": sorted(self._names),
        }
        self._store.write(HEAD, self.version, json.dumps(head).encode())

    def _event(self) -> Event:
        if self.event is None:
            raise RuntimeError("the partition was not loaded")
        return self.event

    def check(self) -> None:
        """Raise Moved where the partition belongs to another generation by now."""
        if self._outlet.generation() != self.generation:
            raise Moved


def _tables(outputs: list[Output]) -> list[tuple[str, TableColumns]]:
    """The rows of all outputs, one block a table."""
    parts: dict[str, list[TableColumns]] = {}
    for output in outputs:
        for table, columns in output.tables:
            parts.setdefault(table, []).append(columns)
    return [
        (table, {name: concat([one[name] for one in some]) for name in some[0]})
        for table, some in parts.items()
    ]
