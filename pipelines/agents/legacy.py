"""The layout of entries of state version 1: read once to upgrade it, and guarded against.

There the epoch, modulo four, was part of the key: `name#variant#piece`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

_VARIANTS = 4
_HEAD = struct.Struct("<QQHH")
"""epoch, serial of the write, number of pieces, this piece"""
# Above every epoch that was ever given out, so that a worker of version 1 reads the guard.
_GUARD_EPOCH = 1 << 62


def read(get: Callable[[bytes], bytes | None], name: str) -> tuple[int, bytes] | None:
    """(epoch, value) of the entry with the highest epoch that is not the guard."""
    found = [v for i in range(_VARIANTS) if (v := _variant(get, name, i)) is not None]
    return max(found, key=lambda v: v[0]) if found else None


def guard() -> dict[bytes, bytes]:
    """Heads that a worker of version 1 finds first, and refuses: they say another version.

    Without them it would find nothing, take the partition for a new one and begin afresh.
    """
    head = {"format": 1, "state_version": 2, "names": [], "written": [], "positions": {}}
    value = _HEAD.pack(_GUARD_EPOCH, 1, 1, 0) + json.dumps(head).encode()
    return {_key("head", i, 0): value for i in range(_VARIANTS)}


def is_guard(key: bytes) -> bool:
    """Whether the key is one of the guard's."""
    return key in {_key("head", i, 0) for i in range(_VARIANTS)}


def _variant(
    get: Callable[[bytes], bytes | None], name: str, variant: int
) -> tuple[int, bytes] | None:
    first = get(_key(name, variant, 0))
    if first is None:
        return None
    epoch, serial, count, _ = _HEAD.unpack_from(first)
    if epoch == _GUARD_EPOCH:
        return None
    parts = [first[_HEAD.size :]]
    for i in range(1, count):
        part = get(_key(name, variant, i))
        if part is None or _HEAD.unpack_from(part)[:3] != (epoch, serial, count):
            return None
        parts.append(part[_HEAD.size :])
    return epoch, b"".join(parts)


def _key(name: str, variant: int, piece: int) -> bytes:
    return f"{name}#{variant}#{piece}".encode()
