"""Every metric of `livewatch api`, declared in one place (docs/metrics.md)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipelines.core.ledger.book import Book
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


class Store:
    """What the warehouse writes are measured by; the same names as a worker's."""

    stored = _counter("stored_rows", "rows acknowledged by ClickHouse", "table")
    store_errors = _counter("store_errors", "failed writes to ClickHouse, each retried")
    store_seconds = _histogram(
        "store_seconds", "time of a write to ClickHouse, retries included", "table"
    )


def stand(book: Book) -> None:
    """Set the gauges of the ledger."""
    LENGTH.set(book.seq)
    FILES.clear()
    for state, count in Tally(book.files[one].state for one in book.active).items():
        FILES.labels(state.value).set(count)
