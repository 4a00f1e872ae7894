"""Which incidents leave the count of repeat offences, asked of the real engine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Draft, Kind
from pipelines.core.offences import Incident, shanghai_day
from pipelines.ledger.table import entry_columns
from pipelines.sinks.overturned import overturned
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.ledger.conftest import columns_of, event

DAY, HOUR = 86_400_000, 3_600_000
NOW = shanghai_day(time.time_ns() // 1_000_000) * DAY - 32 * HOUR
"""Yesterday's beginning in Shanghai; sessions are not kept for ever."""


class Asked:
    """What `overturned` needs of a warehouse."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def query(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        return list(self.client.execute(sql, params))


def flag(name: str, rule: str, at: int, entity: str, **more: Any) -> Any:
    kind = "session" if entity.startswith("s") else "merchant"
    return event(entity, flag_id=name, rule=rule, onset=at, entity_type=kind, **more)


#: a, b: one incident (a merchant's and its session's, one day); c the same rule on the day before.
FLAGS = [
    flag("a", "F03", NOW + HOUR, "m1"),
    flag("b", "F03", NOW + 2 * HOUR, "s1"),
    flag("c", "F03", NOW - HOUR, "s1"),
    flag("d", "F05", NOW + HOUR, "m1", grade="watch"),
    flag("e", "F12", NOW + HOUR, "m1"),
    flag("f", "F08", NOW + HOUR, "m2"),
    flag("g", "F03", NOW - 40 * DAY, "m2"),
    flag("h", "F03", NOW + HOUR, "s-unknown"),
]


def entries(flags: str) -> Any:
    """Overturned flags; a capital is one that was held, since another was told."""
    book, out = Book(), []
    for name in flags:
        decided = (Kind.OPENED, Kind.ACKED, Kind.APPEALED, Kind.OVERTURNED)
        for kind in (Kind.OPENED, Kind.HELD) if name.isupper() else decided:
            entry_id = f"{kind}:{name.lower()}:parent:x" if kind is Kind.HELD else f"{kind}:{name}"
            draft = Draft(entry_id, name.lower(), kind, "lin", "commission", "", {})
            at = int(datetime.now(UTC).timestamp() * 1000)
            for entry in book.next_entries([draft], at):
                book.apply(entry)
                out.append(entry)
    return entry_columns(out, 1)


def test_an_incident_is_overturned_when_all_its_flags_are(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(user="admin", database=database) as client:
        for one in FLAGS:
            insert(client, "flag_events", columns_of(one))
        first = datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(days=1)
        client.execute(
            "INSERT INTO sessions (platform_id, session_id, merchant_pid, category, district, "
            "first_seen, version) VALUES",
            [("p01", "s1", "m1", "food", "310101", first, 1)],
        )

        def found(flags: str) -> set[Incident]:
            client.execute("TRUNCATE TABLE ledger")
            if flags:
                insert(client, "ledger", entries(flags))
            return set(asyncio.run(overturned(Asked(client))))  # type: ignore[arg-type]

        today = shanghai_day(NOW)
        assert found("") == set()
        assert found("a") == set(), "its session's flag stands"
        assert found("aB") == found("ab"), "nobody was told of its session's flag"
        assert found("ab") == {Incident("F03", today, "p01", "m1")}
        assert found("c") == {Incident("F03", today - 1, "p01", "m1")}
        assert found("abcdefgh") == {
            Incident("F03", today, "p01", "m1"),
            Incident("F03", today - 1, "p01", "m1"),
            Incident("F08", today, "p01", "m2"),
        }
