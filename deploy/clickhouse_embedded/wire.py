"""The native protocol's smallest parts: varints, strings, fixed integers and LZ4 frames.

Format of a frame (src/Compression/CompressedReadBufferBase.cpp): CityHash128 of what follows, two
little-endian words with the high word first; one byte of method; the size of method, sizes and
payload together (u32); the size of the raw data (u32); the payload.
"""

import struct
from typing import Final

import lz4.block
import numpy as np
from clickhouse_cityhash.cityhash import CityHash128

from deploy.clickhouse_embedded.errors import (
    CANNOT_DECOMPRESS,
    CHECKSUM_DOESNT_MATCH,
    TOO_LARGE_SIZE,
    UNKNOWN_COMPRESSION_METHOD,
    ServerError,
)

METHOD_LZ4: Final = 0x82
METHOD_ZSTD: Final = 0x90
METHOD_NONE: Final = 0x02
FRAME_HASH: Final = 16
FRAME_HEADER: Final = 9
FRAME_RAW_BYTES: Final = 1 << 20
MAX_FRAME_BYTES: Final = 1 << 30
_U64: Final = (1 << 64) - 1


def varint(value: int) -> bytes:
    """LEB128, at most ten bytes."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(value: str | bytes) -> bytes:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return varint(len(raw)) + raw


def int32(value: int) -> bytes:
    return struct.pack("<i", value)


def frame_hash(body: bytes) -> bytes:
    """The 16 bytes before a frame's body (the body begins with the method byte)."""
    value = CityHash128(body)
    return struct.pack("<QQ", value >> 64 & _U64, value & _U64)


def compress(data: bytes | memoryview) -> bytes:
    """LZ4 frames of at most 1 MiB of raw data each: what the real server writes."""
    view = memoryview(data)
    frames = []
    for start in range(0, len(view), FRAME_RAW_BYTES):
        raw = view[start : start + FRAME_RAW_BYTES]
        payload = lz4.block.compress(raw, store_size=False)
        body = struct.pack("<BII", METHOD_LZ4, len(payload) + FRAME_HEADER, len(raw)) + payload
        frames += [frame_hash(body), body]
    return b"".join(frames)


def frame_sizes(header: bytes) -> tuple[int, int, int]:
    """(method, bytes of payload, bytes of raw data) from the nine bytes after the hash."""
    method, with_header, raw = struct.unpack("<BII", header)
    if with_header < FRAME_HEADER or with_header > MAX_FRAME_BYTES or raw > MAX_FRAME_BYTES:
        raise ServerError(TOO_LARGE_SIZE, "Compressed frame of an impossible size")
    return method, with_header - FRAME_HEADER, raw


def decompress(checksum: bytes, header: bytes, payload: bytes) -> bytes:
    """The raw data of one frame, its checksum verified first."""
    method, _, raw_size = frame_sizes(header)
    if frame_hash(header + payload) != checksum:
        raise ServerError(CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data.")
    try:
        return _decode(method, payload, raw_size)
    except (lz4.block.LZ4BlockError, OSError, ValueError) as error:
        raise ServerError(CANNOT_DECOMPRESS, f"Cannot decompress: {error}") from None


def _decode(method: int, payload: bytes, raw_size: int) -> bytes:
    if method == METHOD_LZ4:
        return bytes(lz4.block.decompress(payload, uncompressed_size=raw_size))
    if method == METHOD_ZSTD:
        import pyarrow as pa  # here, because only a client that asks for zstd needs it

        return bytes(pa.Codec("zstd").decompress(payload, raw_size, asbytes=True))
    if method == METHOD_NONE:
        return payload
    raise ServerError(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method {method:#x}")


def skip_strings(data: bytes, pos: int, rows: int) -> tuple[int, int]:
    """Step over `rows` strings from `pos`; returns (position, rows not found whole in `data`).

    Lengths are varints, so each start depends on the one before. Equal lengths (identifiers, codes)
    are settled by one comparison in numpy; the rest is the tightest loop that Python has, about
    40 ns a string.
    """
    size = len(data)
    if rows > 16 and pos < size:
        step = data[pos] + 1
        if step <= 0x80 and pos + step * rows <= size:
            lengths = np.frombuffer(data, np.uint8, step * (rows - 1) + 1, pos)[::step]
            if (lengths == step - 1).all():
                return pos + step * rows, 0
    return _skip_strings_one_by_one(data, pos, rows)


def _skip_strings_one_by_one(data: bytes, pos: int, rows: int) -> tuple[int, int]:
    size = len(data)
    start = pos
    try:
        for left in range(rows, 0, -1):
            start = pos
            length = data[pos]
            if length < 0x80:
                pos += length + 1
            else:
                length, pos = _long_length(data, pos)
                pos += length
            if pos > size:
                return start, left
    except IndexError:
        return start, left
    return pos, 0


def _long_length(data: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7
        if shift > 63:
            raise ServerError(TOO_LARGE_SIZE, "A string's length is not a varint")
