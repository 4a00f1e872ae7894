"""kafka-python's producer: made with what the topics need, and ended for good."""

from __future__ import annotations

from contextlib import suppress
from importlib import util

import structlog
from kafka import KafkaProducer
from kafka import errors as kafka_errors

from producers.errors import TransportError
from schemas.telemetry import MAX_BYTES, TOPICS

log = structlog.get_logger("livewatch.push")
_FOREVER_MS = 30 * 24 * 3600 * 1000
# Only the metadata of a topic that went away is waited for; then the batch goes again.
_BLOCK_MS = 5_000
_REQUEST_BYTES = 4 * MAX_BYTES


def open_client(bootstrap: str, compression: str | None, linger_ms: int) -> KafkaProducer:
    """Raises TransportError when Kafka went away since it was waited for."""
    if util.find_spec("crc32c") is None:
        log.warning("package crc32c is missing: check sums in pure Python limit sending to 12 MB/s")
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        client_id="livewatch-push",
        acks="all",
        enable_idempotence=True,
        compression_type=compression,
        delivery_timeout_ms=_FOREVER_MS,
        reconnect_backoff_max_ms=1_000,
        linger_ms=linger_ms,
        batch_size=1_000_000,
        max_request_size=_REQUEST_BYTES,
        max_block_ms=_BLOCK_MS,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        for topic in TOPICS:  # now, so that no batch waits for it
            producer.partitions_for(topic)
    except kafka_errors.KafkaError as error:
        end_client(producer, 0.0)
        raise TransportError(f"no metadata from Kafka ({type(error).__name__})") from None
    return producer


def end_client(producer: KafkaProducer, timeout_s: float) -> None:
    """Close a client; what it has not sent by then is given up.

    Its own `close` raises when it cannot flush, and leaves its thread and connections behind.
    """
    try:
        producer.close(timeout=timeout_s)
    except kafka_errors.KafkaError:
        producer._sender.force_close()  # there is no other way
        producer._sender.join(timeout_s + 1.0)
        with suppress(kafka_errors.KafkaError):
            producer.close(timeout=0)
