"""Which Kafka partition a session belongs to.

The default partitioner of Kafka's own clients (murmur2 over the key), so that any client
in any language lands on the same partition.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)


def shard_of(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int32]:
    """Partition of each key; vectorised over keys of one length (session ids all have one).

    Shape (len(keys),). Raises ValueError when `partitions` is below 1.
    """
    if partitions < 1:
        raise ValueError("partitions must be at least 1")
    shards = np.empty(len(keys), np.int32)
    lengths = np.fromiter((len(k) for k in keys), np.int64, len(keys))
    for length in np.unique(lengths).tolist():
        at = np.flatnonzero(lengths == length)
        data = np.frombuffer(b"".join(keys[i] for i in at.tolist()), np.uint8)
        hashes = _murmur2(data.reshape(len(at), length))
        shards[at] = (hashes & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
    return shards


def shards_of_column(keys: pa.Array, partitions: int) -> npt.NDArray[np.int32]:
    """`shard_of` for a column of text without nulls, straight from its bytes."""
    offsets = np.frombuffer(keys.buffers()[1], np.int32)
    offsets = offsets[keys.offset : keys.offset + len(keys) + 1]
    lengths = np.diff(offsets)
    if not len(keys) or (lengths != lengths[0]).any():
        return shard_of([k.encode() for k in keys.to_pylist()], partitions)
    data = np.frombuffer(keys.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    hashes = _murmur2(data.reshape(len(keys), int(lengths[0])))
    return ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int32)


def _murmur2(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """32-bit murmur2 as in org.apache.kafka.common.utils.Utils; data has shape (n, length)."""
    n, length = data.shape
    h = np.full(n, (_SEED ^ length) & 0xFFFFFFFF, np.uint32)
    body = length // 4 * 4
    words = np.ascontiguousarray(data[:, :body]).view("<u4")
    for i in range(words.shape[1]):
        k = words[:, i] * _M
        k ^= k >> np.uint32(24)
        h = (h * _M) ^ (k * _M)
    tail = data[:, body:].astype(np.uint32)
    if tail.shape[1]:
        for i in range(tail.shape[1]):
            h ^= tail[:, i] << np.uint32(8 * i)
        h = h * _M
    h ^= h >> np.uint32(13)
    h = h * _M
    return np.asarray(h ^ (h >> np.uint32(15)), dtype=np.uint32)
