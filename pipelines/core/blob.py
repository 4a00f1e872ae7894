"""Arrays to bytes and back, for the checkpoint: compressed, and cut to what Kafka takes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Arrays = dict[str, npt.NDArray[Any]]
MAX_PIECE = 900_000
_HEAD = struct.Struct("<QI")
_FRAME = struct.Struct("<I")


def pack(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """One compressed blob of named arrays (numbers and fixed-width bytes, no objects)."""
    index, bodies = {}, []
    for name, array in arrays.items():
        flat = np.asarray(array, order="C")
        index[name] = (flat.dtype.str, flat.shape)
        bodies.append(flat.tobytes())
    head = json.dumps(index).encode()
    raw = b"".join([head, *bodies])
    return _HEAD.pack(len(raw), len(head)) + bytes(pa.compress(raw, codec="zstd", asbytes=True))


def unpack(blob: bytes) -> Arrays:
    """What `pack` was given."""
    size, head = _HEAD.unpack_from(blob)
    raw = pa.decompress(blob[_HEAD.size :], size, codec="zstd", asbytes=True)
    out, at = {}, head
    for name, (dtype, shape) in json.loads(raw[:head]).items():
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            out[name] = np.empty(shape, dtype)
            continue
        array = np.frombuffer(raw, dtype, count, at).reshape(shape)
        out[name] = array.copy()
        at += array.nbytes
    return out


def pieces(blob: bytes) -> Iterator[bytes]:
    """Cut a blob below the size of a Kafka record."""
    for start in range(0, max(len(blob), 1), MAX_PIECE):
        yield blob[start : start + MAX_PIECE]


def framed(messages: Sequence[bytes]) -> bytes:
    """Messages in one blob, compressed."""
    raw = b"".join(_FRAME.pack(len(m)) + m for m in messages)
    return _HEAD.pack(len(raw), 0) + bytes(pa.compress(raw, codec="zstd", asbytes=True))


def unframed(blob: bytes) -> list[bytes]:
    """What `framed` was given; nothing for no bytes at all."""
    if not blob:
        return []
    size, _ = _HEAD.unpack_from(blob)
    raw = pa.decompress(blob[_HEAD.size :], size, codec="zstd", asbytes=True)
    out, at = [], 0
    while at < size:
        (length,) = _FRAME.unpack_from(raw, at)
        at += _FRAME.size
        out.append(raw[at : at + length])
        at += length
    return out
