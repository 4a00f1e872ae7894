"""The checkpoint's entries in a Faust table: cut to size, fenced by owner, acknowledged.

A worker that was paused and wakes up can still write. So each owner of a partition has a fence,
(epoch, generation) in one number, higher than any before it, and writes under keys of its own.
What it needs of an older owner it writes again at load; from then on nobody else can touch it.

An entry of one piece is written over in one record. One of several is not: it has two places that
take turns, so that a write that a crash cuts off leaves what was there before.
"""

from __future__ import annotations

import json
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple, Protocol

import faust
from faust import streams
from faust.types import EventT

from pipelines.agents import legacy
from pipelines.core.blob import pieces
from pipelines.core.upgrade import STATE_VERSION, outdated

Event = EventT[Any]

_HEAD = struct.Struct("<QQHH")
"""fence, serial of the write, number of pieces, this piece"""
HEAD = "head"
_SECOND = 10_000
"""The first piece of the second place; an entry has fewer pieces."""


class IncompleteCopyError(Exception):
    """The copy of the state here lacks entries that its head speaks of."""


class Key(NamedTuple):
    """Where a piece of an entry stands."""

    name: str
    fence: int
    piece: int

    def encode(self) -> bytes:
        return f"{self.name}@{self.fence:016x}#{self.piece}".encode()

    @classmethod
    def decode(cls, key: bytes) -> Key | None:
        """None for a key of the layout before this one."""
        text, _, piece = key.decode().rpartition("#")
        name, at, fence = text.rpartition("@")
        return cls(name, int(fence, 16), int(piece)) if at else None


class AcknowledgedTable(faust.Table[bytes, bytes]):
    """A table whose changelog writes can be waited for, each of them.

    The producer's own flush gives up after 0.1 s without a message sent and does not count the
    one in its hands, so a checkpoint that relied on it could be acknowledged before it is kept.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unacknowledged: list[Any] = []

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        sent = super().send_changelog(*args, **kwargs)
        self.unacknowledged.append(sent)
        return sent

    def take_sent(self) -> list[Any]:
        """The writes made since the last call, to be waited for."""
        sent, self.unacknowledged = self.unacknowledged, []
        return sent

    def keys_here(self) -> list[bytes]:
        """Keys of the current event's partition. Faust's own `keys` has those of all of them."""
        store: Any = self.data
        return list(store._visible_keys(store._db_for_partition(_partition_here())))

    def __delitem__(self, key: bytes) -> None:
        """Delete the key of the current event's partition.

        Faust's store deletes where it has seen the key last, or everywhere: keys are alike in all
        partitions, and another's copy would lack what its head speaks of.
        """
        store: Any = self.data
        store._key_index[key] = _partition_here()
        super().__delitem__(key)


def _partition_here() -> int:
    event = streams.current_event()
    if event is None:
        raise RuntimeError("no event: use event_context")
    return int(event.message.partition)


class Table(Protocol):
    """What the store needs of a table of bytes."""

    def keys_here(self) -> list[bytes]: ...
    def get(self, key: bytes) -> bytes | None: ...
    def __setitem__(self, key: bytes, value: bytes) -> None: ...
    def __delitem__(self, key: bytes) -> None: ...
    def take_sent(self) -> list[Any]: ...


@contextmanager
def event_context(event: Event) -> Iterator[None]:
    """Table access finds its partition through the current event, also outside of the stream."""
    token = streams._current_event.set(weakref.ref(event))
    try:
        yield
    finally:
        streams._current_event.reset(token)


class StateStore:
    """Entries of one partition. Read and write within `event_context` of one of its events."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._serial = 0
        self._places: dict[tuple[str, int], int] = {}
        self._sent: list[Any] = []

    def newest_head(self) -> tuple[int, bytes] | None:
        """(fence, value) of the highest head; None when there is none."""
        heads = {k.fence for k in self._keys() if k is not None and k.name == HEAD}
        for fence in sorted(heads, reverse=True):
            value = self.read(HEAD, fence)
            if value is not None:
                return fence, value
        return None

    def checkpoint(self) -> tuple[dict[str, Any], dict[str, bytes]] | None:
        """Head and entries of the newest checkpoint, of whatever version; None for none.

        Raises IncompleteCopyError: to go on with what is there would be wrong and look right.
        """
        found = self.newest_head()
        if found is not None:
            fence, head = found[0], json.loads(found[1])
            read = {name: self.read(name, fence) for name in head["names"]}
            kept = {name: value for name, value in read.items() if value is not None}
            lost = self._lost(head, fence, read.keys() - kept.keys())
            if lost:
                raise IncompleteCopyError(", ".join(sorted(lost)[:5]))
            return head, kept
        old = legacy.read(self._table.get, HEAD)
        if old is None:
            return None
        head = json.loads(old[1]) | {"epoch": old[0]}
        had = {name: legacy.read(self._table.get, name) for name in head["names"]}
        return head, {name: value[1] for name, value in had.items() if value is not None}

    def _lost(self, head: dict[str, Any], fence: int, absent: set[str]) -> set[str]:
        """Entries that must be there. What no window reaches is removed behind the head that still
        names it; before version 5 one that was being written over could be cut off in the middle;
        and what is older still has rules of its own."""
        version = head.get("state_version")
        if version not in (4, STATE_VERSION):
            return set()
        absent = absent - outdated(absent, head["closed_through"])
        return {n for n in absent if version == STATE_VERSION or not self.partly(n, fence)}

    def partly(self, name: str, fence: int) -> bool:
        """Whether a first piece of the entry is there."""
        return any(self._piece(name, fence, place) is not None for place in (0, _SECOND))

    def read(self, name: str, fence: int) -> bytes | None:
        """The entry that the owner with `fence` wrote last; None when it is nowhere whole."""
        found = [self._whole(name, fence, place) for place in (0, _SECOND)]
        whole = [one for one in found if one is not None]
        return max(whole)[1] if whole else None

    def _whole(self, name: str, fence: int, place: int) -> tuple[int, bytes] | None:
        """(serial, value) of what stands at one place; None where it is not whole."""
        first = self._piece(name, fence, place)
        if first is None:
            return None
        _, serial, of, _ = _HEAD.unpack_from(first)
        parts = [first[_HEAD.size :]]
        for i in range(1, of):
            part = self._piece(name, fence, place + i)
            # A write that was cut off by a crash is no entry.
            if part is None or _HEAD.unpack_from(part)[:3] != (fence, serial, of):
                return None
            parts.append(part[_HEAD.size :])
        return serial, b"".join(parts)

    def _piece(self, name: str, fence: int, piece: int) -> bytes | None:
        return self._table.get(Key(name, fence, piece).encode())

    def write(self, name: str, fence: int, value: bytes) -> None:
        """Put the entry under `fence`; what it was is there until all of this one is."""
        self._serial += 1
        parts = list(pieces(value))
        last = self._places.get((name, fence))
        place = last or 0
        if len(parts) > 1 and last is not None:
            place = _SECOND - last
        self._places[name, fence] = place
        for i, part in enumerate(parts):
            head = _HEAD.pack(fence, self._serial, len(parts), i)
            self._table[Key(name, fence, place + i).encode()] = head + part
        self._note_sent()

    def remove(self, names: set[str], fence: int) -> None:
        """Forget entries of one owner."""
        for name in names:
            self._places.pop((name, fence), None)
            for place in (0, _SECOND):
                # As far as there are any: an entry may have been longer once.
                for piece in count(place):
                    if self._piece(name, fence, piece) is None:
                        break
                    del self._table[Key(name, fence, piece).encode()]
        self._note_sent()

    def remove_others(self, fence: int) -> None:
        """Forget whatever other owners left. Call it when our own head is in Kafka."""
        for raw in self._table.keys_here():
            key = Key.decode(raw)
            if (key is None and not legacy.is_guard(raw)) or (key and key.fence < fence):
                del self._table[raw]
        self._note_sent()

    def guard(self) -> None:
        """Make workers of the version before refuse this partition, rather than begin afresh."""
        for key, value in legacy.guard().items():
            if self._table.get(key) != value:
                self._table[key] = value
        self._note_sent()

    async def acknowledged(self) -> None:
        """Return when Kafka has everything written so far."""
        waiting, self._sent = self._sent, []
        for one in waiting:
            await one

    def _note_sent(self) -> None:
        # The table is shared by all partitions: what was sent just now is ours to wait for.
        self._sent += self._table.take_sent()

    def _keys(self) -> list[Key | None]:
        return [Key.decode(raw) for raw in self._table.keys_here()]
