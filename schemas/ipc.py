"""How much an Arrow stream inflates to, read off its own headers before anything is inflated.

Arrow may compress each buffer of a batch; the reader then allocates what the buffer says it holds.
A few kilobytes can say gigabytes. The layout is that of Arrow's columnar format ("Encapsulated
message format") and of its flatbuffers `Message.fbs`.
"""

from __future__ import annotations

import struct

_CONTINUES = 0xFFFFFFFF
_HEADER, _BODY_LENGTH = 2, 3  # fields of Message
_TYPE = 1
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # values of Message.header_type
_DATA = 1  # field of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch
_PLAIN = -1  # the length of a buffer that was left as it is
_OLD_COMPRESSION = b"ARROW:experimental_compression"

_u16, _u32 = struct.Struct("<H").unpack_from, struct.Struct("<I").unpack_from
_i32, _i64 = struct.Struct("<i").unpack_from, struct.Struct("<q").unpack_from
_buffer = struct.Struct("<qq").unpack_from


def inflated_bytes(stream: bytes) -> int:
    """Bytes that the compressed buffers of all messages become; 0 where nothing is compressed.

    Raises ValueError for a stream whose messages do not fit into it.
    """
    try:
        return _walk(stream)
    except (struct.error, IndexError):
        raise ValueError("a message is cut off") from None


def _walk(stream: bytes) -> int:
    at, end, total = 0, len(stream), 0
    while at + 4 <= end:
        length: int = _u32(stream, at)[0]
        at += 4
        if length == _CONTINUES:
            length = _u32(stream, at)[0]
            at += 4
        if not length:  # the end of the stream
            break
        if length > end - at:
            raise ValueError("a message is longer than the stream")
        message = _table(stream, at)
        body, size = at + length, 0
        place = _field(stream, message, _BODY_LENGTH)
        if place:
            size = _i64(stream, place)[0]
        if not 0 <= size <= end - body:
            raise ValueError("a body is longer than the stream")
        total += _inflated(stream, message, body, at + length)
        at = body + size
    return total


def _inflated(stream: bytes, message: int, body: int, end: int) -> int:
    kind, header = _field(stream, message, _TYPE), _field(stream, message, _HEADER)
    if not kind or not header or stream[kind] not in {_DICTIONARY_BATCH, _RECORD_BATCH}:
        return 0
    batch = _follow(stream, header)
    if stream[kind] == _DICTIONARY_BATCH:
        batch = _follow(stream, _field(stream, batch, _DATA))
    if not _field(stream, batch, _COMPRESSION):
        if stream.find(_OLD_COMPRESSION, message, end) >= 0:
            raise ValueError("is of a version before 1.0 of Arrow's format")
        return 0
    return sum(_sizes(stream, _follow(stream, _field(stream, batch, _BUFFERS)), body))


def _sizes(stream: bytes, vector: int, body: int) -> list[int]:
    """What each buffer says that it becomes: its first eight bytes."""
    count: int = _u32(stream, vector)[0]
    if count > len(stream) // 16:
        raise ValueError("a message is longer than the stream")
    sizes = []
    for n in range(count):
        offset, length = _buffer(stream, vector + 4 + 16 * n)
        if not 0 <= offset <= len(stream) or not 0 <= length <= len(stream):
            raise ValueError("a buffer is outside of the stream")
        if length:
            said: int = _i64(stream, body + offset)[0]
            if said < _PLAIN:
                raise ValueError("a buffer has a negative length")
            sizes.append(length if said == _PLAIN else said)
    return sizes


def _table(stream: bytes, at: int) -> int:
    """The root table of the flatbuffer at `at`."""
    return at + int(_u32(stream, at)[0])


def _field(stream: bytes, table: int, number: int) -> int:
    """Place of a field of a table; 0 where it is absent."""
    vtable = table - _i32(stream, table)[0]
    slot = 4 + 2 * number
    if slot >= _u16(stream, vtable)[0]:
        return 0
    offset = int(_u16(stream, vtable + slot)[0])
    return table + offset if offset else 0


def _follow(stream: bytes, place: int) -> int:
    """Where the offset at `place` leads."""
    return place + int(_u32(stream, place)[0])
