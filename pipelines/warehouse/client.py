"""A connection to ClickHouse through clickhouse-driver, and inserts of whole columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver.block import BlockInfo, ColumnOrientedBlock
from clickhouse_driver.defines import DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
from clickhouse_driver.protocol import ClientPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str, write_binary_uint8

from pipelines.core.columns import TableColumns
from pipelines.settings import Settings
from pipelines.warehouse.native import encode_column

# Said with every insert: the defaults changed between versions of ClickHouse, and the protocol
# removes repeats by identity, never by the engine's block hashes.
INSERT_SETTINGS = {"insert_deduplicate": 0, "async_insert": 0, "wait_end_of_query": 1}

# The driver writes a stack trace of each address that refuses; whoever calls says it in one line.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)


def connect(settings: Settings, database: str | None = None, patience_s: float = 60.0) -> Client:
    """A client that connects when it is first used. `patience_s`: how long it waits for a word."""
    return Client(
        settings.clickhouse_host,
        port=settings.clickhouse_port,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password(),
        database=database if database is not None else settings.clickhouse_database,
        compression=settings.clickhouse_compression,
        connect_timeout=5,
        send_receive_timeout=patience_s,
        client_name="livewatch",
    )


def insert(client: Client, table: str, columns: TableColumns) -> int:
    """Insert one block; returns its number of rows. Atomic per partition of the table.

    Raises clickhouse_driver.errors.Error where ClickHouse refuses, OSError where it is away,
    and ValueError where the columns do not fit the table.
    """
    rows = {len(values) for values in columns.values()}
    if len(rows) != 1:
        raise ValueError(f"columns of {table} differ in length: {sorted(rows)}")
    n = rows.pop()
    if n == 0:
        return 0
    query = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
    with client.disconnect_on_error(query, INSERT_SETTINGS):
        connection = client.connection
        connection.send_query(query)
        connection.send_external_tables(None)
        sample = client.receive_sample_block()
        _send(connection, dict(sample.columns_with_types), columns, n)
        connection.send_data(ColumnOrientedBlock())
        client.receive_end_of_insert_query()
    return n


def _send(connection: Any, types: Mapping[str, str], columns: TableColumns, n: int) -> None:
    write_varint(ClientPacketTypes.DATA, connection.fout)
    write_binary_str("", connection.fout)
    stream = connection.block_out
    out = stream.fout
    BlockInfo().write(out)
    write_varint(len(columns), out)
    write_varint(n, out)
    plain = connection.server_info.used_revision >= DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
    for name, values in columns.items():
        write_binary_str(name, out)
        write_binary_str(types[name], out)
        if plain:
            write_binary_uint8(0, out)
        out.write(encode_column(types[name], values))
    stream.finalize()
