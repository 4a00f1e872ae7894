"""Random ids of 32 hex digits, as fixed-width bytes so that a gather is a memory copy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[np.bytes_]
ID_TYPE = np.dtype("S32")
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def random_ids(rng: np.random.Generator, count: int) -> Ids:
    """Shape (count,), dtype S32: 128 random bits each, in lower-case hex."""
    raw = np.frombuffer(rng.bytes(16 * count), np.uint8)
    digits = np.empty((count, 32), np.uint8)
    digits[:, 0::2] = _HEX[raw >> 4].reshape(count, 16)
    digits[:, 1::2] = _HEX[raw & 15].reshape(count, 16)
    return digits.view(ID_TYPE).reshape(count)


def to_arrow(ids: Ids) -> pa.StringArray:
    """A string column over the same bytes; no Python object per row."""
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * 32
    data = np.ascontiguousarray(ids)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(data))


def to_text(ids: Ids, index: int) -> str:
    return bytes(ids[index]).decode("ascii")
