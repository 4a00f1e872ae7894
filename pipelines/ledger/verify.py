"""Reads both copies of the chain and the detectors' events, and has them compared."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from pipelines.core.ledger.entry import Entry, EntryError, Kind
from pipelines.core.ledger.verify import (
    Finding,
    anchored,
    bound_events,
    compare,
    unbound_events,
    walk,
)
from pipelines.ledger.errors import LedgerAwayError
from pipelines.ledger.read import wall_ms
from pipelines.ledger.table import entry_columns
from pipelines.settings import Settings
from pipelines.topics import LEDGER_TOPIC
from pipelines.warehouse.client import connect, insert

LAG_MS = 60_000
_TIMES = ("onset", "event_time", "decided_at")
_PATIENCE_S = 30.0
_BLOCK = 5000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was read and what is wrong with it. `head` is (number, hash) of the topic's last."""

    topic: int
    table: int
    events: int
    head: tuple[int, str]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "topic_entries": self.topic,
            "table_entries": self.table,
            "events": self.events,
            "head": f"{self.head[0]}:{self.head[1]}",
            "findings": [{"where": f.where, "seq": f.seq, "what": f.what} for f in self.findings],
        }

    def lines(self) -> Iterator[str]:
        for finding in self.findings:
            yield str(finding)
        yield (
            f"{self.topic} entries in the topic, {self.table} in the table, {self.events} events: "
            f"{len(self.findings) or 'nothing'} wrong"
        )
        yield f"head {self.head[0]}:{self.head[1]}"


def verify(settings: Settings, anchor: tuple[int, str] | None, opens_from: str) -> Verdict:
    """Raises LedgerAwayError."""
    now = wall_ms()
    topic = walk("topic", asyncio.run(_topic(settings)), now)
    try:
        with connect(settings) as client:
            table = walk("table", _table(client), now)
            events = _events(client)
    except (driver_errors.Error, OSError, EOFError) as error:
        raise LedgerAwayError(f"ClickHouse: {str(error).splitlines()[0]}") from None
    findings = [*topic.findings, *table.findings]
    findings += compare(topic.entries, table.entries, now, LAG_MS)
    findings += bound_events(topic.entries, events)
    findings += unbound_events(topic, events, opens_from, LAG_MS)
    if anchor is not None:
        findings += anchored(topic.entries, *anchor)
    bound = sum(e.kind in (Kind.OPENED, Kind.GRADED, Kind.OVER) for e in topic.entries)
    return Verdict(len(topic.entries), len(table.entries), bound, topic.head, tuple(findings))


def refill(settings: Settings) -> int:
    """Every entry of the topic into the table again; returns how many. Rows of the table that the
    topic does not have are removed. Raises LedgerAwayError, also where the topic is not whole."""
    topic = walk("topic", asyncio.run(_topic(settings)), wall_ms())
    if topic.findings:
        raise LedgerAwayError(f"the topic itself is not whole ({topic.findings[0]})")
    try:
        with connect(settings) as client:
            # First what a row filled in now would not stand above.
            _delete(client, "version >= %(at_most)s", wall_ms())
            for start in range(0, len(topic.entries), _BLOCK):
                some = topic.entries[start : start + _BLOCK]
                insert(client, "ledger", entry_columns(some, wall_ms()))
            _delete(client, "seq > %(at_most)s", topic.head[0])
    except (driver_errors.Error, OSError, EOFError) as error:
        raise LedgerAwayError(f"ClickHouse: {str(error).splitlines()[0]}") from None
    return len(topic.entries)


def _delete(client: Client, where: str, at_most: int) -> None:
    sql = f"ALTER TABLE ledger DELETE WHERE {where} SETTINGS mutations_sync = 2"
    client.execute(sql, {"at_most": at_most})


async def _topic(settings: Settings) -> list[bytes]:
    """The records of the topic, whatever they are."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    at = TopicPartition(LEDGER_TOPIC, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        return await _to_the_end(consumer, at)
    except (KafkaError, TimeoutError) as error:
        raise LedgerAwayError(f"Kafka does not answer ({type(error).__name__})") from None
    finally:
        await consumer.stop()


async def _to_the_end(consumer: AIOKafkaConsumer, at: TopicPartition) -> list[bytes]:
    end, out = (await consumer.end_offsets([at]))[at], []
    deadline = time.monotonic() + _PATIENCE_S
    while await consumer.position(at) < end:
        got = (await consumer.getmany(at, timeout_ms=500)).get(at, [])
        out += [record.value or b"" for record in got]
        if got:
            deadline = time.monotonic() + _PATIENCE_S
        elif time.monotonic() > deadline:
            raise TimeoutError
    return out


def _table(client: Client) -> Iterator[Entry | bytes]:
    rows = client.execute_iter(
        "SELECT seq, entry_id, flag_id, kind, toUnixTimestamp64Milli(at), actor, role, why, "
        "details, prev, hash FROM v_ledger ORDER BY seq"
    )
    for seq, entry_id, flag_id, kind, at, actor, role, why, details, prev, hash_ in rows:
        try:
            said = json.loads(details)
            yield Entry(seq, entry_id, flag_id, Kind(kind), at, actor, role, why, said, prev, hash_)
        except (ValueError, EntryError):
            yield b""


def _events(client: Client) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The detectors' events as they were written, by (flag, event, grade)."""
    columns = [name for name, *_ in client.execute("DESCRIBE v_flag_events")]
    shown = [f"toUnixTimestamp64Milli({c})" if c in _TIMES else c for c in columns]
    sql = f"SELECT {', '.join(shown)} FROM v_flag_events"  # noqa: S608
    found = (dict(zip(columns, row, strict=True)) for row in client.execute_iter(sql))
    return {(row["flag_id"], row["event"], row["grade"]): row for row in found}
