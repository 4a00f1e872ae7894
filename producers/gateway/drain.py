"""From the spool to Kafka, oldest first, for ever; the spool is the only queue.

When a batch fails, nothing more is handed over until everything in flight is settled; then the
spool is read again from the oldest that Kafka does not have, under the same identities. A client
that neither delivers nor fails (see producers/transport.py) is a failure too, and is replaced.

A correction withdraws what stands before it in the log, so nothing of its topic-partition may be
in flight beside it: what failed and is sent again would change sides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka import errors as kafka_errors

from producers.gateway import metrics
from producers.gateway.store import Reader, Stored, Unsent
from producers.kafka_client import end_client
from schemas.signing import Signer
from schemas.telemetry import MAX_BYTES

log = structlog.get_logger("livewatch.gateway")
_PAGE = 64
_MAX_IN_FLIGHT = 400
_MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024
_PAUSE_S = 0.5
# The client fails what it could not deliver after its delivery timeout of 20 s.
_STALL_S = 30.0
# Delivered ids that are remembered until they have left the spool, which takes a second or so.
_REMEMBERED = 5_000
OnDelivered = Callable[[Sequence[tuple[int, int]]], None]


def kafka_producer(bootstrap: str) -> KafkaProducer:
    """Raises KafkaError when Kafka is away."""
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        client_id="livewatch-gateway",
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        delivery_timeout_ms=20_000,
        request_timeout_ms=10_000,
        reconnect_backoff_max_ms=1_000,
        linger_ms=5,
        batch_size=1_000_000,
        max_request_size=4 * MAX_BYTES,
        max_block_ms=5_000,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


class Drain:
    """The thread that sends. `on_delivered` gets (id, bytes) of what Kafka has acknowledged."""

    def __init__(
        self,
        path: Path,
        connect: Callable[[], KafkaProducer],
        signer: Signer | None,
        stall_s: float = _STALL_S,
    ) -> None:
        self._stall_s, self._heard = stall_s, 0.0
        self._path, self._connect, self._signer = path, connect, signer
        self._on_delivered: OnDelivered = lambda _: None
        self._changed = threading.Condition()
        self._in_flight: dict[int, Unsent] = {}
        self._correcting: set[int] = set()  # the corrections among them
        self._done: set[int] = set()
        self._failed: BaseException | None = None
        self._stop = False
        self._new = True
        self._caught_up = False
        self.reachable = False
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self, on_delivered: OnDelivered) -> None:
        self._on_delivered = on_delivered
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the spool."""
        with self._changed:
            self._new = True
            self._changed.notify_all()

    def close(self, patience_s: float) -> None:
        """Send what is left, for so long at most; the rest stays in the spool for the next run."""
        with self._changed:
            self._changed.wait_for(self._idle, patience_s)
            self._stop = True
            self._changed.notify_all()
        self._thread.join(10)

    def _idle(self) -> bool:
        return self._caught_up and not self._new and not self._in_flight and self._failed is None

    def _run(self) -> None:
        reader = Reader(self._path)
        producer: KafkaProducer | None = None
        last = 0
        while not self._stop:
            try:
                producer = producer or self._connect()
                last = self._send_page(producer, reader, last)
                self._settle()
                self._check_stall()
            except Exception as error:  # whatever it was: this thread is the only way to Kafka
                self._say(error)
                last = 0  # what was delivered meanwhile is known and passed over
                if producer is not None and not isinstance(error, kafka_errors.RetriableError):
                    end_client(producer, 2.0)
                    producer = None
                    self._forget()
                self._pause(_PAUSE_S)
        if producer is not None:
            end_client(producer, 2.0)
        reader.close()

    def _send_page(self, producer: KafkaProducer, reader: Reader, last: int) -> int:
        """Hand the next batches over; the id up to which everything has been handed over."""
        with self._changed:
            self._new = False
        page = reader.after(last, _PAGE)
        with self._changed:
            self._caught_up = not page
            if not page:
                self._changed.notify_all()
                self._changed.wait_for(
                    lambda: self._new or self._stop or self._failed is not None, _PAUSE_S
                )
        for stored in page:
            with self._changed:
                if stored.id in self._done:
                    continue
                may = partial(self._may_go, stored.batch)
                while not self._changed.wait_for(may, _PAUSE_S):
                    self._check_stall()
                if self._failed is not None or self._stop:
                    return last
                self._lend(stored)
            self._hand_over(producer, stored)
            last = stored.id
        return page[-1].id if page else last

    def _lend(self, stored: Stored) -> None:
        if not self._in_flight:
            self._heard = time.monotonic()
        self._in_flight[stored.id] = stored.batch
        if stored.batch.corrects:
            self._correcting.add(stored.id)

    def _may_go(self, batch: Unsent) -> bool:
        if self._failed is not None or self._stop:
            return True
        sent = self._in_flight.values()
        if len(sent) >= _MAX_IN_FLIGHT or sum(len(b.value) for b in sent) >= _MAX_BYTES_IN_FLIGHT:
            return False
        if batch.corrects:
            return all(b.lane != batch.lane for b in sent)
        return all(self._in_flight[c].lane != batch.lane for c in self._correcting)

    def _hand_over(self, producer: KafkaProducer, stored: Stored) -> None:
        batch, headers = stored.batch, stored.batch.headers
        if self._signer is not None:
            headers = self._signer.sign(batch.topic, batch.partition, headers, batch.value)
        try:
            future = producer.send(
                batch.topic, value=batch.value, headers=headers, partition=batch.partition
            )
        except kafka_errors.KafkaError as error:
            self._on_error(stored.id, error)
            return
        future.add_callback(self._on_ack, stored.id)
        future.add_errback(self._on_error, stored.id)

    def _on_ack(self, number: int, _metadata: Any) -> None:
        with self._changed:
            self._heard = time.monotonic()
            sent = self._in_flight.pop(number, None)
            self._correcting.discard(number)
            self._done.add(number)
            if len(self._done) > 2 * _REMEMBERED:
                self._done = set(sorted(self._done)[_REMEMBERED:])
            self.reachable = True
            self._changed.notify_all()
        metrics.KAFKA_UP.set(1)
        metrics.DELIVERED.inc()
        self._on_delivered([(number, len(sent.value) if sent else 0)])

    def _on_error(self, number: int, error: BaseException) -> None:
        with self._changed:
            self._heard = time.monotonic()
            self._in_flight.pop(number, None)
            self._correcting.discard(number)
            self._failed = error
            self._changed.notify_all()

    def _settle(self) -> None:
        """After a failure: wait for everything in flight, then raise it."""
        with self._changed:
            if self._failed is None:
                return
            while not self._changed.wait_for(lambda: not self._in_flight or self._stop, _PAUSE_S):
                self._check_stall()
            error, self._failed = self._failed, None
        metrics.RESENT.inc()
        if isinstance(error, kafka_errors.KafkaError):
            raise error
        raise kafka_errors.KafkaError(str(error))

    def _check_stall(self) -> None:
        """Raise KafkaError when nothing has been heard of what the client holds."""
        with self._changed:
            if self._in_flight and time.monotonic() - self._heard > self._stall_s:
                raise kafka_errors.KafkaError("the client has stalled")

    def _forget(self) -> None:
        """What a closed client held is read from the spool again."""
        with self._changed:
            self._in_flight.clear()
            self._correcting.clear()
            self._failed = None

    def _say(self, error: BaseException) -> None:
        self.reachable = False
        metrics.KAFKA_UP.set(0)
        log.warning("Kafka does not take batches; the spool keeps them", why=type(error).__name__)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stop, seconds)
