"""Every metric of a worker: name, kind, labels, unit and meaning, declared in one place.

`docs/metrics.md` is made from this: `python -m pipelines.instruments docs/metrics.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

_PART = ("topic", "partition")
_STAGE = ("stage", "partition")
_SOURCE = ("topic", "platform", "source")
_DELAYS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)


class Declared(NamedTuple):
    """What a metric is called where it is read, and what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class Instruments:
    """A worker's metrics on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.declared: list[Declared] = []
        self._by_partition: list[Gauge] = []
        self._receiving()
        self._falling_behind()
        self._by_source()
        self._state()
        self._storing()
        self._being()

    def _receiving(self) -> None:
        self.records = self._counter("records", "Kafka records folded", ["topic"])
        self.rows = self._counter("rows", "sample rows folded", ["topic"])
        self.late_rows = self._counter(
            "late_rows", "rows later than allowed: in settled figures only"
        )
        self.refused = self._counter(
            "refused_rows", "rows sent to a dead-letter topic; a batch refused whole is one",
            ["topic"],
        )  # fmt: skip
        self.refused_batches = self._counter(
            "refused_batches", "whole batches sent to a dead-letter topic", ["reason"]
        )
        self.corrections = self._counter("corrections", "batches that correct earlier ones")
        self.registry_errors = self._counter(
            "key_registry_errors",
            "failed readings of the registry of keys; the last good one stays in force",
        )
        self.duplicates = self._counter(
            "duplicate_batches", "batches received again and suppressed"
        )
        self.repeats = self._counter("repeated_records", "records the consumer delivered twice")
        self.holes = self._counter("holes_healed", "holes in a partition's offsets read again")

    def _falling_behind(self) -> None:
        self.lag_records = self._gauge("lag_records", "records not folded yet", _PART)
        self.lag_seconds = self._gauge(
            "lag_seconds", "age of the last record folded while behind, seconds; 0 when caught up",
            _PART,
        )  # fmt: skip
        self.event_lag = self._gauge(
            "event_lag_seconds",
            "clock time minus the event time that the foremost source of the topic-partition "
            "has promised, seconds",
            _PART,
        )
        self.fold_delay = self._histogram(
            "fold_delay_seconds", "time from Kafka having a record to its fold", ["topic"], _DELAYS
        )
        self.mailbox_records = self._gauge(
            "mailbox_records", "records received and not folded yet", _PART
        )
        self.mailbox_bytes = self._gauge("mailbox_bytes", "bytes received and not folded yet")
        self.paused = self._gauge(
            "paused", "1 while a topic-partition is not read: its mailbox is full, or it is ahead",
            _PART,
        )  # fmt: skip
        self.pauses = self._counter("pauses", "times that reading of a topic was paused", ["topic"])

    def _by_source(self) -> None:
        meanings = {
            "missing": ("source_missing_batches", "batches of the source's numbering not received"),
            "duplicates": ("source_duplicate_batches", "batches received again and suppressed"),
            "late_rows": ("source_late_rows", "rows later than allowed"),
            "refused": ("source_refused_rows", "rows sent to a dead-letter topic"),
            "skew": (
                "source_clock_skew_seconds",
                "the source's clock minus the broker's at its last batch, seconds, way included",
            ),
            "silent": (
                "source_silent_seconds",
                "seconds since the source was heard, heartbeats included; 0 after its goodbye",
            ),
        }
        self.sources = {
            key: self._gauge(name, meaning, _SOURCE) for key, (name, meaning) in meanings.items()
        }

    def _state(self) -> None:
        self.watermark = self._gauge(
            "closed_through_seconds",
            "end of the last closed minute, event time in seconds since the epoch",
            _STAGE,
        )
        self.checkpoint = self._gauge(
            "checkpoint_seconds", "clock time of the last checkpoint, seconds since the epoch",
            _STAGE,
        )  # fmt: skip
        self.checkpoint_age = self._gauge(
            "checkpoint_age_seconds", "seconds since the last checkpoint", _STAGE
        )
        self.open_minutes = self._gauge(
            "open_minutes", "minutes not closed: what memory grows with", _STAGE
        )
        self.sessions = self._gauge("sessions", "sessions in memory", ["partition"])
        self.flags = self._counter("flag_events", "flag events emitted", ["event", "grade"])
        self.flag_delay = self._histogram(
            "flag_delay_seconds",
            "time from a flag's decision to ClickHouse and Kafka having it",
            ["event"],
            _DELAYS,
        )

    def _storing(self) -> None:
        self.pending_rows = self._gauge("pending_rows", "rows folded and not yet stored")
        self.stored = self._counter("stored_rows", "rows acknowledged by ClickHouse", ["table"])
        self.store_errors = self._counter(
            "store_errors", "failed writes to ClickHouse, each retried"
        )
        self.store_seconds = self._histogram(
            "store_seconds", "time of a write to ClickHouse, retries included", ["table"]
        )

    def _being(self) -> None:
        self.partitions = self._gauge("partitions", "partitions that this worker has", ["stage"])
        self.recovery = self._gauge(
            "recovery_seconds", "time the last load of a partition took", _STAGE
        )
        self.start_seconds = self._gauge(
            "start_seconds",
            "time from the process's start to every partition of its first assignment loaded",
        )
        self.generation = self._gauge("consumer_generation", "consumer group generation")
        self.ready = self._gauge("ready", "1 while /readyz says yes")
        self.live = self._gauge("live", "1 while /healthz says yes")
        self.progress_age = self._gauge(
            "progress_age_seconds",
            "seconds since a record was last folded while there were some to read; else 0",
        )

    def forget_partitions(self) -> None:
        """The gauges of partitions: those that moved elsewhere would stand still for ever."""
        for gauge in self._by_partition:
            gauge.clear()

    # -- declaring ----------------------------------------------------------------------------

    def _counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        full = self._declare(f"{name}_total", "counter", labels, meaning)
        return Counter(full, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
        full = self._declare(name, "gauge", labels, meaning)
        gauge = Gauge(full, meaning, labels, registry=self.registry)
        if "partition" in labels:
            self._by_partition.append(gauge)
        return gauge

    def _histogram(
        self,
        name: str,
        meaning: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
    ) -> Histogram:
        full = self._declare(name, "histogram", labels, meaning)
        return Histogram(full, meaning, labels, registry=self.registry, buckets=buckets)

    def _declare(self, name: str, kind: str, labels: Sequence[str], meaning: str) -> str:
        full = f"livewatch_{name}"
        self.declared.append(Declared(full, kind, tuple(labels), meaning))
        return full


def markdown() -> str:
    """The page that lists all metrics."""
    from pipelines.alerts import metrics as alerts  # they declare with what is above
    from pipelines.api import metrics as api

    return "\n".join(
        [
            "# Metrics of a worker",
            "",
            "At `/metrics` of each worker. A histogram has `_bucket`, `_count` and `_sum`. Made by",
            "`python -m pipelines.instruments docs/metrics.md`, which a test checks.",
            "",
            *_table(Instruments().declared),
            "",
            "# Metrics of the alerts",
            "",
            "At `/metrics` of `livewatch alerts`.",
            "",
            *_table(alerts.DECLARED),
            "",
            "# Metrics of the API and the ledger",
            "",
            "At `/metrics` of `livewatch api`.",
            "",
            *_table(api.DECLARED),
            "",
        ]
    )


def _table(declared: Sequence[Declared]) -> list[str]:
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.meaning} |"
        for one in declared
    ]
    return ["| name | kind | labels | meaning |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), "utf-8")
