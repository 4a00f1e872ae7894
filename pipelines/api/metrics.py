"""Every metric of `livewatch api`, declared in one place (docs/metrics.md)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.lifecycle import GRADES
from pipelines.instruments import Declared

REGISTRY = CollectorRegistry()
DECLARED: list[Declared] = []


def _declare(name: str, kind: str, meaning: str, labels: Sequence[str]) -> str:
    full = f"livewatch_{name}"
    DECLARED.append(Declared(full, kind, tuple(labels), meaning))
    return full


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    full = _declare(f"{name}_total", "counter", meaning, labels)
    return Counter(full, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(_declare(name, "gauge", meaning, labels), meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str) -> Histogram:
    full = _declare(name, "histogram", meaning, labels)
    return Histogram(full, meaning, labels, registry=REGISTRY)


REQUESTS = _counter("api_requests", "answers by route and status", "route", "status")
SECONDS = _histogram("api_seconds", "time from a request to its answer, seconds", "route")
LOGINS = _counter("api_logins", "proofs of identity: taken or refused", "via", "outcome")
LIMITED = _counter("api_limited", "requests refused for coming too fast")
UNAUDITED = _counter("api_unaudited", "answers withheld since the access could not be recorded")
ENTRIES = _counter("ledger_entries", "entries that this process wrote", "kind")
CLERK_FAILURES = _counter("clerk_failures", "times that the clerk had to begin again", "what")
UNREADABLE = _counter("clerk_unreadable", "records of the flags' topic that are no flag event")
LENGTH = _gauge("ledger_length", "number of entries of the chain")
BROKEN = _gauge("ledger_broken", "1 when the chain does not hold: nothing more is written to it")
FILES = _gauge("ledger_files", "files that are not cleared, by state", "state")
FALSE_ALERTS = _gauge(
    "false_alerts_per_day",
    "achieved false-alert rate: flags overturned in the last seven days, a day, by grade",
    "grade",
)
_WEEK_MS = 7 * 86_400_000
_OLD_MS = 60 * 86_400_000
"""Appeals of flags older than this were decided long ago."""


class Store:
    """What the warehouse writes are measured by; the same names as a worker's."""

    stored = _counter("stored_rows", "rows acknowledged by ClickHouse", "table")
    store_errors = _counter("store_errors", "failed writes to ClickHouse, each retried")
    store_seconds = _histogram(
        "store_seconds", "time of a write to ClickHouse, retries included", "table"
    )


def stand(book: Book, now_ms: int) -> None:
    """Set the gauges of the ledger."""
    LENGTH.set(book.seq)
    FILES.clear()
    for state, count in Tally(book.files[one].state for one in book.active).items():
        FILES.labels(state.value).set(count)
    for grade, rate in false_alerts_per_day(book, now_ms).items():
        FALSE_ALERTS.labels(grade).set(rate)


def false_alerts_per_day(book: Book, now_ms: int) -> dict[str, float]:
    """By grade: what people overturned in the last seven days, a day. What nobody appealed is
    unknown and not in it, so it is a lower bound."""
    found = dict.fromkeys(GRADES[1:], 0)
    for file in reversed(book.files.values()):
        if file.opened_at < now_ms - _OLD_MS:
            break
        decided = file.decided
        if not file.counted and decided is not None and decided.at > now_ms - _WEEK_MS:
            found[file.grade] = found.get(file.grade, 0) + 1
    return {grade: count / 7 for grade, count in found.items()}
