"""Sealed batches to Kafka: in order, bounded in memory, and never silently lost.

What kafka-python's idempotent producer does (3.0.12, read and tried): it keeps one
request in flight per partition, so order holds over retries, and the broker drops a
repeated request. `delivery_timeout_ms` is set beyond any run, so while Kafka is away it
retries for ever. Three cases are left to us: after a lost producer state it bumps its epoch
and fails what was in flight, which is sent again here under the same batch identity; when the
connection breaks while it asks for that epoch it waits for ever, neither delivers nor fails
anything, and is replaced by a new one; and it has no bound on memory, so `send` blocks at
ours. What must outlive the process stays in the spool until `on_ack` (producers/sender.py).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from kafka import errors as kafka_errors

from producers import metrics
from producers.batcher import SealedBatch
from producers.errors import TransportError
from producers.kafka_client import end_client, open_client
from schemas.identity import BatchIdentity, to_headers
from schemas.signing import Signer

if TYPE_CHECKING:
    from kafka import KafkaProducer

log = structlog.get_logger("livewatch.push")
_SAY_EVERY_S = 5.0
# The producer lost its state at the broker; the batch itself is good and goes again.
_SEND_AGAIN = (
    kafka_errors.RetriableError,
    kafka_errors.OutOfOrderSequenceNumberError,
    kafka_errors.UnknownProducerIdError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.KafkaTimeoutError,
)


@dataclass(frozen=True, slots=True)
class TransportPolicy:
    """Bounds. `linger_ms` gathers batches of one partition into one compressed request; a client
    from which nothing has been heard for `stall_s` although Kafka is there is replaced."""

    max_in_flight_batches: int = 4_000
    max_in_flight_bytes: int = 128 * 1024 * 1024
    linger_ms: int = 5
    compression: str | None = "lz4"
    stall_s: float = 30.0


class Sink(Protocol):
    """Where sealed batches go: to Kafka, or into a spool first."""

    @property
    def in_flight(self) -> int:
        """Batches not yet acknowledged."""

    @property
    def resent(self) -> int:
        """Batches sent again under the same identity."""

    def send(self, batch: SealedBatch) -> None: ...

    def flush(self, timeout_s: float) -> bool: ...

    def close(self) -> None: ...


class KafkaSink:
    """Sends sealed batches. `send` and `flush` belong to one thread, acks come on another."""

    def __init__(
        self,
        bootstrap: str,
        policy: TransportPolicy | None = None,
        stopping: Callable[[], bool] = lambda: False,
        signer: Signer | None = None,
        on_ack: Callable[[SealedBatch, int], None] = lambda _batch, _broker_ms: None,
    ) -> None:
        """`signer` signs each batch as it is sent, so that a rotated key holds for what waits.

        `on_ack` is called on the client's thread with the broker's time of the record.
        """
        self._policy = policy or TransportPolicy()
        self._signer, self._on_acked = signer, on_ack
        self._stopping = stopping
        self._bootstrap = bootstrap
        self._changed = threading.Condition()
        self._batches = self._bytes = 0
        self._tickets = itertools.count()
        self._in_hand: dict[int, SealedBatch] = {}  # what the client has, by ticket
        self._heard = time.monotonic()
        self._again: deque[SealedBatch] = deque()
        self._refused: TransportError | None = None
        self.acknowledged = self._resent = 0
        self._producer = self._client()

    def send(self, batch: SealedBatch) -> None:
        """Hand one batch over; blocks while too much is unacknowledged.

        Raises TransportError when Kafka refused an earlier batch for good.
        """
        size = len(batch.value)
        while True:
            self._send_again()
            ready = self._wait(lambda: bool(self._again) or self._has_room(size), None)
            if not ready or self._has_room(size):
                break
        with self._changed:
            self._count(1, size)
        self._hand_over(batch)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every batch is acknowledged; False when that took too long.

        Raises TransportError when Kafka refused a batch for good.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._send_again()
            done = self._wait(lambda: not self._batches or bool(self._again), deadline)
            if not self._batches:
                return True
            if not done:
                return False

    def close(self) -> None:
        """Stop without waiting; call `flush` first."""
        end_client(self._producer, 1.0)

    @property
    def in_flight(self) -> int:
        return self._batches

    @property
    def resent(self) -> int:
        return self._resent

    def _hand_over(self, batch: SealedBatch) -> None:
        ident = batch.header.identity
        headers = to_headers(batch.header)
        if self._signer:
            headers = self._signer.sign(ident.topic, ident.partition, headers, batch.value)
        ticket = self._given(batch)
        try:
            future = self._producer.send(
                ident.topic, value=batch.value, headers=headers, partition=ident.partition
            )
        except kafka_errors.KafkaError as error:
            self._on_error(ticket, error)
            return
        future.add_callback(self._on_ack, ticket)
        future.add_errback(self._on_error, ticket)

    def _given(self, batch: SealedBatch) -> int:
        with self._changed:
            if not self._in_hand:
                self._heard = time.monotonic()
            ticket = next(self._tickets)
            self._in_hand[ticket] = batch
        return ticket

    def _answered(self, ticket: int) -> SealedBatch | None:
        """The batch of an answer; None for one of a client that was replaced."""
        with self._changed:
            self._heard = time.monotonic()
            return self._in_hand.pop(ticket, None)

    def _on_ack(self, ticket: int, metadata: Any) -> None:
        batch = self._answered(ticket)
        if batch is None:
            return
        self._on_acked(batch, metadata.timestamp)
        with self._changed:
            self.acknowledged += 1
            metrics.ACKED.inc()
            self._count(-1, -len(batch.value))

    def _on_error(self, ticket: int, error: BaseException) -> None:
        batch = self._answered(ticket)
        if batch is None:
            return
        with self._changed:
            if isinstance(error, _SEND_AGAIN):
                self._again.append(batch)  # still counted: it stays in memory
                self._changed.notify_all()
                return
            metrics.REFUSED.inc()
            self._refused = _refusal(batch.header.identity, error)
            self._count(-1, -len(batch.value))

    def _client(self) -> KafkaProducer:
        """Raises TransportError when Kafka is away."""
        policy = self._policy
        return open_client(self._bootstrap, policy.compression, policy.linger_ms)

    def _replace_stalled(self) -> None:
        """Another client in the place of one that neither delivers nor fails."""
        with self._changed:
            quiet = time.monotonic() - self._heard
            if not self._in_hand or quiet < self._policy.stall_s:
                return
            self._heard = time.monotonic()
        try:
            fresh = self._client()
        except (TransportError, kafka_errors.KafkaError):
            return  # Kafka is away: that is why nothing is heard
        log.warning("the Kafka client has stalled; another one sends again what it held")
        with self._changed:
            old, self._producer = self._producer, fresh
            self._again.extend(self._in_hand.values())
            self._in_hand.clear()
        end_client(old, 0.0)

    def _count(self, batches: int, size: int) -> None:
        self._batches += batches
        self._bytes += size
        metrics.IN_FLIGHT_BATCHES.set(self._batches)
        metrics.IN_FLIGHT_BYTES.set(self._bytes)
        self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        policy = self._policy
        if not self._batches:
            return True
        return (
            self._batches < policy.max_in_flight_batches
            and self._bytes + size <= policy.max_in_flight_bytes
        )

    def _send_again(self) -> None:
        """Failed batches go before new ones, oldest first, under the same identity."""
        with self._changed:
            failed = sorted(self._again, key=lambda b: b.header.identity.sequence)
            self._again.clear()
        for batch in failed:
            self._resent += 1
            metrics.RESENT.inc()
            self._hand_over(batch)

    def _wait(self, ready: Callable[[], bool], deadline: float | None) -> bool:
        """Wait for `ready`, saying every few seconds what is waited for."""
        next_word = time.monotonic() + _SAY_EVERY_S
        while True:
            self._replace_stalled()
            with self._changed:
                if self._refused is not None:
                    raise self._refused
                if ready():
                    return True
                now = time.monotonic()
                if (deadline is not None and now >= deadline) or self._gave_up(deadline):
                    return False
                if now >= next_word:
                    next_word = now + _SAY_EVERY_S
                    self._say_waiting()
                self._changed.wait(min(0.5, (deadline or now + 1) - now))

    def _gave_up(self, deadline: float | None) -> bool:
        """A blocked `send` does not hold up a stop: what it holds goes with the flush."""
        return deadline is None and self._stopping()

    def _say_waiting(self) -> None:
        log.warning(
            "Kafka does not acknowledge; waiting, nothing is dropped",
            bootstrap=self._bootstrap,
            batches=self._batches,
            megabytes=round(self._bytes / 1e6, 1),
        )


def _refusal(identity: BatchIdentity, error: BaseException) -> TransportError:
    name = type(error).__name__
    return TransportError(
        f"Kafka refused batch {identity.id} of {identity.source} for good ({name}): "
        "nothing after it is sent; see the broker's limits and access rules"
    )
