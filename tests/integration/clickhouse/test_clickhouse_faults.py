"""What happens when something breaks: kills, cut connections, crowds and large inserts."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from clickhouse_driver import Client
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.errors import NetworkError, ServerException

from deploy.clickhouse_embedded import launch
from tests.integration.clickhouse.conftest import Running, Start

pytestmark = pytest.mark.integration

_BATCH = 500


def _create(client: Client, table: str) -> None:
    client.execute(
        f"CREATE TABLE {table} (batch UInt64, row UInt32, text String)"
        " ENGINE = MergeTree ORDER BY (batch, row)"
    )


def _begin_insert(client: Client, table: str) -> None:
    """Send an INSERT and all of a block, but not the empty block that ends it."""
    client.execute("SELECT 1")
    client.connection.send_query(f"INSERT INTO {table} VALUES")
    client.connection.send_external_tables([])
    columns = client.receive_sample_block().columns_with_types
    data = [[1] * 1000, list(range(1000)), ["x"] * 1000]
    client.connection.send_data(ColumnOrientedBlock(columns, data))


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("cut_in_a_block", [False, True])
def test_a_connection_cut_in_an_insert_writes_nothing(
    server: Running, table: str, compression: bool, cut_in_a_block: bool
) -> None:
    with server.client() as other:
        _create(other, table)
        client = server.client(compression=compression)
        _begin_insert(client, table)
        if cut_in_a_block:
            client.connection.socket.sendall(b"\x02\x00" + b"\x01" * 10)
        client.connection.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )  # a reset, not an orderly end
        client.disconnect()
        time.sleep(0.2)
        assert other.execute(f"SELECT count() FROM {table}") == [(0,)]
        other.execute(f"INSERT INTO {table} VALUES", [(1, 1, "x")])
        assert other.execute(f"SELECT count() FROM {table}") == [(1,)]


def test_damaged_data_is_refused_and_writes_nothing(server: Running, table: str) -> None:
    with server.client() as other:
        _create(other, table)
        client = server.client(compression=True)
        _begin_insert(client, table)
        client.connection.socket.sendall(b"\x02\x00" + b"\x07" * 16 + b"\x82\x0a\0\0\0\x01\0\0\0x")
        with pytest.raises(ServerException) as caught:
            client.receive_end_of_query()
        assert caught.value.code == 40
        assert other.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_a_cancelled_insert_writes_nothing(server: Running, table: str) -> None:
    with server.client() as client:
        _create(client, table)
        _begin_insert(client, table)
        client.connection.send_cancel()
        with pytest.raises(ServerException) as caught:
            client.receive_end_of_query()
        assert caught.value.code == 394
        client.disconnect()
        assert client.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_inserts_from_many_clients_at_once(server: Running, table: str) -> None:
    clients, batches = 8, 20
    with server.client() as client:
        _create(client, table)

        def insert(number: int) -> None:
            with server.client(compression=bool(number % 2)) as own:
                for batch in range(batches):
                    key = number * batches + batch
                    rows = [(key, row, f"text {row}") for row in range(_BATCH)]
                    assert own.execute(f"INSERT INTO {table} VALUES", rows) == _BATCH

        def insert_over_http(number: int) -> None:
            own = server.connect()
            for batch in range(batches):
                key = number * batches + batch
                own.insert(table, [(key, row, f"text {row}") for row in range(_BATCH)])

        with ThreadPoolExecutor(clients) as pool:
            jobs = [pool.submit(insert if n % 4 else insert_over_http, n) for n in range(clients)]
            for job in jobs:
                job.result()
        counts = client.execute(
            f"SELECT count(), uniqExact(batch), uniqExact(batch, row) FROM {table}"
        )
    expected = clients * batches
    assert counts == [(expected * _BATCH, expected, expected * _BATCH)]


def test_a_hundred_connections(server: Running) -> None:
    clients = [server.client() for _ in range(100)]
    try:
        for client in clients:
            client.execute("SELECT 1")
        with ThreadPoolExecutor(32) as pool:
            answers = pool.map(
                lambda pair: pair[1].execute(f"SELECT sum(number) + {pair[0]} FROM numbers(10)"),
                enumerate(clients),
            )
            assert list(answers) == [[(45 + n,)] for n in range(100)]
    finally:
        for client in clients:
            client.disconnect()


@pytest.mark.parametrize("compression", [False, True])
def test_a_hundred_megabytes_in_one_insert(server: Running, table: str, compression: bool) -> None:
    rows = 2_500_000
    columns = [
        np.arange(rows, dtype=np.uint64),
        np.arange(rows, dtype=np.uint32),
        np.array([f"viewer-session-{n:09d}-x" for n in range(1000)], dtype=object).repeat(2500),
    ]
    settings = {"use_numpy": True, "insert_block_size": 300_000}
    with server.client(compression=compression, settings=settings) as client:
        _create(client, table)
        client.execute(f"INSERT INTO {table} VALUES", columns, columnar=True)
        got = client.execute(f"SELECT count(), sum(batch), sum(length(text)) FROM {table}")
        parts = client.execute(f"SELECT uniqExact(_part) FROM {table}")
    assert [int(v) for v in got[0]] == [rows, rows * (rows - 1) // 2, rows * 26]
    assert int(parts[0][0]) == 1


def test_a_hundred_megabytes_over_http(server: Running, table: str) -> None:
    rows = 12_500_000
    body = np.arange(rows, dtype=np.uint64).tobytes()
    with server.http() as http:
        made = f"CREATE TABLE {table} (a UInt64) ENGINE = MergeTree ORDER BY a"
        assert http.post("/", content=made).status_code == 200
        pieces = (body[i : i + 65536] for i in range(0, len(body), 65536))  # chunked
        reply = http.post(f"/?query=INSERT INTO {table} FORMAT RowBinary", content=pieces)
        assert reply.status_code == 200, reply.text
        counted = http.post("/", content=f"SELECT count(), sum(a), uniqExact(_part) FROM {table}")
    assert counted.text == f"{rows}\t{rows * (rows - 1) // 2}\t1\n"


def test_kill_9_loses_nothing_that_was_acknowledged(start_server: Start) -> None:
    keys = itertools.count()
    acknowledged: list[int] = []
    for _ in range(3):
        server = start_server()
        with server.client() as client:
            if not acknowledged:
                _create(client, "killed")
        threads = [
            threading.Thread(target=_insert_until_killed, args=(server, keys, acknowledged))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.6)
        server.child.send_signal(signal.SIGKILL)
        server.child.wait()
        for thread in threads:
            thread.join()
    server = start_server()
    with server.client() as client:
        rows = client.execute("SELECT batch, count() FROM killed GROUP BY batch")
    found = dict(rows)
    assert len(acknowledged) > 10
    assert set(acknowledged) <= set(found), "an acknowledged batch is lost"
    assert set(found.values()) == {_BATCH}, "a batch is there in part"


def _insert_until_killed(server: Running, keys: "itertools.count[int]", done: list[int]) -> None:
    client = server.client()
    with contextlib.suppress(OSError, EOFError, NetworkError):
        while True:
            key = next(keys)
            rows = [(key, row, f"text {row}") for row in range(_BATCH)]
            client.execute("INSERT INTO killed VALUES", rows)
            done.append(key)


def test_data_and_definitions_outlive_a_restart(start_server: Start) -> None:
    server = start_server()
    with server.client() as client:
        client.execute("CREATE DATABASE other")
        _create(client, "kept")
        _create(client, "other.kept")
        client.execute(
            "CREATE TABLE sums (batch UInt64, rows SimpleAggregateFunction(sum, UInt64))"
            " ENGINE = AggregatingMergeTree ORDER BY batch"
        )
        client.execute(
            "CREATE MATERIALIZED VIEW to_sums TO sums AS"
            " SELECT batch, count() AS rows FROM kept GROUP BY batch"
        )
        client.execute("CREATE VIEW seen AS SELECT * FROM kept")
        client.execute(
            "CREATE DICTIONARY named (batch UInt64, text String) PRIMARY KEY batch"
            " SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)"
        )
        client.execute("INSERT INTO kept VALUES", [(1, n, "x") for n in range(10)])
        client.execute("INSERT INTO other.kept VALUES", [(1, 1, "x")])
    assert launch.stop(server.child) == 0
    server = start_server()
    with server.client() as client:
        client.execute("INSERT INTO kept VALUES", [(2, n, "x") for n in range(5)])
        assert client.execute(
            "SELECT batch, sum(rows) FROM sums GROUP BY batch ORDER BY batch"
        ) == [
            (1, 10),
            (2, 5),
        ]
        assert client.execute("SELECT count() FROM seen") == [(15,)]
        assert client.execute("SELECT count() FROM other.kept") == [(1,)]
        assert client.execute("SELECT engine FROM system.databases WHERE name = 'default'") == [
            ("Atomic",)
        ]
        client.execute("DROP TABLE kept SYNC")
    assert launch.stop(server.child) == 0
    server = start_server()
    with server.client() as client:
        assert client.execute("EXISTS TABLE kept") == [(0,)]


def test_a_stop_lets_a_running_insert_end(start_server: Start) -> None:
    server = start_server()
    with server.client() as client, server.client() as idle:
        idle.execute("SELECT 1")
        _create(client, "drained")
        _begin_insert(client, "drained")
        server.child.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        client.connection.send_data(ColumnOrientedBlock())
        client.receive_end_of_query()
    assert server.child.wait(10) == 0
    server = start_server()
    with server.client() as client:
        assert client.execute("SELECT count() FROM drained") == [(1000,)]


def _start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "deploy.clickhouse_embedded", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_start_that_fails_says_why_in_one_line(server: Running, tmp_path: Path) -> None:
    users = launch.write_users(tmp_path / "users.json", {"a": {"password": "x"}})
    bad = launch.write_users(tmp_path / "bad.json", {"a": {"pasword": "x"}})
    ports = ["--tcp-port", "0", "--http-port", "0"]
    taken = ["--tcp-port", "0", "--http-port", str(server.http_port)]
    fresh = ["--data", str(tmp_path / "data")]
    used = ["--data", str(server.data)]
    cases = {
        "in use by another process": [*used, "--users-file", str(users), *ports],
        "cannot listen": [*fresh, "--users-file", str(users), *taken],
        "pasword": [*fresh, "--users-file", str(bad), *ports],
        "No such file": [*fresh, "--users-file", str(tmp_path / "none.json"), *ports],
    }  # fmt: skip
    started = {expected: _start(*arguments) for expected, arguments in cases.items()}
    for expected, child in started.items():
        _, said = child.communicate(timeout=60)
        assert child.returncode == 2
        assert expected in said
        assert said.count("\n") == 1, said


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    users = launch.write_users(tmp_path / "users.json", {"default": {"password": ""}})
    tcp_port, http_port = launch.free_ports(2)
    where = f"'127.0.0.1', {tcp_port}, {http_port}"
    script = (
        "import os, pathlib; from deploy.clickhouse_embedded import launch;"
        f"p = pathlib.Path({str(tmp_path)!r});"
        f"c = launch.launch(p / 'data', {where}, p / 'users.json', p / 'log');"
        f"launch.wait_ready(c, {where}); os.write(1, b'%d' % c.pid); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    child = int(done.stdout)
    deadline = time.monotonic() + 15
    while Path(f"/proc/{child}").exists() and not _is_zombie(child):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.05)
    assert users.exists()


def _is_zombie(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return not os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - gone between the two reads


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill -9"])
def test_a_restart_with_nothing_in_the_default_database(start_server: Start, kill: bool) -> None:
    """The library does not note an empty database, and the second start stumbled over it."""
    for life in range(3):
        server = start_server()
        with server.client() as client:
            client.execute("CREATE DATABASE IF NOT EXISTS warehouse")
            client.execute(
                "CREATE TABLE IF NOT EXISTS warehouse.kept (n UInt64) ENGINE = MergeTree ORDER BY n"
            )
            client.execute("INSERT INTO warehouse.kept VALUES", [(life,)])
            assert client.execute("SELECT count() FROM warehouse.kept") == [(life + 1,)]
        if kill:
            server.child.kill()
            server.child.wait(10)
        else:
            assert launch.stop(server.child) == 0
