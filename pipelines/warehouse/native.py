"""Columns to ClickHouse's Native format, without a Python object per value.

The driver encodes lists value by value, which costs as much as the engine's own work. Blocks
made here from arrays go out on the driver's connection as they are.
Format: https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.columns import Coded, Column, Maybe

_NUMBERS: dict[str, npt.DTypeLike] = {
    "UInt8": np.uint8,
    "UInt16": np.uint16,
    "UInt32": np.uint32,
    "UInt64": np.uint64,
    "Int8": np.int8,
    "Int16": np.int16,
    "Int32": np.int32,
    "Int64": np.int64,
    "Float32": np.float32,
    "Float64": np.float64,
}
# LowCardinality: keys serialised with the block, "additional keys" and "update dictionary" set.
_LC_VERSION = struct.pack("<q", 1)
_LC_FLAGS = (1 << 9) | (1 << 10)


def encode_column(type_name: str, column: Column) -> bytes:
    """Bytes of one column of a block. Raises ValueError for a type or shape that does not fit."""
    if type_name.startswith("LowCardinality(String"):
        return _low_cardinality(column)
    if type_name.startswith("Nullable("):
        if not isinstance(column, Maybe):
            raise ValueError(f"{type_name} needs a nullable column")
        inner = encode_column(type_name[len("Nullable(") : -1], column.values)
        return column.null.astype(np.uint8).tobytes() + inner
    if type_name == "String":
        return _strings(column)
    if not isinstance(column, np.ndarray):
        raise ValueError(f"{type_name} needs numbers")
    return column.astype(_number_dtype(type_name), copy=False).tobytes()


def _number_dtype(type_name: str) -> npt.DTypeLike:
    # Times come in as the whole numbers that ClickHouse keeps: seconds, or ticks of the scale.
    if type_name.startswith("DateTime64("):
        return np.int64
    if type_name.startswith("DateTime"):
        return np.uint32
    try:
        return _NUMBERS[type_name]
    except KeyError:
        raise ValueError(f"no encoding for ClickHouse type {type_name}") from None


def _strings(column: Column) -> bytes:
    if isinstance(column, Coded):
        column = [column.values[i] for i in column.codes.tolist()]
    if isinstance(column, np.ndarray) and column.dtype.kind == "S":
        width = column.dtype.itemsize
        if width < 128 and not _padded(column):
            out = np.empty((len(column), width + 1), np.uint8)
            out[:, 0] = width
            out[:, 1:] = np.ascontiguousarray(column).view(np.uint8).reshape(-1, width)
            return out.tobytes()
        return b"".join(_string(value) for value in column.tolist())
    if isinstance(column, list):
        return b"".join(_string(text.encode()) for text in column)
    raise ValueError("String needs text")


def _padded(column: npt.NDArray[Any]) -> bool:
    """Whether a value is shorter than the array's width (numpy pads with zero bytes)."""
    last = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)[:, -1:]
    return bool((last == 0).any())


def _string(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _low_cardinality(column: Column) -> bytes:
    if not isinstance(column, Coded):
        if not isinstance(column, list):
            raise ValueError("LowCardinality(String) needs codes or text")
        column = _code(column)
    if not len(column):
        return _LC_VERSION
    # The dictionary's first key must be the type's default value, as in the engine's own blocks.
    keys = ["", *column.values]
    size = 0 if len(keys) <= 0x100 else 1 if len(keys) <= 0x10000 else 2
    dtype = (np.uint8, np.uint16, np.uint32)[size]
    head = struct.pack("<qq", _LC_FLAGS | size, len(keys))
    body = b"".join(_string(key.encode()) for key in keys)
    index = (column.codes.astype(np.int64) + 1).astype(dtype).tobytes()
    return _LC_VERSION + head + body + struct.pack("<q", len(column)) + index


def _code(texts: list[str]) -> Coded:
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(t, len(place)) for t in texts], np.int32)
    return Coded(codes, list(place))
