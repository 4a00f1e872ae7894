"""Where a Native block ends, for types that the driver does not write and for damaged data."""

import struct

import pytest

from deploy.clickhouse_embedded import blocks, wire
from deploy.clickhouse_embedded.errors import ServerError
from deploy.clickhouse_embedded.reader import BytesReader


def _block(type_name: str, rows: int, data: bytes) -> bytes:
    head = wire.varint(1) + wire.varint(rows) + wire.string("c") + wire.string(type_name)
    return head + data


def _u64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


@pytest.mark.parametrize(
    ("type_name", "rows", "data"),
    [
        ("UInt8", 3, b"abc"),
        ("UInt256", 2, b"x" * 64),
        ("FixedString(5)", 2, b"x" * 10),
        ("Decimal(9, 2)", 2, b"x" * 8),
        ("Decimal(10, 2)", 2, b"x" * 16),
        ("Decimal(76, 2)", 1, b"x" * 32),
        ("Decimal64(3)", 1, b"x" * 8),
        ("DateTime64(3, 'Asia/Shanghai')", 2, b"x" * 16),
        ("Enum8('a)' = 1, 'b\\'(' = 2)", 2, b"xx"),
        ("IntervalSecond", 2, b"x" * 16),
        ("Nothing", 3, b"000"),
        ("Nullable(UInt16)", 2, b"\0\1" + b"xxxx"),
        ("String", 3, b"\x01a\x00\x02bc"),
        ("Array(UInt8)", 3, _u64(0, 2, 3) + b"abc"),
        ("Array(Array(String))", 2, _u64(1, 2) + _u64(1, 3) + b"\1a\1b\1c"),
        ("Map(String, UInt8)", 2, _u64(1, 2) + b"\1a\1b" + b"xy"),
        ("Tuple(a UInt8, `b c` String)", 2, b"xy" + b"\1a\1b"),
        ("Tuple()", 2, b"00"),
        ("Nested(a UInt8, b String)", 1, _u64(2) + b"xy" + b"\1a\1b"),
        ("Point", 1, b"x" * 16),
        ("Polygon", 1, _u64(1) + _u64(2) + b"x" * 32),
        ("LowCardinality(String)", 2, _u64(1, 0x600, 2) + b"\0\1a" + _u64(2) + b"\0\1"),
        ("LowCardinality(Nullable(String))", 1, _u64(1, 0x601, 2) + b"\0\1a" + _u64(1) + b"\0\1"),
        (
            "Map(LowCardinality(String), LowCardinality(String))",
            1,
            _u64(1, 1) + _u64(1) + (_u64(0x600, 1) + b"\1a" + _u64(1) + b"\0") * 2,
        ),
        ("Array(LowCardinality(String))", 2, _u64(1) + _u64(0, 0)),
        ("SimpleAggregateFunction(sum, Decimal(38, 2))", 1, b"x" * 16),
        ("SimpleAggregateFunction(groupArrayArray(5), Array(UInt8))", 1, _u64(2) + b"xy"),
    ],
)
def test_a_column_is_stepped_over(type_name: str, rows: int, data: bytes) -> None:
    block = _block(type_name, rows, data)
    reader = BytesReader(block + b"rest")
    assert blocks.skip_block(reader) == blocks.Header((("c", type_name),), rows)
    assert reader.pos == len(block)
    assert [part for _, part in blocks.split(block * 3)] == [block] * 3
    assert blocks.is_single_block(block) is not None
    assert blocks.is_single_block(block * 2) is None
    for cut in range(len(block) - len(data), len(block)):
        with pytest.raises(EOFError):
            blocks.skip_block(BytesReader(block[:cut]))


@pytest.mark.parametrize(
    "type_name", ["JSON", "Dynamic", "Variant(UInt8, String)", "AggregateFunction(uniq, UInt8)"]
)
def test_types_of_unknown_size_are_refused(type_name: str) -> None:
    with pytest.raises(ServerError) as caught:
        blocks.skip_block(BytesReader(_block(type_name, 1, b"x" * 100)))
    assert caught.value.code == 48
    empty = blocks.skip_block(BytesReader(_block(type_name, 0, b"")))
    assert empty.columns == (("c", type_name),)


@pytest.mark.parametrize(
    "block",
    [
        wire.varint(10**7) + wire.varint(1),
        wire.varint(1) + wire.varint(2**40) + wire.string("c") + wire.string("UInt8"),
        _block("Array(UInt8)", 1, _u64(2**63)),
        _block("LowCardinality(String)", 1, _u64(1, 0x600, 2**63)),
    ],
)
def test_sizes_that_cannot_be_are_refused(block: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        blocks.skip_block(BytesReader(block))
    assert caught.value.code == 131


def test_an_empty_block() -> None:
    assert blocks.empty_block() == b"\0\0"
    columns = (("a", "UInt8"), ("b", "String"))
    assert blocks.is_single_block(blocks.empty_block(columns)) == blocks.Header(columns, 0)
