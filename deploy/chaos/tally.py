"""The book of a source whose batches are numbered by somebody else: the SDK, or the gateway.

Its samples are numbered (the number is the amount paid), and the book says which were tried and
which were taken. Each line is one write to the operating system, which a kill cannot tear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.check.warehouse import Warehouse

_SESSIONS = 40


@dataclass
class Tally:
    """Numbers: `tried` (first -> how many, event time of the call), of these `accepted` and
    `refused` by their first. What is in neither was under way when the process was killed."""

    tried: dict[int, tuple[int, int]] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    refusals: int = 0
    ended: bool = False

    @property
    def next(self) -> int:
        """The first number that was never tried."""
        return max((first + count for first, (count, _) in self.tried.items()), default=1)

    def waiting(self) -> dict[int, tuple[int, int]]:
        """Tried, with neither answer."""
        known = self.accepted | self.refused
        return {first: call for first, call in self.tried.items() if first not in known}

    def numbers(self, firsts: Iterable[int]) -> set[int]:
        """Every number of these calls."""
        return {n for first in firsts for n in range(first, first + self.tried[first][0])}


class TallyBook:
    """The file. One process writes; any may read."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def tried(self, first: int, count: int, event_ms: int) -> None:
        self._file.write(f"t {first} {count} {event_ms}\n".encode())

    def accepted(self, first: int) -> None:
        self._file.write(f"a {first}\n".encode())

    def refused(self, first: int) -> None:
        """For good: these numbers are never tried again."""
        self._file.write(f"r {first}\n".encode())

    def put_off(self) -> None:
        """Refused for now; the same numbers come again."""
        self._file.write(b"f\n")

    def ended(self) -> None:
        self._file.write(b"e\n")


def read(path: Path) -> Tally:
    """What the book says; an empty one where there is none yet."""
    tally = Tally()
    for line in path.read_text("ascii").splitlines() if path.exists() else ():
        kind, *rest = line.split()
        numbers = [int(one) for one in rest]
        if kind == "t":
            tally.tried[numbers[0]] = numbers[1], numbers[2]
        elif kind == "a":
            tally.accepted.add(numbers[0])
        elif kind == "r":
            tally.refused.add(numbers[0])
        tally.refusals += kind in "rf"
        tally.ended |= kind == "e"
    return tally


def session_of(platform: str, number: int) -> str:
    """The session that a sample is of."""
    name = f"{platform}/{number % _SESSIONS}"
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


@dataclass
class TallyFindings:
    """`wrong`: rows whose other fields are not what was sent."""

    accepted: int = 0
    missing: int = 0
    duplicates: int = 0
    unknown: int = 0
    wrong: int = 0


def stored_rows(platform: str, warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """(number, how often, one session, orders of all) as a reader sees it."""
    return warehouse.rows(
        "SELECT paid_fen, count(), any(session_id), toInt64(sum(orders)) FROM v_orders"
        " WHERE platform_id = %(p)s GROUP BY paid_fen",
        {"p": platform},
    )


def compare(platform: str, tally: Tally, rows: Iterable[tuple[Any, ...]]) -> TallyFindings:
    """What was accepted must be there once; what was refused, or never tried, must not."""
    stored = {int(number): (int(n), session, int(orders)) for number, n, session, orders in rows}
    accepted = tally.numbers(tally.accepted)
    possible = tally.numbers(tally.tried.keys() - tally.refused)
    return TallyFindings(
        len(accepted),
        len(accepted - stored.keys()),
        sum(n - 1 for n, _, _ in stored.values()),
        len(stored.keys() - possible),
        sum(
            session != session_of(platform, number) or orders != n
            for number, (n, session, orders) in stored.items()
        ),
    )
