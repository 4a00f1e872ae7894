"""Ledger and audit from their topics into ClickHouse, each row replaced by its identity."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipelines.core.columns import TableColumns
from pipelines.core.ledger.entry import Entry, EntryError, canonical
from pipelines.sinks.warehouse import Warehouse

log = structlog.get_logger()
Columns = Callable[[Sequence[bytes], int], TableColumns]
_MAX_ROWS = 5000
_ACCESS_TEXTS = (
    "access_id", "account", "account_role", "bound_to", "via", "method", "route", "asked_flag",
    "client",
)  # fmt: skip
_ACCESS_NUMBERS = ("asked_at", "http_status", "shown")


def ledger_columns(values: Sequence[bytes], version: int) -> TableColumns:
    """Entries as columns of `ledger`; what is no entry is left to `flags verify` to tell of."""
    return entry_columns([e for v in values if (e := _entry(v)) is not None], version)


def entry_columns(entries: Sequence[Entry], version: int) -> TableColumns:
    return {
        "seq": np.array([e.seq for e in entries], np.int64),
        "entry_id": [e.entry_id for e in entries],
        "flag_id": [e.flag_id for e in entries],
        "kind": [e.kind.value for e in entries],
        "at": np.array([e.at for e in entries], np.int64),
        "actor": [e.actor for e in entries],
        "role": [e.role for e in entries],
        "why": [e.why for e in entries],
        "details": [canonical(e.details).decode() for e in entries],
        "prev": [e.prev for e in entries],
        "hash": [e.hash for e in entries],
        "version": np.full(len(entries), version, np.int64),
    }


def access_columns(values: Sequence[bytes], version: int) -> TableColumns:
    """Records of accesses as columns of `access_log`."""
    rows: list[dict[str, Any]] = [json.loads(value) for value in values]
    out: TableColumns = {name: [str(row[name]) for row in rows] for name in _ACCESS_TEXTS}
    for name in _ACCESS_NUMBERS:
        out[name] = np.array([int(row[name]) for row in rows], np.int64)
    out["version"] = np.full(len(rows), version, np.int64)
    return out


class Filler:
    """Carries one topic of one partition into its table, at least once."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        table: str,
        columns: Columns,
        warehouse: Warehouse,
        now_ms: Callable[[], int],
        group: str,
    ) -> None:
        self._at = TopicPartition(topic, 0)
        self._table, self._columns, self._now_ms = table, columns, now_ms
        self._warehouse = warehouse
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            group_id=group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def start(self, *, again: bool) -> None:
        """`again`: from the beginning of the topic, whatever was stored before."""
        await self._consumer.start()
        self._consumer.assign([self._at])
        if again:
            await self._consumer.seek_to_beginning(self._at)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def step(self) -> int:
        """Wait a little for records and store them; returns how many. Waits for ClickHouse."""
        got = await self._consumer.getmany(self._at, timeout_ms=300, max_records=_MAX_ROWS)
        values = [r.value for r in got.get(self._at, []) if r.value is not None]
        if values:
            await self._warehouse.store(self._table, self._columns(values, self._now_ms()))
            await self._consumer.commit()
        return len(values)


def _entry(value: bytes) -> Entry | None:
    try:
        return Entry.from_bytes(value)
    except EntryError as error:
        log.error("a record of the ledger is no entry: livewatch flags verify", why=str(error))
        return None
