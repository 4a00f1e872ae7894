"""Flags and accounts for tests."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Draft, Entry, Kind
from pipelines.core.ledger.requests import Request, Rules, decide
from pipelines.core.ledger.roles import Actor, Role

START = 1_772_596_800_000  # Wednesday 2026-03-04 12:00 in Shanghai
HOUR, DAY = 3_600_000, 86_400_000
LIN = Actor("lin", Role.COMMISSION)
WEI = Actor("wei", Role.COMMISSION)
P01 = Actor("p01-desk", Role.PLATFORM, platform_id="p01")
P02 = Actor("p02-desk", Role.PLATFORM, platform_id="p02")


def add_weekdays(start: date, days: int) -> date:
    """Working days without any holiday."""
    while days:
        start += timedelta(days=1)
        days -= start.weekday() < 5
    return start


RULES = Rules(add_weekdays, lambda text: ["phone number"] if "13812345678" in text else [])


def opened(flag: str = "f1", platform: str = "p01", **more: Any) -> Draft:
    details = {
        "rule": "F01", "grade": "raised", "entity_type": "merchant", "entity": "m1",
        "platform_id": platform, "category": "food", "district": "310101", "parent_id": "",
        "onset": START - HOUR, "event_time": START, "decided_at": START, "event": "opened",
        "digest": "0" * 64,
    } | more  # fmt: skip
    return Draft(f"opened:{flag}", flag, Kind.OPENED, "clerk", "system", "", details)


def write(book: Book, drafts: list[Draft], now: int = START) -> list[Entry]:
    entries = book.next_entries(drafts, now)
    for entry in entries:
        book.apply(entry)
    return entries


def ask(
    book: Book, kind: Kind, actor: Actor, now: int = START, flag: str = "f1", **more: str
) -> list[Entry]:
    """What the account asks for, written. Raises RefusedError."""
    number = str(len(book.ids))
    why = more.pop("why", "because")
    request = Request(more.pop("request_id", number), flag, kind, why, more.pop("correction", ""))
    return write(book, [decide(request, book.files.get(flag), actor, now, RULES)], now)


def whole_life() -> list[Entry]:
    """Every kind of entry once, over two flags."""
    book = Book()
    told = {"level": "notice", "recipients": ["platform:p01"], "reasons": [], "shadow": False}
    entries = write(book, [opened("f1"), opened("f2", "p02")])
    entries += write(book, [Draft("l1", "f1", Kind.LEVEL, "clerk", "system", "", told)])
    held = {"held": "muted:f9"}
    entries += write(book, [Draft("h2", "f2", Kind.HELD, "clerk", "system", "", held)])
    entries += ask(book, Kind.ACKED, LIN)
    graded = {"grade": "critical", "event_time": START}
    entries += write(book, [Draft("g1", "f1", Kind.GRADED, "clerk", "system", "", graded)])
    entries += ask(book, Kind.APPEALED, P01, why="更正后数据不同")
    over = {"event_time": START + HOUR}
    entries += write(book, [Draft("o1", "f1", Kind.OVER, "clerk", "system", "", over)])
    entries += ask(book, Kind.OVERTURNED, WEI)
    return entries + ask(book, Kind.CLEARED, LIN)
