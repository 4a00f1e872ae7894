"""Every column type that a telemetry warehouse uses, there and back, over both interfaces."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.integration.clickhouse.conftest import Running

pytestmark = pytest.mark.integration

_MOMENT = dt.datetime(2026, 3, 4, 5, 6, 7, 123000, tzinfo=dt.UTC)
_IDS = [uuid.UUID(int=n) for n in (1, 2**100, 2**127)]
_LONG = "长" * 100 + "x" * 20_000

# type, three values
COLUMNS: list[tuple[str, list[Any]]] = [
    *[(f"UInt{bits}", [0, 1, 2**bits - 1]) for bits in (8, 16, 32, 64)],
    *[(f"Int{bits}", [-(2 ** (bits - 1)), 0, 2 ** (bits - 1) - 1]) for bits in (8, 16, 32, 64)],
    ("Float32", [0.5, -1.25, 3.0]),
    ("Float64", [0.1, -1e300, 3.0]),
    ("String", ["", "直播", _LONG]),
    ("LowCardinality(String)", ["a", "b", "a"]),
    ("LowCardinality(Nullable(String))", ["a", None, "a"]),
    ("FixedString(4)", ["abcd", "efgh", "ijkl"]),
    ("DateTime('UTC')", [_MOMENT.replace(microsecond=0)] * 3),
    ("DateTime64(3, 'UTC')", [_MOMENT] * 3),
    ("Date", [dt.date(2026, 1, d) for d in (1, 2, 3)]),
    ("Date32", [dt.date(1926, 1, d) for d in (1, 2, 3)]),
    ("Nullable(UInt32)", [1, None, 3]),
    ("Nullable(String)", [None, "b", None]),
    ("Array(UInt32)", [[], [1], [1, 2, 3]]),
    ("Array(Array(String))", [[], [["a"], []], [["b", "c"]]]),
    ("Array(LowCardinality(String))", [["a", "b"], [], ["a"]]),
    ("Map(String, UInt64)", [{}, {"a": 1}, {"a": 1, "b": 2}]),
    ("Map(LowCardinality(String), String)", [{}, {"a": "1"}, {"a": "1", "b": "2"}]),
    ("UUID", _IDS),
    ("Enum8('a' = 1, 'b, (' = 2)", ["a", "b, (", "a"]),
    ("Enum16('a' = 1, 'b' = 1000)", ["a", "b", "a"]),
    ("Tuple(UInt8, String)", [(1, "a"), (2, "b"), (3, "c")]),
    ("Tuple(n UInt8, m LowCardinality(String))", [(1, "a"), (2, "b"), (3, "c")]),
    ("Array(Tuple(a UInt8, b Nullable(String)))", [[], [(1, None)], [(2, "x"), (3, "y")]]),
    ("Bool", [True, False, True]),
    *[(f"Decimal({p}, 2)", [Decimal("-1.25"), Decimal(0), Decimal("9.5")]) for p in (9, 18, 38)],
    ("SimpleAggregateFunction(sum, UInt64)", [1, 2, 3]),
    ("IPv4", ["127.0.0.1", "10.0.0.1", "1.2.3.4"]),
]
_NUMPY = [
    ("UInt64", np.arange(1000, dtype=np.uint64)),
    ("Int16", np.arange(1000, dtype=np.int16)),
    ("Float32", np.linspace(0, 1, 1000, dtype=np.float32)),
    ("String", np.array([f"s{n}" for n in range(1000)], dtype=object)),
    ("LowCardinality(String)", np.array(["a", "b"] * 500, dtype=object)),
    ("DateTime64(3, 'UTC')", np.arange(1000).astype("datetime64[ms]")),
]


def _values(column: list[Any]) -> list[Any]:
    return [str(v) if hasattr(v, "is_private") else v for v in column]


def _create(client: Any, table: str, types: list[str]) -> None:
    columns = ", ".join(f"c{i} {name}" for i, name in enumerate(types))
    client.execute(f"CREATE TABLE {table} (n UInt8, {columns}) ENGINE = MergeTree ORDER BY n")


@pytest.mark.parametrize("compression", [False, "lz4"])
def test_driver(server: Running, table: str, compression: str | bool) -> None:
    with server.client(compression=compression) as client:
        _create(client, table, [name for name, _ in COLUMNS])
        data = [[1, 2, 3], *[values for _, values in COLUMNS]]
        assert client.execute(f"INSERT INTO {table} VALUES", data, columnar=True) == 3
        back = client.execute(f"SELECT * FROM {table} ORDER BY n", columnar=True)
    for (name, values), column in zip(COLUMNS, back[1:], strict=True):
        # the driver gives times of a UTC column without a zone
        naive = [v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in values]
        assert _values(list(column)) in (values, naive), name


@pytest.mark.parametrize("compression", [False, True])
def test_driver_with_numpy(server: Running, table: str, compression: bool) -> None:
    with server.client(compression=compression, settings={"use_numpy": True}) as client:
        _create(client, table, [name for name, _ in _NUMPY])
        names = ", ".join(f"c{i}" for i in range(len(_NUMPY)))
        data = [values for _, values in _NUMPY]
        client.execute(f"INSERT INTO {table} ({names}) VALUES", data, columnar=True)
        back = client.execute(f"SELECT {names} FROM {table} ORDER BY c0", columnar=True)
    for (name, values), column in zip(_NUMPY, back, strict=True):
        assert (np.asarray(column).astype(values.dtype) == values).all(), name


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_connect(server: Running, table: str, compress: str | bool) -> None:
    with server.client() as client:
        _create(client, table, [name for name, _ in COLUMNS])
    http = server.connect(compress=compress, tz_mode="aware")
    rows = list(zip([1, 2, 3], *[values for _, values in COLUMNS], strict=True))
    assert http.insert(table, rows).written_rows == 3
    result = http.query(f"SELECT * FROM {table} ORDER BY n")
    for (name, values), column in zip(COLUMNS, result.result_columns[1:], strict=True):
        got = [v.decode() if isinstance(v, bytes) else v for v in _values(list(column))]
        assert [tuple(v.values()) if _named(name, v) else _plain(v) for v in got] == values, name


def _named(name: str, value: Any) -> bool:
    return name.startswith("Tuple") and isinstance(value, dict)


def _plain(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [tuple(item.values()) for item in value]
    return value


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_several_blocks_in_one_insert(server: Running, table: str, block_size: int) -> None:
    rows = [(n, f"s{n}", None if n % 3 else str(n)) for n in range(1000 if block_size > 1 else 20)]
    with server.client(settings={"insert_block_size": block_size}) as client:
        client.execute(
            f"CREATE TABLE {table} (a UInt64, b LowCardinality(String), c Nullable(String))"
            " ENGINE = MergeTree ORDER BY a"
        )
        client.execute(f"INSERT INTO {table} VALUES", rows)
        assert client.execute(f"SELECT * FROM {table} ORDER BY a") == rows
        parts = f"SELECT uniqExact(_part) FROM {table}"
        assert client.execute(parts) == [(1,)]  # one insert, one part, however many blocks


def test_columns_left_out_take_their_defaults(server: Running, table: str) -> None:
    with server.client() as client:
        client.execute(
            f"CREATE TABLE {table} (a UInt8, b String DEFAULT 'x', m UInt8 MATERIALIZED a + 1)"
            " ENGINE = MergeTree ORDER BY a"
        )
        client.execute(f"INSERT INTO {table} (a) VALUES", [(1,)])
        client.execute(f"INSERT INTO {table} (* EXCEPT b) VALUES", [(2,)])
        client.execute(f"INSERT INTO {table} VALUES", [(3, "y")])
        rows = client.execute(f"SELECT a, b, m FROM {table} ORDER BY a")
    assert rows == [(1, "x", 2), (2, "x", 3), (3, "y", 4)]
