"""Starting up: wait for Kafka, then see that the topics are as the contract wants them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import structlog
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from producers.errors import StoppedError, TransportError, UsageError
from schemas.telemetry import TOPICS

log = structlog.get_logger("livewatch.push")
_UNKNOWN_TOPIC = 3
_SAY_EVERY_S = 5.0


def connect(bootstrap: str, wait_s: float, stopping: Callable[[], bool] = lambda: False) -> int:
    """Wait for Kafka at `bootstrap` and return the number of partitions of our topics.

    Raises TransportError, in one line, when it is not there after `wait_s` seconds or when
    its topics are missing or unequal; StoppedError when `stopping` turns true meanwhile.
    """
    deadline = time.monotonic() + wait_s
    next_word = time.monotonic() + 1
    while True:
        try:
            return _partitions(bootstrap)
        except (KafkaError, OSError) as error:
            reason = type(error).__name__
        now = time.monotonic()
        if stopping():
            raise StoppedError(f"stopped while waiting for Kafka at {bootstrap}")
        if now >= deadline:
            raise TransportError(
                f"no Kafka at {bootstrap} after {wait_s:.0f} s ({reason}): is it running?"
            )
        if now >= next_word:
            log.info("waiting for Kafka", at=bootstrap, left_s=round(deadline - now))
            next_word = now + _SAY_EVERY_S
        time.sleep(0.5)


def _partitions(bootstrap: str) -> int:
    _one_listens(endpoints(bootstrap))
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000)
    try:
        found: list[dict[str, Any]] = admin.describe_topics(list(TOPICS))
    finally:
        admin.close()
    return check_topics(found)


def check_topics(found: list[dict[str, Any]]) -> int:
    """Number of partitions that all telemetry topics have. Raises TransportError when unequal."""
    counts = {t["name"]: len(t["partitions"]) for t in found if t["error_code"] != _UNKNOWN_TOPIC}
    missing = sorted(set(TOPICS) - set(counts))
    if missing:
        raise TransportError(
            f"Kafka has no topic {', '.join(missing)}: livewatch topics creates them, "
            "or create them with equal numbers of partitions and LogAppendTime"
        )
    if len(set(counts.values())) != 1 or not min(counts.values()):
        said = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        raise TransportError(f"the telemetry topics must have equally many partitions ({said})")
    return next(iter(counts.values()))


def _one_listens(brokers: list[tuple[str, int]]) -> None:
    """Any of them will do. Raises OSError, sooner than the client would, when none is there."""
    for left, broker in enumerate(brokers, 1 - len(brokers)):
        try:
            socket.create_connection(broker, timeout=2).close()
        except OSError:
            if left == 0:
                raise
        else:
            return


def endpoints(bootstrap: str) -> list[tuple[str, int]]:
    """Hosts and ports of a bootstrap string. Raises UsageError when it cannot be read."""
    found = []
    for part in bootstrap.split(","):
        host, colon, port = part.strip().rpartition(":")
        if not colon or not host or not port.isdigit():
            raise UsageError(f"--bootstrap must be host:port[,host:port], not {part.strip()!r}")
        found.append((host.strip("[]"), int(port)))
    return found
