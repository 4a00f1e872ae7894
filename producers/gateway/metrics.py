"""Prometheus metrics of the gateway: name, kind, unit and meaning in one place.

Served on a port of their own: what one platform sends is no other platform's business.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "livewatch_gateway_requests", "Requests by path and status", ["path", "status"],
    registry=REGISTRY,
)  # fmt: skip
ROWS = Counter(
    "livewatch_gateway_rows", "Rows accepted or refused, by platform and sample type",
    ["platform", "sample", "outcome"], registry=REGISTRY,
)  # fmt: skip
CORRECTIONS = Counter(
    "livewatch_gateway_corrections", "Corrections accepted: one for each batch or session named",
    ["platform", "sample"], registry=REGISTRY,
)  # fmt: skip
LIMITED = Counter(
    "livewatch_gateway_limited_requests", "Requests answered 429", ["platform"], registry=REGISTRY
)
REPEATED = Counter(
    "livewatch_gateway_repeated_requests", "Retries that were answered from the book by their key",
    registry=REGISTRY,
)  # fmt: skip
SECONDS = Histogram(
    "livewatch_gateway_request_seconds", "From the request to its answer, s",
    buckets=(0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5),
    registry=REGISTRY,
)  # fmt: skip
GROUPS = Histogram(
    "livewatch_gateway_commit_seconds", "Seal and write down one group of requests, s",
    registry=REGISTRY,
)  # fmt: skip
SPOOLED = Gauge(
    "livewatch_gateway_spool_bytes", "Bytes accepted that Kafka does not have yet",
    registry=REGISTRY,
)  # fmt: skip
DELIVERED = Counter(
    "livewatch_gateway_delivered_batches", "Batches that Kafka acknowledged", registry=REGISTRY
)
RESENT = Counter(
    "livewatch_gateway_resent_batches", "Batches read from the spool again after a failure",
    registry=REGISTRY,
)  # fmt: skip
KAFKA_UP = Gauge(
    "livewatch_gateway_kafka_reachable", "1 while Kafka acknowledges, else 0", registry=REGISTRY
)
PLATFORMS = Gauge(
    "livewatch_gateway_platforms", "Platforms heard since the start", registry=REGISTRY
)
