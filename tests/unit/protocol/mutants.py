"""The protocol with one step left out or out of place. Each must be caught, or the model is blind.

Not tests: `test_owners` runs the same exploration on each of them.
"""

from __future__ import annotations

from typing import Any

from pipelines.agents.partition import Partition
from pipelines.agents.stage import Entries, Output, Record
from pipelines.agents.store import Event, Key, StateStore, event_context
from tests.unit.protocol.owners import WINDOW, Owner, TinyStage


class NoFence(StateStore):
    """All owners write under the same keys."""

    def write(self, name: str, fence: int, value: bytes) -> None:
        super().write(name, self.shared(fence), value)

    def read(self, name: str, fence: int) -> bytes | None:
        return super().read(name, self.shared(fence))

    def remove(self, names: set[str], fence: int) -> None:
        super().remove(names, self.shared(fence))

    def remove_others(self, fence: int) -> None:
        super().remove_others(self.shared(fence))

    def shared(self, fence: int) -> int:
        return 1


class EpochOnly(NoFence):
    """Owners that loaded the same checkpoint share a fence: the generation is left out."""

    def shared(self, fence: int) -> int:
        return fence >> 40 << 40


class Scattered(StateStore):
    """Reads each entry under the highest fence that it has, whoever wrote it."""

    def checkpoint(self) -> Any:
        found = super().checkpoint()
        if found is None:
            return None
        head, entries = found
        keys = [k for k in map(Key.decode, self._table.keys_here()) if k is not None]
        for key in sorted(keys, key=lambda k: k.fence):
            value = self.read(key.name, key.fence)
            if key.name in head["names"] and value is not None:
                entries[key.name] = value
        return head, entries


class EpochAtEachLoad(Partition):
    """An owner that found more is above the one that came after it."""

    def _epoch_after(self, head: Any) -> int:
        return 1 if head is None else int(head["epoch"]) + 1


class NoClaim(Partition):
    """Entries of the owner before are relied on where they stand."""

    async def _claim(self, entries: Entries) -> None:
        self._names |= set(entries)
        await self._write({})


class HeadFirst(Partition):
    """The head that names the entries stands before they do."""

    async def _write(self, entries: Entries) -> None:
        self._names |= set(entries) | {"book"}
        self._head = self.stage.head()
        with event_context(self._event()):
            self._put_head()
        await super()._write(entries)


class EarlyAcknowledge(Partition):
    """Records are acknowledged when their minutes are closed, before the checkpoint says so."""

    def _acknowledgeable(self, through: int | None) -> Any:
        done = super()._acknowledgeable(through)
        for pending in done:
            pending.event.message.ack(None)
        return []


class StoredTooSoon(Partition):
    """A record counts as stored when its rows are gathered."""

    def receive(self, *args: Any) -> int:
        folded = super().receive(*args)
        for topic in self.topics.values():
            for pending in topic.pending:
                pending.waiting = 0
        return folded

    async def commit(self, *args: Any, **options: Any) -> int:
        raw, self._outlet.raw = self._outlet.raw, _Lazy()  # type: ignore[assignment]
        try:
            return await super().commit(*args, **options)
        finally:
            self._outlet.raw = raw


class _Lazy:
    async def flush(self) -> None:
        """Later."""


class DeadLettersLater(Partition):
    """A refused record is acknowledged whether or not it is in its topic."""

    async def _flush_dead(self) -> None:
        for *_, pending in self._dead:
            pending.waiting = 0
        self._dead = []


class SendFirst(Partition):
    """Partials are sent before the checkpoint that they follow from is kept."""

    async def _write(self, entries: Entries) -> None:
        messages, self._unsent = self._unsent, []
        if messages:
            await self._outlet.confirm(self.generation)
            await self._outlet.send("next", messages, 0)
        await super()._write(entries)


class EmitFirst(Partition):
    """Flags are told before their onset is kept."""

    async def _keep_intent(self) -> None:
        flags, self._outbox = self._outbox, []
        await self._outlet.confirm(self.generation)
        await self._outlet.emit(flags, self.version)
        await super()._keep_intent()


class ForgetUnsent(Partition):
    """What the last checkpoint had not sent is not sent at load."""

    async def _claim(self, entries: Entries) -> None:
        self._unsent, self._outbox = [], []
        await super()._claim(entries)


class FoldAnything(Partition):
    """No guard by our own position: whatever comes is folded."""

    def receive(self, event: Event, record: Record, now: float) -> int:
        topic = self.topics[record.topic]
        self._fold(topic, record.offset, event, record)
        topic.position.next = max(topic.position.next, record.offset + 1)
        return 1


class SilentRepeats(Partition):
    """A repeat is dropped and never acknowledged."""

    def receive(self, event: Event, record: Record, now: float) -> int:
        if record.offset < self.topics[record.topic].position.next:
            return 0
        return super().receive(event, record, now)


class TopicByName(Partition):
    """A topic is known by its name alone."""

    async def load(self, event: Event, begins: Any, ends: Any, ids: Any = None) -> None:
        await super().load(event, begins, ends, {})


class Unconfirmed(Owner):
    """Ownership is what the process believes."""

    async def confirm(self, generation: int) -> None:
        """No question asked."""


class RingSlots(TinyStage):
    """A minute's entry stands at its place in the ring, over the one that it replaces."""

    def close(self, *args: Any) -> Output:
        out = super().close(*args)
        minute = args[0]
        value = out.entries.pop(f"minute/{minute}")
        out.entries[f"ring/{minute % WINDOW}"] = value
        return out

    def load(self, head: Any, entries: Entries, version: int) -> Output:
        named = {n.replace("ring/", "minute/"): v for n, v in entries.items()}
        return super().load(head, named, version)


class SameVersion(TinyStage):
    """Rows do not say who wrote them."""

    def load(self, head: Any, entries: Entries, version: int) -> Output:
        out = super().load(head, entries, version)
        self.version = 1
        return out


ALSO: dict[type, dict[str, Any]] = {NoClaim: {"store_class": Scattered}}
MUTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    one.__name__: (caught_by, {kind: one} | ALSO.get(one, {}))
    for kind, caught_by, one in (
        ("store_class", "two_owners", NoFence),
        ("store_class", "two_owners", EpochOnly),
        ("partition_class", "restarts", EpochAtEachLoad),
        ("partition_class", "two_owners", NoClaim),
        ("partition_class", "kills", HeadFirst),
        ("partition_class", "kills", EarlyAcknowledge),
        ("partition_class", "kills", StoredTooSoon),
        ("partition_class", "kills", DeadLettersLater),
        ("partition_class", "kills", SendFirst),
        ("partition_class", "kills", EmitFirst),
        ("partition_class", "kills", ForgetUnsent),
        ("partition_class", "deliveries", FoldAnything),
        ("partition_class", "lost_offsets", SilentRepeats),
        ("partition_class", "topic_anew", TopicByName),
        ("owner_class", "two_owners", Unconfirmed),
        ("stage_class", "kills", RingSlots),
        ("stage_class", "two_owners", SameVersion),
    )
}
"""Name -> the exploration that finds it wrong, and what is put in the place of the real one."""
