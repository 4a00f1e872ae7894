"""Every metric of a worker: name, kind, unit and meaning, declared in one place."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Instruments:
    """A worker's metrics on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        part = ["topic", "partition"]
        self.records = Counter("livewatch_records", "Kafka records folded", ["topic"], registry=r)
        self.rows = Counter("livewatch_rows", "sample rows folded", ["topic"], registry=r)
        self.late_rows = Counter(
            "livewatch_late_rows", "rows later than allowed: in settled figures only", registry=r
        )
        self.refused = Counter(
            "livewatch_refused_rows", "rows sent to a dead-letter topic", ["topic"], registry=r
        )
        self.duplicates = Counter(
            "livewatch_duplicate_batches", "batches received again and suppressed", registry=r
        )
        self.repeats = Counter(
            "livewatch_repeated_records", "records the consumer delivered twice", registry=r
        )
        self.holes = Counter(
            "livewatch_holes_healed", "holes in a partition's offsets read again", registry=r
        )
        self.stored = Counter(
            "livewatch_stored_rows", "rows acknowledged by ClickHouse", ["table"], registry=r
        )
        self.store_errors = Counter(
            "livewatch_store_errors", "failed writes to ClickHouse, each retried", registry=r
        )
        self.store_seconds = Histogram(
            "livewatch_store_seconds", "time of a write to ClickHouse", ["table"], registry=r
        )
        self.flags = Counter(
            "livewatch_flag_events", "flag events emitted", ["event", "grade"], registry=r
        )
        self.lag_records = Gauge(
            "livewatch_lag_records", "records not folded yet", part, registry=r
        )
        self.lag_seconds = Gauge(
            "livewatch_lag_seconds", "age of the last record folded, while behind", part, registry=r
        )
        self.watermark = Gauge(
            "livewatch_closed_through_seconds",
            "end of the last closed minute, event time",
            ["stage", "partition"],
            registry=r,
        )
        self.checkpoint = Gauge(
            "livewatch_checkpoint_seconds",
            "clock time of the last checkpoint",
            ["stage", "partition"],
            registry=r,
        )
        self.sessions = Gauge("livewatch_sessions", "sessions in memory", ["partition"], registry=r)
        self.pending_rows = Gauge(
            "livewatch_pending_rows", "rows folded and not yet stored", registry=r
        )
        self.recovery = Gauge(
            "livewatch_recovery_seconds",
            "time the last load of a partition took",
            ["stage", "partition"],
            registry=r,
        )
        self.generation = Gauge(
            "livewatch_consumer_generation", "consumer group generation", registry=r
        )
