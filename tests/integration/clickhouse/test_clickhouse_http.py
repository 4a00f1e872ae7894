"""The HTTP interface, with plain calls and with clickhouse-connect."""

import gzip
import io
import json
import time

import httpx
import lz4.frame
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.clickhouse_embedded import wire
from tests.integration.clickhouse.conftest import Running, Start

pytestmark = pytest.mark.integration


def _ask(server: Running, query: str, **params: str) -> httpx.Response:
    with server.http() as http:
        return http.get("/", params={"query": query, **params})


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_health_needs_no_password(server: Running, path: str) -> None:
    reply = httpx.get(f"http://127.0.0.1:{server.http_port}{path}", trust_env=False)
    assert (reply.status_code, reply.text) == (200, "Ok.\n")


def test_metrics(server: Running) -> None:
    _ask(server, "SELECT 1")
    text = httpx.get(f"http://127.0.0.1:{server.http_port}/metrics", trust_env=False).text
    assert 'clickhouse_embedded_statements_total{code="0",interface="http"}' in text
    assert "clickhouse_embedded_running " in text


def test_ways_to_say_who_you_are(server: Running) -> None:
    url = f"http://127.0.0.1:{server.http_port}/"
    query = {"query": "SELECT 1"}
    headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "r-secret"}
    in_url = {**query, "user": "reader", "password": "r-secret"}
    with httpx.Client(trust_env=False) as http:
        assert http.get(url, params=query).text == "1\n"  # the user `default` has no password
        assert http.get(url, params=query, headers=headers).text == "1\n"
        assert http.get(url, params=in_url).text == "1\n"
        broken = http.get(url, params=query, headers={"Authorization": "Basic !!"})
    assert broken.status_code == 403


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("SELEC 1", 400, "62"),
        ("SELECT * FROM no_such_table", 404, "60"),
        ("SELECT * FROM no_such_database.t", 404, "81"),
        ("SELECT no_such_column", 404, "47"),
        ("SELECT throwIf(1)", 500, "395"),
        ("CREATE TABLE t (a UInt8) ENGINE = Memory", 403, "164"),
        ("INSERT INTO t VALUES (1)", 403, "164"),
        ("SELECT * FROM file('/etc/passwd')", 403, "497"),
    ],
)
def test_errors_have_status_and_code(server: Running, query: str, status: int, code: str) -> None:
    reply = _ask(server, query)
    assert (reply.status_code, reply.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert reply.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_unknown_path(server: Running) -> None:
    with server.http() as http:
        assert http.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "0\t'\n"),
        ({"default_format": "CSV"}, '0,"\'"\n'),
        ({"default_format": "JSONEachRow"}, '{"n":0,"q":"\'"}\n'),
        ({"default_format": "CSVWithNames"}, '"n","q"\n0,"\'"\n'),
    ],
)
def test_formats(server: Running, params: dict[str, str], text: str) -> None:
    query = "SELECT toUInt8(number) AS n, '\\'' AS q FROM numbers(1)"
    got = _ask(server, query, **params).text
    assert got == text.replace("\t'", "\t\\'")
    whole = _ask(server, "SELECT number FROM numbers(200000) FORMAT JSON")
    assert len(whole.json()["data"]) == 200_000
    assert whole.headers["Content-Type"].startswith("application/json")


def test_settings_database_and_parameters(server: Running) -> None:
    query = "SELECT getSetting('max_threads'), currentDatabase(), {a:UInt8} + 1, {b:String}"
    reply = _ask(server, query, max_threads="3", database="system", param_a="4", param_b="x'y")
    assert reply.text == "3\tsystem\t5\tx\\'y\n"
    assert _ask(server, "SELECT 1", no_such_setting="1").status_code == 404
    assert _ask(server, "SELECT 1", query_id="mine").headers["X-ClickHouse-Query-Id"] == "mine"


def test_sessions_keep_what_a_client_set(server: Running) -> None:
    with server.http() as http:
        for query in ("SET max_threads = 3", "CREATE TEMPORARY TABLE kept (a UInt8)"):
            assert http.post("/?session_id=s1", content=query).status_code == 200
        query = "SELECT getSetting('max_threads'), count() FROM kept"
        assert http.post("/?session_id=s1", content=query).text == "3\t0\n"
        assert http.post("/?session_id=s2", content=query).status_code == 404
        missing = http.post("/?session_id=s3&session_check=1", content="SELECT 1")
        assert missing.headers["X-ClickHouse-Exception-Code"] == "372"
        http.post("/?session_id=s1&close_session=1", content="SELECT 1")
        assert http.post("/?session_id=s1", content=query).status_code == 404


@pytest.mark.parametrize("accepted", ["gzip", "deflate", "lz4", "zstd", "br, gzip;q=1"])
def test_answers_are_compressed_as_asked(server: Running, accepted: str) -> None:
    params = {"query": "SELECT number FROM numbers(100000)", "enable_http_compression": "1"}
    with (
        server.http() as http,
        http.stream("GET", "/", params=params, headers={"Accept-Encoding": accepted}) as reply,
    ):
        raw = b"".join(reply.iter_raw())
        name = reply.headers["Content-Encoding"]
    assert len(raw) < 500_000
    if name == "lz4":
        text = lz4.frame.decompress(raw)
    elif name == "zstd":
        text = pa.CompressedInputStream(io.BytesIO(raw), "zstd").read()
    else:
        text = httpx.Response(200, headers={"Content-Encoding": name}, content=raw).content
    assert text.split() == [b"%d" % n for n in range(100_000)]


def test_native_frames(server: Running, table: str) -> None:
    raw = _ask(server, "SELECT 'a' FORMAT TSV", compress="1").content
    assert wire.decompress(raw[:16], raw[16:25], raw[25:]) == b"a\n"
    _create(server, table)
    with server.http() as http:
        body = wire.compress(b"1,one\n") + wire.compress(b"2,two\n")
        url = f"/?decompress=1&query=INSERT INTO {table} FORMAT CSV"
        assert http.post(url, content=body).status_code == 200
    assert _ask(server, f"SELECT * FROM {table} ORDER BY a").text == "1\tone\n2\ttwo\n"


def _create(server: Running, table: str) -> None:
    with server.http() as http:
        made = f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a"
        assert http.post("/", content=made).status_code == 200


@pytest.mark.parametrize("in_url", [True, False])
@pytest.mark.parametrize(
    ("clause", "data"),
    [
        ("FORMAT CSV", b"1,one\n2,two\n"),
        ("FORMAT JSONEachRow", b'{"a":1,"b":"one"} {"a":2,"b":"two"}'),
        ("(b, a) FORMAT TSV", b"one\t1\ntwo\t2\n"),
        ("VALUES", b"(1, 'one'), (2, 'two')"),
        ("SETTINGS max_threads = 1 FORMAT CSV", b"1,one\n2,two\n"),
    ],
)
def test_inserts(server: Running, table: str, clause: str, data: bytes, in_url: bool) -> None:
    _create(server, table)
    query = f"INSERT INTO {table} {clause}"
    with server.http() as http:
        if in_url:
            reply = http.post("/", params={"query": query}, content=iter([data[:5], data[5:]]))
        else:
            reply = http.post("/", content=query.encode() + b"\n" + data)
    assert reply.status_code == 200, reply.text
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert _ask(server, f"SELECT * FROM {table} ORDER BY a").text == "1\tone\n2\ttwo\n"


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_compressed_inserts(server: Running, table: str, encoding: str) -> None:
    _create(server, table)
    data = b"".join(b"%d,text %d\n" % (n, n) for n in range(300_000))
    if encoding == "zstd":
        body = pa.Codec("zstd").compress(data, asbytes=True)
    else:
        compress = gzip.compress if encoding == "gzip" else lz4.frame.compress
        body = compress(data[:1000]) + compress(data[1000:])  # two members, two frames
    with server.http() as http:
        url, headers = f"/?query=INSERT INTO {table} FORMAT CSV", {"Content-Encoding": encoding}
        assert http.post(url, content=body, headers=headers).status_code == 200
        broken = http.post(url, content=body[:-20000] + b"x" * 100, headers=headers)
        assert broken.status_code == 400
    assert _ask(server, f"SELECT count(), sum(a) FROM {table}").text == "300000\t44999850000\n"


def test_bad_data_writes_nothing(server: Running, table: str) -> None:
    _create(server, table)
    with server.http() as http:
        body = f"INSERT INTO {table} FORMAT CSV\n1,one\nnot a number,two\n"
        reply = http.post("/", content=body)
    assert reply.status_code == 400
    assert _ask(server, f"SELECT count() FROM {table}").text == "0\n"


def test_an_error_in_the_middle_of_a_stream(server: Running) -> None:
    query = "SELECT number, throwIf(number = 2000000) FROM numbers(10000000)"
    with server.http() as http:
        received: list[bytes] = []
        with http.stream("GET", "/", params={"query": query}) as reply:
            assert reply.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(reply.iter_bytes())
        assert b"__exception__" in b"".join(received)[-1000:]
        assert b"Code: 395" in b"".join(received)[-1000:]
        assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    # a client that asks to wait is told by the status
    waited = _ask(server, query, wait_end_of_query="1")
    assert (waited.status_code, waited.headers["X-ClickHouse-Exception-Code"]) == (500, "395")


def test_a_client_that_leaves_ends_its_query(server: Running) -> None:
    query = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 11 = 3"
    with pytest.raises(httpx.ReadTimeout), server.http() as http:
        http.get("/", params={"query": query}, timeout=0.5)
    running = "SELECT count() FROM system.processes WHERE query LIKE '%% 11 = 3'"
    deadline = time.monotonic() + 5
    while _ask(server, running).text != "0\n":
        assert time.monotonic() < deadline, "the query is still running"
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["session_timeout", "client_protocol_version"])
def test_a_parameter_that_is_no_number(server: Running, name: str) -> None:
    reply = _ask(server, "SELECT 1 FORMAT Native", session_id="n", **{name: "x"})
    assert (reply.status_code, reply.headers["X-ClickHouse-Exception-Code"]) == (400, "36")


def test_bodies_are_bounded(start_server: Start) -> None:
    server = start_server("--max-insert-bytes", "1000000")
    with server.http() as http:
        reply = http.post("/?query=INSERT INTO x FORMAT CSV", content=b"1\n" * 600_000)
        assert (reply.status_code, reply.headers["X-ClickHouse-Exception-Code"]) == (413, "131")
    assert _ask(server, "SELECT 1").text == "1\n"


def test_blocks_as_grafanas_client_reads_them(server: Running) -> None:
    query = "SELECT displayName(), version(), revision(), timezone() FORMAT Native"
    raw = _ask(server, query, client_protocol_version="54460").content
    assert raw.startswith(
        b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()\x06String\x00"
    )
    old = _ask(server, "SELECT 1 AS x FORMAT Native", client_protocol_version="54405").content
    assert old == b"\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x01x\x05UInt8\x01"
    none = _ask(server, "SELECT 1 AS x FORMAT Native").content
    assert none == b"\x01\x01\x01x\x05UInt8\x01"


def test_connect_frames_and_commands(server: Running, table: str) -> None:
    client = server.connect()
    client.command(f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    frame = pd.DataFrame({"a": np.arange(70_000), "b": [f"s{n}" for n in range(70_000)]})
    client.insert_df(table, frame)
    client.raw_insert(table, ["a", "b"], b"1,x\n", fmt="CSV")
    client.insert_arrow(table, pa.table({"a": pa.array([7], pa.uint32()), "b": ["y"]}))
    assert client.command(f"SELECT count() FROM {table}") == 70_002
    back = client.query_df(f"SELECT * FROM {table} WHERE b LIKE 's%' ORDER BY a")
    assert back["a"].sum() == frame["a"].sum()
    assert client.query_arrow(f"SELECT * FROM {table}").num_rows == 70_002
    rows = client.query(f"SELECT b FROM {table} WHERE a = %(a)s ORDER BY b", {"a": 7}).result_rows
    assert rows == [("s7",), ("y",)]
    bound = client.query("SELECT {x:UInt8} + 1", parameters={"x": 4}).result_rows
    assert bound == [(5,)]
    assert client.query(f"SELECT * FROM {table} WHERE 0").result_rows == []
    assert client.query(f"SELECT * FROM {table} LIMIT 0").column_names == ("a", "b")
    assert client.ping()
    with client.query_row_block_stream(f"SELECT * FROM {table}") as stream:
        assert sum(len(block) for block in stream) == 70_002


def test_connect_errors(server: Running) -> None:
    client = server.connect()
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM no_such_table")
    query = "SELECT throwIf(number = 2000000), number FROM numbers(10000000)"
    with pytest.raises(DatabaseError, match="395"):
        client.query(query)
    with pytest.raises(Exception, match=r"395|throwIf"), client.query_rows_stream(query) as rows:
        for _ in rows:
            pass
    assert client.command("SELECT 1") == 1
    with pytest.raises(DatabaseError, match="516"):
        server.connect(password="wrong")
