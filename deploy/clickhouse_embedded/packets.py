"""Packets of the native protocol, as bytes in and out. Section numbers: none is published; the
reference is src/Core/Protocol.h and src/Server/TCPHandler.cpp of ClickHouse."""

from dataclasses import dataclass
from typing import Final

from deploy.clickhouse_embedded import wire
from deploy.clickhouse_embedded.errors import NOT_IMPLEMENTED, UNEXPECTED_PACKET, ServerError
from deploy.clickhouse_embedded.reader import Reader

# From 54441 on more fields follow in a query (interserver secret, OpenTelemetry, parameters); at
# 54429 clickhouse-go and clickhouse-driver disagree on how settings are written.
REVISION: Final = 54440
OLDEST_REVISION: Final = 54430

HELLO: Final = 0
QUERY: Final = 1
DATA: Final = 2
CANCEL: Final = 3
PING: Final = 4
TABLES_STATUS: Final = 5

_S_HELLO, _S_DATA, _S_EXCEPTION, _S_PROGRESS, _S_PONG, _S_END, _S_PROFILE = range(7)
_S_TABLES_STATUS: Final = 9
_IMPORTANT: Final = 1
_TCP: Final = 1

BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
PONG: Final = wire.varint(_S_PONG)
END_OF_STREAM: Final = wire.varint(_S_END)


@dataclass(frozen=True)
class Hello:
    client: str
    revision: int
    database: str
    user: str
    password: str


@dataclass(frozen=True)
class Query:
    query_id: str
    settings: dict[str, str]
    settings_important: bool
    compressed: bool
    text: str


def read_hello(reader: Reader) -> Hello:
    client = reader.string()
    reader.varint(), reader.varint()  # version of the client
    revision = reader.varint()
    return Hello(client, revision, reader.string(), reader.string(), reader.string())


def hello(version: str, timezone: str, display_name: str) -> bytes:
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    varint, string = wire.varint, wire.string
    return b"".join(
        (varint(_S_HELLO), string("ClickHouse"), varint(major), varint(minor), varint(REVISION),
         string(timezone), string(display_name), varint(patch))
    )  # fmt: skip


def read_query(reader: Reader) -> Query:
    query_id = reader.string()
    _skip_client_info(reader)
    settings, important = _read_settings(reader)
    reader.varint()  # stage: always complete
    compressed = bool(reader.varint())
    return Query(query_id, settings, important, compressed, reader.string())


def _skip_client_info(reader: Reader) -> None:
    if not reader.uint8():  # kind of query: none
        return
    for _ in range(3):  # initial user, query id, address
        reader.string()
    if reader.uint8() != _TCP:
        raise ServerError(NOT_IMPLEMENTED, "Queries passed on from another interface")
    for _ in range(3):  # user of the system, host, client
        reader.string()
    for _ in range(3):  # version and revision of the client
        reader.varint()
    reader.string()  # quota key
    reader.varint()  # patch of the version


def _read_settings(reader: Reader) -> tuple[dict[str, str], bool]:
    settings: dict[str, str] = {}
    important = False
    while name := reader.string():
        important |= bool(reader.varint() & _IMPORTANT)
        settings[name] = reader.string()
    return settings, important


def skip_block_info(reader: Reader) -> None:
    while field := reader.varint():
        if field not in (1, 2):
            raise ServerError(UNEXPECTED_PACKET, f"Unknown field {field} of a block's info")
        reader.skip(1 if field == 1 else 4)


def data(block: bytes, compressed: bool) -> bytes:
    body = BLOCK_INFO + block
    return wire.varint(_S_DATA) + wire.string("") + (wire.compress(body) if compressed else body)


def exception(error: ServerError) -> bytes:
    return b"".join(
        (wire.varint(_S_EXCEPTION), wire.int32(error.code), wire.string("DB::Exception"),
         wire.string(error.message), wire.string(""), b"\x00")
    )  # fmt: skip


def progress(rows: int = 0, size: int = 0, written_rows: int = 0, written_bytes: int = 0) -> bytes:
    numbers = (_S_PROGRESS, rows, size, 0, written_rows, written_bytes)
    return b"".join(wire.varint(number) for number in numbers)


def profile_info(rows: int, blocks: int, size: int) -> bytes:
    counts = b"".join(wire.varint(number) for number in (_S_PROFILE, rows, blocks, size))
    return counts + b"\x00" + wire.varint(rows) + b"\x00"  # no limit was applied


def tables_status(reader: Reader) -> bytes:
    """Answer a request for the state of tables: none is replicated here."""
    count = reader.varint()
    parts = [wire.varint(_S_TABLES_STATUS), wire.varint(count)]
    for _ in range(count):
        parts += [wire.string(reader.string()), wire.string(reader.string()), b"\x00"]
    return b"".join(parts)
