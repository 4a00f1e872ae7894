"""Prometheus metrics of the sending side: name, kind, unit and meaning in one place."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

REGISTRY = CollectorRegistry()

ROWS = Counter("livewatch_push_rows", "Rows sealed into batches", ["sample"], registry=REGISTRY)
SEALED = Counter(
    "livewatch_push_batches", "Batches sealed, heartbeats included", ["sample"], registry=REGISTRY
)
ACKED = Counter(
    "livewatch_push_acknowledged_batches", "Batches that Kafka acknowledged", registry=REGISTRY
)
RESENT = Counter(
    "livewatch_push_resent_batches", "Batches sent again under the same identity", registry=REGISTRY
)
REFUSED = Counter(
    "livewatch_push_refused_batches", "Batches that Kafka refused for good", registry=REGISTRY
)
IN_FLIGHT_BATCHES = Gauge(
    "livewatch_push_in_flight_batches", "Batches not yet acknowledged", registry=REGISTRY
)
IN_FLIGHT_BYTES = Gauge(
    "livewatch_push_in_flight_bytes", "Bytes not yet acknowledged", registry=REGISTRY
)
BEHIND = Gauge(
    "livewatch_push_behind_seconds", "How far emission lags its schedule, wall s", registry=REGISTRY
)
EVENT_TIME = Gauge(
    "livewatch_push_event_time_seconds", "Event time reached, s since epoch", registry=REGISTRY
)
SPOOL_BYTES = Gauge(
    "livewatch_push_spool_bytes", "Bytes accepted and not acknowledged", registry=REGISTRY
)
SPOOL_FULL = Gauge(
    "livewatch_push_spool_full_ratio", "How full the spool is, 0 to 1", registry=REGISTRY
)
ACCEPTED = Counter(
    "livewatch_push_accepted_rows", "Rows accepted into the spool", ["sample"], registry=REGISTRY
)
REFUSED_ROWS = Counter(
    "livewatch_push_refused_rows", "Rows refused in the call", ["sample"], registry=REGISTRY
)
SET_ASIDE = Counter(
    "livewatch_push_set_aside_batches", "Spooled batches that cannot be read", registry=REGISTRY
)
CLOCK_SKEW = Gauge(
    "livewatch_push_clock_skew_seconds", "This clock less the broker's, s", registry=REGISTRY
)


def serve(port: int) -> None:
    """Expose the metrics on http://0.0.0.0:port/metrics. Raises OSError when it is taken."""
    start_http_server(port, registry=REGISTRY)
