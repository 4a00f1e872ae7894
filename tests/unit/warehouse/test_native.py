"""Our encoding of columns against clickhouse-driver's own writers and readers."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clickhouse_driver.bufferedreader import BufferedReader
from clickhouse_driver.columns.service import read_column, write_column

from pipelines.core.columns import Coded, Column, Maybe
from pipelines.warehouse.native import encode_column

CONTEXT = SimpleNamespace(
    client_settings={"strings_as_bytes": False, "strings_encoding": "utf-8", "use_numpy": False},
    server_info=SimpleNamespace(used_revision=54459, get_timezone=lambda: "UTC"),
    settings={},
)


class Reader(BufferedReader):
    """The driver's reader over bytes at hand."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data) + 1)
        self.buffer[: len(data)] = data
        self.current_buffer_size = len(data)

    def read_into_buffer(self) -> None:
        raise EOFError


class Writer(BytesIO):
    """The driver's writers also ask for whole strings."""

    def write_strings(self, items: Any, encoding: str | None = None) -> None:
        for item in items:
            data = item if isinstance(item, bytes) else item.encode(encoding or "utf-8")
            size = len(data)
            while size > 0x7F:
                self.write(bytes([size & 0x7F | 0x80]))
                size >>= 7
            self.write(bytes([size]) + data)


def theirs(type_name: str, items: list[Any]) -> bytes:
    out = Writer()
    write_column(CONTEXT, "c", type_name, items, out)
    return out.getvalue()


NUMBERS = {
    **{f"UInt{b}": [0, 1, 2**b - 1] for b in (8, 16, 32)},
    **{f"Int{b}": [-(2 ** (b - 1)), -1, 0, 2 ** (b - 1) - 1] for b in (8, 16, 32, 64)},
    "UInt64": [0, 1, 2**63 - 1],
    "Float32": [0.5, -1.25],
    "Float64": [0.1, -1e300, 0.0],
}


@pytest.mark.parametrize("type_name", NUMBERS)
def test_numbers_byte_for_byte(type_name: str) -> None:
    values = NUMBERS[type_name]
    assert encode_column(type_name, np.array(values)) == theirs(type_name, values)


@pytest.mark.parametrize("type_name", ["DateTime('UTC')", "DateTime64(3, 'UTC')"])
def test_times_byte_for_byte(type_name: str) -> None:
    values = [1_790_000_000, 0, 2**31 - 1]
    # The driver takes a number for DateTime64 as ticks already.
    assert encode_column(type_name, np.array(values, np.int64)) == theirs(type_name, values)


def test_nulls_byte_for_byte() -> None:
    column = Maybe(np.array([5, 0, 7]), np.array([False, True, False]))
    assert encode_column("Nullable(UInt32)", column) == theirs("Nullable(UInt32)", [5, None, 7])


TEXTS = ["", "a", "商家", "x" * 127, "x" * 128, "y" * 20_000]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (TEXTS, TEXTS),
        (np.array([b"a" * 32, b"b" * 32]), ["a" * 32, "b" * 32]),
        (np.array([b"ab", b"c", b""]), ["ab", "c", ""]),
        (np.array([b"z" * 200, b"z"]), ["z" * 200, "z"]),
        (Coded(np.array([1, 0, 1]), ["b", "a"]), ["a", "b", "a"]),
    ],
)
def test_text_byte_for_byte(column: Column, texts: list[str]) -> None:
    assert encode_column("String", column) == theirs("String", texts)


@pytest.mark.parametrize("keys", [1, 2, 254, 255, 256, 257, 65_535, 65_536, 70_000])
def test_low_cardinality_is_read_as_it_was_meant(keys: int) -> None:
    values = [f"k{i}" for i in range(keys)]
    codes = np.array([0, keys - 1, keys // 2, 0])
    data = encode_column("LowCardinality(String)", Coded(codes, values))
    found = read_column(CONTEXT, "LowCardinality(String)", 4, Reader(data))
    assert list(found) == [values[i] for i in codes.tolist()]


def test_low_cardinality_of_plain_text() -> None:
    texts = ["b", "", "a", "b"]
    data = encode_column("LowCardinality(String)", texts)
    assert list(read_column(CONTEXT, "LowCardinality(String)", 4, Reader(data))) == texts


@pytest.mark.parametrize(
    ("type_name", "column"),
    [
        ("UInt8", ["text"]),
        ("Nullable(UInt8)", np.array([1])),
        ("String", np.array([1])),
        ("LowCardinality(String)", np.array([1])),
        ("Array(UInt8)", np.array([1])),
    ],
)
def test_what_does_not_fit_is_refused(type_name: str, column: Column) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message names the type or the need
        encode_column(type_name, column)
