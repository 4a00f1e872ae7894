"""Where a Native block ends, found by stepping over its columns.

Decoding in Python would hold inserts to under 200,000 rows/s; sizes alone need one numpy or C step
for most columns. A column type becomes a `Skip`: what it reads before the data (LowCardinality's
version), and how to step over `rows` values.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from deploy.clickhouse_embedded.errors import NOT_IMPLEMENTED, TOO_LARGE_SIZE, ServerError
from deploy.clickhouse_embedded.reader import BytesReader, Reader
from deploy.clickhouse_embedded.wire import string, varint

Step = Callable[[Reader, int], None]

_WIDTHS: Final = {
    "Nothing": 1, "Bool": 1, "UInt8": 1, "Int8": 1, "Enum8": 1, "UInt16": 2, "Int16": 2,
    "Enum16": 2, "Date": 2, "BFloat16": 2, "UInt32": 4, "Int32": 4, "Float32": 4, "Date32": 4,
    "DateTime": 4, "DateTime32": 4, "Time": 4, "IPv4": 4, "Decimal32": 4, "UInt64": 8, "Int64": 8,
    "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8, "UUID": 16, "IPv6": 16,
    "UInt128": 16, "Int128": 16, "Decimal128": 16, "UInt256": 32, "Int256": 32, "Decimal256": 32,
}  # fmt: skip
_GEO: Final = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_KEY_WIDTHS: Final = (1, 2, 4, 8)
_ELEMENT_NAME: Final = re.compile(r"(?:`(?:[^`\\]|\\.|``)*`|\w+)\s+(?=\S)")
_MAX_COLUMNS: Final = 100_000
_MAX_ROWS: Final = 1 << 30


@dataclass(frozen=True)
class Skip:
    """How to step over a column: `prefix` once, then `rows(reader, n)`."""

    rows: Step
    prefix: Callable[[Reader], None] | None = None
    width: int | None = None


@dataclass(frozen=True)
class Header:
    """The columns of a block."""

    columns: tuple[tuple[str, str], ...]
    rows: int


def split_arguments(text: str) -> list[str]:
    """`UInt8, Array(String), Enum8('a,b' = 1)` to its three parts."""
    parts, depth, start, quote, i = [], 0, 0, "", 0
    while i < len(text):
        char = text[i]
        if quote:
            if char == "\\":
                i += 1
            elif char == quote:
                quote = ""
        elif char in "'`\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "," and not depth:
            parts.append(text[start:i].strip())
            start = i + 1
        i += 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _fixed(width: int) -> Skip:
    return Skip(lambda reader, rows: reader.skip(rows * width), width=width)


def _decimal(arguments: list[str]) -> Skip:
    precision = int(arguments[0]) if arguments else 10
    return _fixed(next(w for p, w in ((9, 4), (18, 8), (38, 16), (76, 32)) if precision <= p))


def _element_type(text: str) -> str:
    """A tuple's element may be named: `name Type`."""
    named = _ELEMENT_NAME.match(text)
    return text[named.end() :] if named else text


def _nullable(inner: Skip) -> Skip:
    def rows(reader: Reader, count: int) -> None:
        reader.skip(count)
        inner.rows(reader, count)

    return Skip(rows, inner.prefix)


def _array(inner: Skip) -> Skip:
    def rows(reader: Reader, count: int) -> None:
        if count:
            reader.skip((count - 1) * 8)
            inner.rows(reader, _checked(reader.uint64()))

    return Skip(rows, inner.prefix)


def _tuple(parts: list[Skip]) -> Skip:
    prefixes = [part.prefix for part in parts if part.prefix]

    def rows(reader: Reader, count: int) -> None:
        for part in parts:
            part.rows(reader, count)

    def prefix(reader: Reader) -> None:
        for read in prefixes:
            read(reader)

    return Skip(rows, prefix if prefixes else None) if parts else _fixed(1)


def _low_cardinality(keys: Skip) -> Skip:
    def rows(reader: Reader, count: int) -> None:
        if not count:
            return
        flags = reader.uint64()
        if flags & 0xFF >= len(_KEY_WIDTHS) or flags & 0x100:
            raise ServerError(NOT_IMPLEMENTED, "LowCardinality with a shared dictionary")
        keys.rows(reader, _checked(reader.uint64()))
        reader.skip(_checked(reader.uint64()) * _KEY_WIDTHS[flags & 0xFF])

    return Skip(rows, lambda reader: reader.skip(8))


def _checked(count: int) -> int:
    if count > _MAX_ROWS:
        raise ServerError(TOO_LARGE_SIZE, f"A column of {count} values is too large")
    return count


@lru_cache(maxsize=1024)
def skipper(type_name: str) -> Skip:
    """How to step over a column of this type; NOT_IMPLEMENTED (48) if its sizes are unknown."""
    name, _, rest = type_name.strip().partition("(")
    name = name.strip()
    arguments = split_arguments(rest.rstrip()[:-1]) if rest else []
    if name in _WIDTHS:
        return _fixed(_WIDTHS[name])
    if name.startswith("Interval"):
        return _fixed(8)
    if name in _GEO:
        return skipper(_GEO[name])
    return _composite(name, arguments, type_name)


def _composite(name: str, arguments: list[str], type_name: str) -> Skip:
    match name:
        case "String":
            return Skip(lambda reader, rows: reader.skip_strings(rows))
        case "FixedString":
            return _fixed(int(arguments[0]))
        case "Decimal":
            return _decimal(arguments)
        case "Nullable":
            return _nullable(skipper(arguments[0]))
        case "Array":
            return _array(skipper(arguments[0]))
        case "Map":
            return _array(_tuple([skipper(argument) for argument in arguments]))
        case "Tuple":
            return _tuple([skipper(_element_type(argument)) for argument in arguments])
        case "Nested":
            return _array(_tuple([skipper(_element_type(argument)) for argument in arguments]))
        case "LowCardinality":
            return _low_cardinality(_keys_of(arguments[0]))
        case "SimpleAggregateFunction":
            return skipper(arguments[-1])
    raise ServerError(NOT_IMPLEMENTED, f"Native data of type {type_name} is not supported here")


def _keys_of(dictionary_type: str) -> Skip:
    """A LowCardinality(Nullable(T)) keeps its keys as plain T; null is key 0."""
    inner = re.fullmatch(r"\s*Nullable\((.*)\)\s*", dictionary_type, re.S)
    return skipper(inner[1] if inner else dictionary_type)


def skip_block(reader: Reader, on_type: Callable[[Reader], None] | None = None) -> Header:
    """Step over one block (after its block info); `on_type` is called after each column's type."""
    count, rows = reader.varint(), reader.varint()
    if count > _MAX_COLUMNS:
        raise ServerError(TOO_LARGE_SIZE, f"A block of {count} columns")
    _checked(rows)
    columns = []
    for _ in range(count):
        columns.append((reader.string(), reader.string()))
        if on_type:
            on_type(reader)
        if rows:
            skip = skipper(columns[-1][1])
            if skip.prefix:
                skip.prefix(reader)
            skip.rows(reader, rows)
    return Header(tuple(columns), rows)


def split(data: bytes) -> Iterator[tuple[Header, bytes]]:
    """The blocks of the engine's Native output, one by one."""
    reader = BytesReader(data)
    while not reader.at_end():
        start = reader.pos
        header = skip_block(reader)
        yield header, data[start : reader.pos]


def empty_block(columns: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A block of no rows: the header of a result, or the end of one."""
    parts = [varint(len(columns)), varint(0)]
    for name, type_name in columns:
        parts += [string(name), string(type_name)]
    return b"".join(parts)


def is_single_block(data: bytes) -> Header | None:
    """The header if `data` is exactly one block that can be stepped over, else None."""
    reader = BytesReader(data)
    try:
        header = skip_block(reader)
    except (ServerError, EOFError):
        return None
    return header if reader.at_end() else None
