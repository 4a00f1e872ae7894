"""The achieved false-alert rate: what people overturned lately, by grade and day."""

from __future__ import annotations

from pipelines.api.metrics import false_alerts_per_day
from pipelines.core.ledger.book import Book
from pipelines.core.ledger.lifecycle import Act, FlagFile, State

DAY = 86_400_000
NOW = 100 * DAY


def file(number: int, grade: str, decision: str, decided_days_ago: float) -> FlagFile:
    at = NOW - round(decided_days_ago * DAY)
    return FlagFile(
        f"f{number}", "F01", grade, "merchant", "m", "p01", "food", "", "", at, at, at - 3 * DAY,
        decided=Act("wei", "commission", at, "why"), decision=decision, state=State.CLEARED,
    )  # fmt: skip


def test_overturned_in_the_last_week_counts_and_nothing_else() -> None:
    book = Book()
    files = [
        file(1, "critical", State.OVERTURNED, 80),  # long ago
        file(2, "critical", State.OVERTURNED, 8),
        file(3, "raised", State.OVERTURNED, 6.9),
        file(4, "critical", State.OVERTURNED, 5),
        file(5, "critical", State.UPHELD, 2),
        file(6, "critical", State.OVERTURNED, 0.1),
    ]
    book.files = {one.flag_id: one for one in files}
    assert false_alerts_per_day(book, NOW) == {"raised": 1 / 7, "critical": 2 / 7}
    assert false_alerts_per_day(Book(), NOW) == {"raised": 0, "critical": 0}
