"""Which fault comes when. Pure: the same seed gives the same rounds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

#: How often each kind is in the deck, that is, among so many faults.
DECK: dict[str, int] = {
    "worker.kill": 6,
    "worker.pause": 3,
    "worker.zombie": 4,
    "worker.restart": 3,
    "broker.kill": 3,
    "broker.pause": 2,
    "broker.restart": 2,
    "clickhouse.kill": 3,
    "clickhouse.pause": 2,
    "clickhouse.restart": 2,
    "producer.kill": 4,
    "producer.pause": 2,
    "producer.restart": 2,
    "gateway.kill": 3,
    "gateway.pause": 2,
    "gateway.restart": 2,
    "spool.full": 3,
    "insert.cut": 4,
    "insert.truncate": 2,
    "insert.delay": 2,
    "insert.drop": 2,
    "insert.lost_reply": 4,
    "kafka.cut": 3,
    "kafka.truncate": 2,
    "kafka.delay": 2,
    "kafka.drop": 2,
    "kafka.lost_reply": 3,
    "batch.drop": 2,
    "batch.reorder": 2,
    "batch.repeat": 2,
    "clock.ahead": 2,
    "clock.behind": 2,
}


@dataclass(frozen=True)
class Fault:
    """One fault: due `at_s` seconds after the start of the load. `dice` in [0, 1) decides what
    is left open: whom it hits, how long it lasts."""

    at_s: float
    kind: str
    dice: float


@dataclass(frozen=True)
class RoundPlan:
    """One round: its load lasts `load_s`; `seed` makes its city."""

    number: int
    seed: int
    brokers: int
    load_s: float
    faults: tuple[Fault, ...]


def deal(rng: random.Random, kinds: dict[str, int]) -> Iterator[str]:
    """Kinds without end: a shuffled deck, then another, so that none is long in coming."""
    cards = [kind for kind, count in kinds.items() for _ in range(count)]
    if not cards:
        raise ValueError("no kind of fault is left to choose from")
    while True:
        rng.shuffle(cards)
        yield from cards


def schedule(
    rng: random.Random, cards: Iterator[str], load_s: float, spacing_s: float
) -> tuple[Fault, ...]:
    """Faults at random distances around `spacing_s`; none in the first 10 s, in which all is
    usual, and in the last 8 s, lest the load ends before one is felt."""
    faults = []
    at = 10.0
    while at < load_s - 8.0:
        faults.append(Fault(round(at, 2), next(cards), rng.random()))
        at += spacing_s * rng.uniform(0.5, 1.5)
    return tuple(faults)


def rounds(
    seed: int, brokers: tuple[int, ...], load_s: float, spacing_s: float
) -> Iterator[RoundPlan]:
    """Rounds without end, the numbers of brokers in turn."""
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    cards = deal(rng, DECK)
    number = 0
    while True:
        faults = schedule(rng, cards, load_s, spacing_s)
        yield RoundPlan(
            number, seed * 1000 + number, brokers[number % len(brokers)], load_s, faults
        )
        number += 1
