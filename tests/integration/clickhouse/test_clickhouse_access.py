"""Passwords, readers who only read, and a host that no SQL reaches."""

import socket
from pathlib import Path

import pytest
from clickhouse_driver.errors import ServerException

from tests.integration.clickhouse.conftest import Running

pytestmark = pytest.mark.integration

_REACHING_OUT = [
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT * FROM FILE('/etc/hostname', 'LineAsString')",
    "SELECT * FROM `file`('/etc/hostname', 'LineAsString')",
    "SELECT * FROM `f\\x69le`('/etc/hostname', 'LineAsString')",
    "SELECT * FROM (SELECT 1 UNION ALL SELECT * FROM file('/etc/hostname', 'LineAsString'))",
    "WITH x AS (SELECT * FROM file('/etc/hostname', 'LineAsString')) SELECT * FROM x",
    "SELECT * FROM view(SELECT * FROM file('/etc/hostname', 'LineAsString'))",
    "SELECT (SELECT * FROM file('/etc/hostname', 'LineAsString') LIMIT 1)",
    "SELECT 1 WHERE 1 IN (SELECT 1 FROM file('/etc/hostname', 'LineAsString'))",
    "DESCRIBE file('/etc/hostname')",
    "DESCRIBE TABLE file('/etc/hostname')",
    "EXPLAIN SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT file('/etc/hostname')",
    "SELECT * FROM url('file:///etc/hostname', 'LineAsString')",
    "SELECT * FROM s3('http://localhost/x')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM sqlite('/tmp/x', 'y')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM python(session)",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM `/etc/hostname`",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM default.`/etc/hostname`",
    "SELECT 'x' INTO OUTFILE '{out}'",
    "SELECT 'x' INTO/**/OUTFILE '{out}' FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{out}'",
    "INSERT INTO FUNCTION file('{out}', 'CSV', 'a UInt8') SELECT 1",
    "INSERT INTO TABLE FUNCTION file('{out}', 'CSV', 'a UInt8') VALUES (1)",
    "CREATE TABLE {name} (a UInt8) ENGINE = File(CSV, '{out}')",
    "CREATE TABLE {name} AS file('/etc/hostname', 'LineAsString')",
    "CREATE VIEW {name} AS SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "CREATE DATABASE {name} ENGINE = Filesystem('/etc')",
    "CREATE DICTIONARY {name} (a UInt8) PRIMARY KEY a"
    " SOURCE(FILE(path '/etc/hostname' format 'TSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE FUNCTION {name} AS x -> file(x)",
    "BACKUP TABLE system.one TO File('{out}')",
    "ATTACH TABLE {name} FROM '/etc' (a UInt8) ENGINE = MergeTree ORDER BY a",
    "SYSTEM SHUTDOWN",
    "SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '/etc/hostname'",
    "SELECT 1 AS a FORMAT Template SETTINGS `format_templ\\x61te_row` = '/etc/hostname'",
    "SELECT 1 AS a FORMAT Template SETTINGS \u201cformat_template_row\u201d = '/etc/hostname'",
    "SET format_template_row = '/etc/hostname'",
    "SELECT formatRow('Template', 1) SETTINGS max_threads = 1, format_template_row = '/etc/hosts'",
    "CREATE VIEW {name} AS SELECT 1 SETTINGS format_schema = '/etc/hostname'",
    "SELECT aiGenerate('x')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
    "SELECT COLUMNS('a') APPLY file FROM (SELECT '/etc/hostname' AS a)",
    "SELECT * APPLY(`f\\x69le`) FROM (SELECT '/etc/hostname')",
    "SELECT * APPLY(\u201cfile\u201d) FROM (SELECT '/etc/hostname')",
    "SELECT arrayMap(file, ['/etc/hostname'])",
    "SELECT arrayMap(x -> file(x), ['/etc/hostname'])",
    "SHOW TABLES WHERE name = file('/etc/hostname')",
    "SHOW TABLES WHERE name IN (SELECT * FROM url('file:///etc/hostname', 'LineAsString'))",
    "SHOW COLUMNS FROM system.one WHERE field = file('/etc/hostname')",
    "SELECT 1 AS a ORDER BY a WITH FILL FROM length(file('/etc/hostname')) TO 9",
    "INSERT INTO {table} VALUES (file('/etc/hostname'))",
    "INSERT INTO {table} VALUES ('x'), ((SELECT file('/etc/hostname')))",
    "INSERT INTO {table} VALUES ((SELECT * FROM url('file:///etc/hostname', 'LineAsString')))",
    "INSERT INTO {table} VALUES ('x'); SELECT * FROM url('file:///etc/hostname', 'LineAsString')",
    "INSERT INTO {table} SETTINGS input_format_values_interpret_expressions = 1 VALUES ('x')",
    "CREATE TABLE {name} (a UInt8) ENGINE = MergeTree ORDER BY a"
    " SETTINGS disk = disk(type = local, path = '/tmp/')",
]
_WRITING = [
    "CREATE TABLE {name} (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE {name} (a UInt8)",
    "CREATE DATABASE {name}",
    "INSERT INTO {table} SELECT 1",
    "INSERT INTO {table} VALUES (1)",
    "INSERT INTO {table} VALUES",
    "ALTER TABLE {table} DELETE WHERE 1",
    "DELETE FROM {table} WHERE 1",
    "TRUNCATE TABLE {table}",
    "DROP TABLE {table}",
    "RENAME TABLE {table} TO {name}",
    "OPTIMIZE TABLE {table}",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SET readonly = 0",
    "SET readonly = 1, max_threads = 1",
    "SELECT 1 SETTINGS readonly = 0",
    "WITH 1 AS x INSERT INTO {table} SELECT x",
    "EXPLAIN SELECT 1; DROP TABLE {table}",
]


@pytest.fixture
def kept(server: Running, table: str) -> str:
    with server.client() as client:
        client.execute(f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.execute(f"INSERT INTO {table} VALUES", [(1,)])
    return table


@pytest.mark.parametrize("user", ["writer", "reader"])
@pytest.mark.parametrize("statement", _REACHING_OUT)
def test_sql_does_not_reach_the_host(
    server: Running, tmp_path: Path, statement: str, user: str
) -> None:
    out = tmp_path / "out"
    query = statement.replace("{out}", str(out)).replace("{name}", "reached")
    if "{table}" in query:
        query = query.replace("{table}", "default.reached_into")
        with server.client() as client:
            client.execute(
                "CREATE TABLE IF NOT EXISTS reached_into (a String) ENGINE = MergeTree ORDER BY a"
            )
    with server.client() if user == "writer" else server.reader() as client:
        with pytest.raises(ServerException) as caught:
            client.execute(query, None)
        assert caught.value.code in (27, 36, 46, 48, 60, 62, 81, 164, 497), caught.value
        assert client.execute("SELECT 1") == [(1,)]
        if "reached_into" in query:
            assert client.execute("SELECT * FROM reached_into") == []
    with server.http("writer", "w-secret") as http:
        assert http.post("/", content=query).status_code >= 400
    assert not out.exists()
    assert not list(server.data.rglob("out"))


@pytest.mark.parametrize("statement", _WRITING)
def test_a_reader_cannot_write(server: Running, kept: str, statement: str) -> None:
    query = statement.replace("{name}", "made").replace("{table}", kept)
    params = [(1,)] if query.endswith("VALUES") else None
    with server.reader() as client, server.client() as writer:
        with pytest.raises(ServerException) as caught:
            client.execute(query, params)
        assert caught.value.code in (62, 164), caught.value
        assert writer.execute(f"SELECT * FROM {kept}") == [(1,)]
        assert writer.execute("EXISTS TABLE made") == [(0,)]
    with server.http("reader", "r-secret") as http:
        content = query + (" (1)" if params else "")
        assert http.post("/", content=content).status_code in (400, 403)
        assert http.get("/", params={"query": content}).status_code in (400, 403)


def test_a_reader_cannot_loosen_its_settings(server: Running, kept: str) -> None:
    with server.reader() as client:
        with pytest.raises(ServerException) as caught:
            client.execute(f"SELECT * FROM {kept}", settings={"readonly": 0})
        assert caught.value.code == 164
    with server.http("reader", "r-secret") as http:
        leaky = http.get("/?format_template_row=/etc/hostname&query=SELECT 1 FORMAT Template")
        assert leaky.headers["X-ClickHouse-Exception-Code"] == "497"
        reply = http.post("/?readonly=0", content=f"INSERT INTO {kept} VALUES (2)")
        assert reply.headers["X-ClickHouse-Exception-Code"] == "164"


def test_a_reader_reads(server: Running, kept: str) -> None:
    with server.reader() as client:
        assert client.execute(f"SELECT * FROM {kept}", settings={"max_threads": 1}) == [(1,)]
        assert client.execute("SHOW DATABASES LIKE 'default'") == [("default",)]
        client.execute("USE system")
        client.execute("SET max_threads = 1")
        assert client.execute("EXPLAIN SELECT 1")
        assert client.execute("WITH 1 AS x SELECT x UNION ALL SELECT x") == [(1,), (1,)]


@pytest.mark.parametrize(
    ("user", "password"), [("writer", "wrong"), ("writer", ""), ("nobody", ""), ("reader", "w")]
)
def test_wrong_passwords(server: Running, user: str, password: str) -> None:
    with pytest.raises(ServerException) as caught:
        server.client(user=user, password=password).execute("SELECT 1")
    assert caught.value.code == 516
    with server.http(user, password) as http:
        reply = http.get("/", params={"query": "SELECT 1"})
        assert (reply.status_code, reply.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_no_password_or_literal_is_logged(server: Running) -> None:
    with server.client() as client:
        client.execute("SELECT 'a-literal-secret'")
    text = server.log.read_text()
    assert "a-literal-secret" not in text
    assert "w-secret" not in text


def test_bytes_that_are_no_protocol(server: Running) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00", b"\x00\xff\xff\xff\xff\x7f"):
        with socket.create_connection(("127.0.0.1", server.tcp_port), timeout=5) as sock:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1 << 16):
                pass
    with server.client() as client:
        assert client.execute("SELECT 1") == [(1,)]
    assert "Traceback" not in server.log.read_text()
