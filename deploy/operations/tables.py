"""Whole tables between ClickHouse and files: over HTTP, in Parquet, which others read too."""

from __future__ import annotations

import base64
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_driver import Client

from deploy.errors import StackError
from deploy.operations.target import Target
from pipelines.warehouse.migrate import LEDGER

_PATIENCE_S = 3600
_CHUNK = 1 << 20
#: A backup has no need of them: a restore inserts `flag_events`, `indicators_session`,
#: `indicator_values` and `completeness`, of which materialized views fill the first five, and
#: minutes; `livewatch ops rollup` computes the others again.
DERIVED = frozenset(
    {
        "flags",
        "silences",
        "session_minutes",
        "indicator_days",
        "completeness_lanes",
        "completeness_hours",
        "completeness_spans",
        "completeness_sources",
        "hour_notes",
        "cell_hours",
        "session_hours",
    }
)


def client(at: Target, database: str | None = None) -> Client:
    """A connection that waits for what takes long, as a mutation does."""
    return Client(
        at.clickhouse_host,
        port=at.clickhouse_port,
        user=at.clickhouse_user,
        password=at.clickhouse_password(),
        database=at.clickhouse_database if database is None else database,
        connect_timeout=5,
        send_receive_timeout=_PATIENCE_S,
        client_name="livewatch ops",
    )


@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds data (views and the migrations' ledger are not)."""

    name: str
    engine: str
    columns: frozenset[str]
    version: bool

    @property
    def source(self) -> str:
        """What to select from so that each row is there once."""
        return f"{self.name} FINAL" if "Replacing" in self.engine else self.name


def tables(db: Client) -> list[Table]:
    """All tables with data of the connection's database, by name."""
    rows = db.execute(
        "SELECT t.name, t.engine, groupArray(c.name) FROM system.tables t "
        "JOIN system.columns c ON c.database = t.database AND c.table = t.name "
        "WHERE t.database = currentDatabase() AND t.engine LIKE '%%MergeTree' AND t.name != %(l)s "
        "GROUP BY t.name, t.engine ORDER BY t.name",
        {"l": LEDGER},
    )
    return [Table(n, e, frozenset(c), "version" in c) for n, e, c in rows]


def kept(db: Client) -> list[Table]:
    """The tables that a backup holds."""
    return [t for t in tables(db) if t.name not in DERIVED]


def parts_of(db: Client, table: Table) -> list[str]:
    """Ids of the table's partitions that hold rows."""
    rows = db.execute(f"SELECT DISTINCT _partition_id FROM {table.name} ORDER BY 1")  # noqa: S608
    return [str(row[0]) for row in rows]


def newest_version(db: Client, some: list[Table]) -> int:
    """The highest version that any row of the tables carries; 0 for none."""
    found = [
        db.execute(f"SELECT max(version) FROM {t.name}")[0][0]  # noqa: S608
        for t in some
        if t.version
    ]
    return max((int(v or 0) for v in found), default=0)


def dump(at: Target, table: Table, part: str, into: Path, condition: str = "1") -> int:
    """Write one partition of a table to a file; returns its rows. Raises StackError."""
    where = f"_partition_id = '{part}' AND {condition}"
    sql = f"SELECT * FROM {table.source} WHERE {where} FORMAT Parquet"  # noqa: S608
    with _ask(at, sql) as reply, into.open("wb") as file:
        shutil.copyfileobj(reply, file, _CHUNK)
    return rows_in(into)


def rows_in(file: Path) -> int:
    """Rows of a file that is whole. Raises StackError for one that was cut off."""
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowInvalid, OSError):
        raise StackError(f"{file.name} is not a whole Parquet file") from None


def load(at: Target, table: str, file: Path) -> None:
    """Insert a file's rows. Raises StackError."""
    columns = ", ".join(pq.read_schema(file).names)
    sql = f"INSERT INTO {table} ({columns}) SETTINGS insert_deduplicate = 0 FORMAT Parquet"
    with _ask(at, sql, file) as reply:
        reply.read()


def _ask(at: Target, sql: str, body: Path | None = None) -> Any:
    query = {"query": sql, "database": at.clickhouse_database, "wait_end_of_query": "1"}
    url = f"{at.clickhouse_url}?{urlencode(query)}"
    data: Any = b"" if body is None else _pieces(body)
    request = urllib.request.Request(url, data, method="POST")  # noqa: S310 - our own setting
    request.add_header("Content-Length", str(0 if body is None else body.stat().st_size))
    token = f"{at.clickhouse_user}:{at.clickhouse_password()}".encode()
    request.add_header("Authorization", f"Basic {base64.b64encode(token).decode()}")
    try:
        return urllib.request.urlopen(request, timeout=_PATIENCE_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        said = error.read(500).decode("utf-8", "replace").strip()
        raise StackError(f"ClickHouse at {at.clickhouse_url}: {said}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise StackError(f"ClickHouse at {at.clickhouse_url}: {reason}") from None


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_CHUNK):
            yield piece
