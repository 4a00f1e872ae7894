"""Every metric of the process that tells alerts, declared in one place (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from pipelines.instruments import Declared

REGISTRY = CollectorRegistry()
DECLARED: list[Declared] = []


def _declare(name: str, kind: str, meaning: str, labels: Sequence[str]) -> str:
    full = f"livewatch_alerts_{name}"
    DECLARED.append(Declared(full, kind, tuple(labels), meaning))
    return full


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    full = _declare(f"{name}_total", "counter", meaning, labels)
    return Counter(full, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(_declare(name, "gauge", meaning, labels), meaning, labels, registry=REGISTRY)


EVENTS = _counter("events", "flag events taken into the outbox, each id once", "event")
REPEATED = _counter("repeated", "flag events read again and known by their id")
UNREADABLE = _counter(
    "unreadable", "records of the flags' topic that are no flag event; kept aside in the outbox"
)
LAG = _gauge("lag_records", "records of the flags' topic not taken yet")
ATTEMPTS = _counter(
    "attempts", "tellings of a webhook: delivered, failed or dead", "receiver", "outcome"
)
WAITING = _gauge("waiting", "events that a receiver has not taken yet", "receiver")
OLDEST = _gauge(
    "oldest_seconds", "age of the oldest event that a receiver has not taken, seconds", "receiver"
)
DEAD = _gauge("dead", "dead letters of a receiver, until they are replayed", "receiver")
WRONG = _gauge(
    "receivers_wrong",
    "1 while the file of receivers has a mistake; the last good one stays in force",
)
POSTS = _counter("alertmanager_posts", "posts to Alertmanager: taken or failed", "outcome")
ACTIVE = _gauge("active", "open alerts, told to Alertmanager again and again")
UNTOLD = _gauge(
    "alertmanager_age_seconds",
    "seconds since Alertmanager last took everything that it is owed",
)
