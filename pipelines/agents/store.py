"""The checkpoint's entries in a Faust table: cut to size, fenced by epoch, acknowledged.

A worker that was paused and wakes up can still write. So the epoch (claimed at load, one above
the stored one) is part of the key, modulo a few, and of the value: the highest one wins.
"""

from __future__ import annotations

import asyncio
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import faust
from faust import streams
from faust.types import EventT

from pipelines.core.blob import pieces

Event = EventT[Any]

# A zombie this many epochs old would write over the keys of the living: each epoch takes a
# rebalance, and a session timeout passes between two of them.
VARIANTS = 4
_HEAD = struct.Struct("<QQHH")
"""epoch, serial of the write, number of pieces, this piece"""


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


class Table(Protocol):
    """What the store needs of a table of bytes."""

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
    """Entries of one partition. Call it within `event_context` of an event of the partition."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._serial = 0
        self._sent: list[Any] = []

    def read(self, name: str) -> tuple[int, bytes] | None:
        """(epoch, value) of the entry with the highest epoch; None when there is none."""
        found = [v for i in range(VARIANTS) if (v := self._variant(name, i)) is not None]
        return max(found, key=lambda v: v[0]) if found else None

    def write(self, name: str, epoch: int, value: bytes) -> None:
        """Put the entry under `epoch`; what older epochs left of it is removed."""
        self._serial += 1
        parts = list(pieces(value))
        for i, part in enumerate(parts):
            head = _HEAD.pack(epoch, self._serial, len(parts), i)
            self._table[_key(name, epoch, i)] = head + part
        for i in range(VARIANTS):
            if i != epoch % VARIANTS:
                self._remove_older(name, i, epoch)
        # The table is shared by all partitions: what was sent just now is ours to wait for.
        self._sent += self._table.take_sent()

    async def acknowledged(self) -> None:
        """Return when Kafka has everything written so far."""
        waiting, self._sent = self._sent, []
        await asyncio.gather(*waiting)

    def _variant(self, name: str, variant: int) -> tuple[int, bytes] | None:
        first = self._table.get(_key(name, variant, 0))
        if first is None:
            return None
        epoch, serial, count, _ = _HEAD.unpack_from(first)
        parts = [first[_HEAD.size :]]
        for i in range(1, count):
            part = self._table.get(_key(name, variant, i))
            # A write that was cut off by a crash is no entry; the head names the one before.
            if part is None or _HEAD.unpack_from(part)[:3] != (epoch, serial, count):
                return None
            parts.append(part[_HEAD.size :])
        return epoch, b"".join(parts)

    def _remove_older(self, name: str, variant: int, epoch: int) -> None:
        first = self._table.get(_key(name, variant, 0))
        if first is not None and _HEAD.unpack_from(first)[0] < epoch:
            for i in range(_HEAD.unpack_from(first)[2]):
                if self._table.get(_key(name, variant, i)) is not None:
                    del self._table[_key(name, variant, i)]


def _key(name: str, epoch: int, piece: int) -> bytes:
    return f"{name}#{epoch % VARIANTS}#{piece}".encode()
