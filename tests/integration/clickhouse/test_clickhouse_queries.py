"""Statements over the native protocol: answers, errors, settings, cancelling."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.integration.clickhouse.conftest import Running, Start

pytestmark = pytest.mark.integration


def _code(client: Client, query: str, **options: object) -> int:
    with pytest.raises(ServerException) as caught:
        client.execute(query, **options)
    return int(caught.value.code)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT * FROM no_such_table", 60),
        ("SELEC 1", 62),
        ("SELECT 1 FROM", 62),
        ("", 62),
        ("-- nothing but a comment", 62),
        ("SELECT no_such_column", 47),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1; DROP TABLE x", 62),
        ("SELECT throwIf(1)", 395),
        ("USE no_such_database", 81),
        ("INSERT INTO no_such_table VALUES", 60),
        ("INSERT INTO system.one (nope) VALUES", 16),
    ],
)
def test_an_error_leaves_the_connection_usable(server: Running, query: str, code: int) -> None:
    with server.client() as client:
        connection = client.connection  # the client itself hangs up after an error
        client.execute("SELECT 1")
        for _ in range(2):
            connection.send_query(query)
            connection.send_external_tables([])
            assert connection.receive_packet().exception.code == code
        connection.send_query("SELECT 1")
        connection.send_external_tables([])
        assert [connection.receive_packet().block.num_rows for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("compression", [False, True])
def test_an_error_in_the_middle_of_a_stream(server: Running, compression: bool) -> None:
    query = "SELECT number, throwIf(number = 200000) FROM numbers(1000000)"
    with server.client(compression=compression) as client:
        rows: list[int] = []
        stream = client.execute_iter(query, settings={"max_block_size": 10_000})
        with pytest.raises(ServerException) as caught:
            rows.extend(number for number, _ in stream)
        assert caught.value.code == 395
        assert len(rows) >= 60_000
        assert client.execute("SELECT 1") == [(1,)]


def test_a_large_result_is_streamed(server: Running) -> None:
    query = "SELECT number, toString(number) FROM numbers(3000000)"
    with server.client(settings={"use_numpy": True}) as client:
        numbers, texts = client.execute(query, columnar=True)
    assert (numbers == np.arange(3_000_000)).all()
    assert texts[-1] == "2999999"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS x, 'a' AS y WHERE 0",
        "SELECT count() AS x, '' AS y FROM system.one WHERE 0 GROUP BY y",
    ],
)
def test_an_empty_result_has_columns(server: Running, query: str) -> None:
    with server.client() as client:
        rows, columns = client.execute(query, with_column_types=True)
    assert rows == []
    assert [name for name, _ in columns] == ["x", "y"]


def test_a_format_clause_is_the_clients_not_the_wires(server: Running) -> None:
    with server.client() as client:
        assert client.execute("SELECT 1 AS format FORMAT JSON") == [(1,)]
        assert client.execute("SELECT 1 FORMAT CSV SETTINGS max_threads = 1;") == [(1,)]
        assert client.execute("SHOW DATABASES LIKE 'default' FORMAT TSV") == [("default",)]
        assert client.execute("SELECT ' FORMAT CSV' -- FORMAT JSON") == [(" FORMAT CSV",)]


def test_definitions_and_descriptions(server: Running, table: str) -> None:
    with server.client() as client:
        client.execute(f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.execute(f"ALTER TABLE {table} ADD COLUMN b String DEFAULT 'x'")
        client.execute(f"INSERT INTO {table} (a) SELECT number FROM numbers(10)")
        client.execute(f"INSERT INTO {table} VALUES (100, 'inline'), (101, 'data')", None)
        client.execute(f"OPTIMIZE TABLE {table} FINAL")
        client.execute(f"ALTER TABLE {table} DELETE WHERE a < 5 SETTINGS mutations_sync = 2")
        assert client.execute(f"SELECT count() FROM {table}") == [(7,)]
        assert [row[0] for row in client.execute(f"DESCRIBE TABLE {table}")] == ["a", "b"]
        assert (table,) in client.execute("SHOW TABLES")
        assert "MergeTree" in client.execute(f"SHOW CREATE TABLE {table}")[0][0]
        assert client.execute(f"EXPLAIN SELECT * FROM {table}")
        assert client.execute(f"EXISTS TABLE {table}") == [(1,)]
        client.execute(f"DROP TABLE {table}")
        assert client.execute(f"EXISTS TABLE {table}") == [(0,)]


def test_expressions_in_values(server: Running, table: str) -> None:
    with server.client() as client:
        client.execute(f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
        client.execute(
            f"INSERT INTO {table} VALUES (1 + 1, upper('it''s')), (3, '\\'(;'); -- done", None
        )
        literals = ", ".join(f"({n}, 'text {n}')" for n in range(10, 30_010))
        client.execute(f"INSERT INTO {table} VALUES {literals}", None)
        rows = client.execute(f"SELECT * FROM {table} ORDER BY a LIMIT 3")
        assert rows == [(2, "IT'S"), (3, "'(;"), (10, "text 10")]
        assert client.execute(f"SELECT count() FROM {table}") == [(30_002,)]


def test_settings_hold_for_one_query(server: Running) -> None:
    query = "SELECT getSetting('max_threads'), getSetting('max_block_size')"
    with server.client() as client:
        before = client.execute(query)
        assert client.execute(query, settings={"max_threads": 7, "max_block_size": 99}) == [(7, 99)]
        assert client.execute(query) == before
        client.execute("SET max_threads = 5")
        assert client.execute(query, settings={"max_threads": 7})[0][0] == 7
        assert client.execute(query)[0][0] == 5
        client.execute("SELECT 1", settings={"no_such_setting": 1})  # ignored, as a server does
    with server.client(settings_is_important=True) as client:
        assert _code(client, "SELECT 1", settings={"no_such_setting": 1}) == 115


def test_a_session_has_its_own_database_and_temporary_tables(server: Running) -> None:
    with server.client() as one, server.client() as two:
        one.execute("CREATE TEMPORARY TABLE passing (a UInt8)")
        one.execute("INSERT INTO passing VALUES", [(1,)])
        assert one.execute("SELECT * FROM passing") == [(1,)]
        assert _code(two, "SELECT * FROM passing") == 60
        one.execute("USE system")
        assert one.execute("SELECT currentDatabase()") == [("system",)]
        assert two.execute("SELECT currentDatabase()") == [("default",)]
    with server.client(database="system") as client:
        assert client.execute("SELECT currentDatabase()") == [("system",)]


def test_settings_of_an_insert_reach_the_engine(server: Running, table: str) -> None:
    with server.client() as client:
        client.execute(
            f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a"
            " SETTINGS non_replicated_deduplication_window = 100"
        )
        for value, token in ((1, "x"), (2, "x"), (3, "y")):
            settings = {"insert_deduplication_token": token}
            client.execute(f"INSERT INTO {table} VALUES", [(value,)], settings=settings)
        assert client.execute(f"SELECT a FROM {table} ORDER BY a") == [(1,), (3,)]


def test_time_limits_are_enforced(server: Running) -> None:
    slow = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 7 = 3"
    with server.client() as client:
        started = time.monotonic()
        assert _code(client, slow, settings={"max_execution_time": 1}) == 159
        assert time.monotonic() - started < 5
        assert client.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 7 = 3",
        "SELECT number FROM system.numbers",
    ],
)
def test_cancelling(server: Running, query: str) -> None:
    with server.client() as client:
        timer = threading.Timer(0.3, client.connection.send_cancel)
        client.execute("SELECT 1")
        timer.start()
        started = time.monotonic()
        sum(1 for _ in client.execute_iter(query, chunk_size=100_000))
        assert time.monotonic() - started < 5
        assert client.execute("SELECT 1") == [(1,)]


def test_a_client_that_leaves_ends_its_query(server: Running) -> None:
    client = server.client()
    client.execute("SELECT 1")
    query = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 5 = 3"
    client.connection.send_query(query)
    client.connection.send_external_tables([])
    running = "SELECT count() FROM system.processes WHERE query LIKE '%number) % 5%'"
    running += " AND query NOT LIKE '%processes%'"
    with server.client() as other:
        _until(lambda: other.execute(running) == [(1,)])
        client.disconnect()
        _until(lambda: other.execute(running) == [(0,)])


def _until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_too_many_queries_at_once(start_server: Start) -> None:
    server = start_server("--max-queries", "1")
    with server.client() as busy, server.client() as other:
        busy.execute("SELECT 1")
        slow = threading.Thread(target=busy.execute, args=("SELECT sleep(1)",))
        slow.start()
        time.sleep(0.3)
        assert _code(other, "SELECT 1") == 202
        slow.join()
        assert other.execute("SELECT 1") == [(1,)]


def test_external_tables_are_refused(server: Running) -> None:
    tables = [{"name": "ext", "structure": [("x", "Int32")], "data": [{"x": 1}]}]
    with server.client() as client:
        assert _code(client, "SELECT * FROM ext", external_tables=tables) == 48
