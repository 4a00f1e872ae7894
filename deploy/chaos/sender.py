"""Batches to Kafka, with the book told which ones are there."""

from __future__ import annotations

import threading

from deploy.chaos.book import Book
from producers.batcher import SealedBatch
from producers.transport import KafkaSink, TransportPolicy


class BookedSink(KafkaSink):
    """The producers' own sink; it also remembers which batches of the book are acknowledged."""

    def __init__(self, bootstrap: str, book: Book, stop: threading.Event) -> None:
        policy = TransportPolicy(max_in_flight_batches=2_000)
        super().__init__(bootstrap, policy, stop.is_set, on_ack=self._note)
        self._book = book
        self._numbers: dict[int, int] = {}
        self._acked: list[int] = []

    def send_booked(self, number: int, batch: SealedBatch) -> None:
        """Send; `number` is the batch's in the book, 0 where it is not to be told."""
        self._numbers[id(batch)] = number
        self.send(batch)

    def tell_book(self) -> None:
        """Write down what was acknowledged since the last call. From the sending thread."""
        done, self._acked = self._acked, []
        if done:
            self._book.acknowledged(done)

    def _note(self, batch: SealedBatch, _broker_ms: int) -> None:
        number = self._numbers.pop(id(batch), 0)
        if number:
            self._acked.append(number)
