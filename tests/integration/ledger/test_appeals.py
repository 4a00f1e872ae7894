"""I21 on the real engine: the view over the ledger's table against plain Python."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.core.catalog import CATALOG
from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Draft, Entry, Kind
from pipelines.ledger.table import entry_columns
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run

TODAY = (datetime.now(UTC) + timedelta(hours=8)).date()
FIRST = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=80)
DECISIONS = (Kind.UPHELD, Kind.UPHELD, Kind.OVERTURNED, Kind.CORRECTED)
Decided = tuple[date, str, str, bool]


def write(book: Book, flag: str, kind: Kind, at: datetime, details: dict[str, Any]) -> Entry:
    draft = Draft(f"{kind}:{flag}", flag, kind, "lin", "commission", "", details)
    (entry,) = book.next_entries([draft], int(at.timestamp() * 1000))
    book.apply(entry)
    return entry


def files(rng: random.Random) -> tuple[list[Entry], list[Decided]]:
    """Files that were opened, perhaps appealed, perhaps decided, around midnight in Shanghai."""
    book, entries, decided = Book(), list[Entry](), list[Decided]()
    for n in range(120):
        flag, platform = f"F{n}", rng.choice(["p01", "p02", ""])
        goods = rng.choice(["food", "apparel", ""]) if platform else ""
        at = FIRST + timedelta(days=rng.randrange(75), hours=14)
        about = {"rule": "F01", "grade": "raised", "platform_id": platform, "category": goods}
        entries.append(write(book, flag, Kind.OPENED, at, about))
        for kind in (Kind.ACKED, Kind.APPEALED)[: rng.choice([0, 1, 2, 2, 2])]:
            at += timedelta(minutes=20)
            entries.append(write(book, flag, kind, at, {}))
        if book.files[flag].appealed is not None and rng.random() < 0.9:
            kind = rng.choice(DECISIONS)
            at += timedelta(minutes=rng.choice([70, 79, 80, 81, 300]))
            entries.append(write(book, flag, kind, at, {}))
            day = (at + timedelta(hours=8)).date()
            decided.append((day, platform, goods, kind is Kind.OVERTURNED))
            if rng.random() < 0.5:
                entries.append(write(book, flag, Kind.CLEARED, at + timedelta(days=9), {}))
    return entries, decided


def expected(decided: list[Decided]) -> dict[tuple[Any, ...], tuple[float | None, int, int]]:
    """Value, overturned and decided by (day, scope, platform, category)."""
    total, against = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for day, platform, goods, overturned in decided:
        scopes = [("city", "", "")]
        scopes += [("platform", platform, "")] if platform else []
        scopes += [("category", platform, goods)] if goods else []
        for end in (day + timedelta(days=n) for n in range(30)):
            for scope in scopes if end <= TODAY else ():
                total[end, *scope] += 1
                against[end, *scope] += overturned
    least = CATALOG["I21"].minimum
    return {
        key: (100 * against[key] / n if n >= least else None, against[key], n)
        for key, n in total.items()
    }


def test_appeals_that_overturn_are_counted_by_shanghai_day(clickhouse: Any, database: str) -> None:
    entries, decided = files(random.Random(5))
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(user="admin", database=database) as client:
        for version in (1, 2):  # filled in twice: an entry counts once
            insert(client, "ledger", entry_columns(entries, version))
        rows = client.execute(
            "SELECT day, scope, platform_id, category, value, numerator, n, denominator, indicator,"
            " window FROM v_ledger_appeals"
        )
        silent = client.execute(
            "SELECT name FROM system.columns WHERE database = currentDatabase() "
            "AND table = 'v_ledger_appeals' AND comment = ''"
        )
    found = {row[:4]: (row[4], int(row[5]), row[6]) for row in rows}
    assert len(found) == len(rows)
    assert found == expected(decided)
    assert {row[6:] for row in rows} == {(n, float(n), "I21", "30d") for _, _, n in found.values()}
    assert any(value is None for value, _, _ in found.values())
    assert silent == []
