"""The ledger's topic, which is where the chain is true: one partition, appended to by transactions.

Any number of processes may append. They share one transactional id, so that Kafka lets only the
last that asked for it commit: it is the fence, and there is no other lock.

An append, in numbered steps:

1. take the fence (once; kept until it is lost). Kafka ends the open transaction of whoever had it
   and refuses that one's commit from now on.
2. read to the end of what is committed. Where somebody else has taken the fence since, and added
   to it, step 4 fails.
3. make the entries from the book as it is now; those whose identity it has are left out.
4. send them in one transaction and commit it.
5. read to the end again: the book grows by what the topic says, not by what was sent.

A crash before 4 leaves a transaction that Kafka ends: nobody ever reads it. A crash after 4 leaves
the entries. Where the answer to 4 is lost, or the fence, the appender begins again at 1, and step 3
finds what was committed by its identity. ADR 0027.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerFenced

from pipelines.core.ledger.book import Book, BrokenChainError
from pipelines.core.ledger.entry import Draft, Entry, EntryError
from pipelines.ledger.errors import LedgerAwayError

T = TypeVar("T")
Build = Callable[[Book], Sequence[Draft]]
_BATCH = 500
_TXN_TIMEOUT_MS = 10_000
_PATIENCE_S = 15.0
_APPEND_S = 60.0


class LedgerLog:
    """The chain as this process has read it, and the way to append to it."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        transactional_id: str,
        now_ms: Callable[[], int],
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:
        self.book = Book()
        self.broken: BrokenChainError | None = None
        """Set once the chain does not hold: then it can be read no further, nor appended to."""
        self._bootstrap = bootstrap.split(",")
        self._at = TopicPartition(topic, 0)
        self._id = transactional_id
        self._now_ms = now_ms
        self._on_entry = on_entry
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self, patience_s: float = _PATIENCE_S) -> None:
        """Read the whole chain. Raises LedgerAwayError."""
        async with self._one_at_a_time:
            await _patiently(self._open, patience_s=patience_s)
            await _patiently(self._read_to_end, patience_s=patience_s)

    async def stop(self) -> None:
        async with self._one_at_a_time:
            await self._lose_fence()
            if self._consumer is not None:
                await self._consumer.stop()
                self._consumer = None

    async def catch_up(self) -> None:
        """Take in what others appended. Raises LedgerAwayError."""
        async with self._one_at_a_time:
            await _patiently(self._read_to_end, patience_s=2.0)

    async def append(self, build: Build) -> list[Entry]:
        """Append what `build` makes of the book as it is; returns what was written now.

        `build` may be called several times and changes nothing; what it raises is passed on.
        Raises BrokenChainError, and LedgerAwayError where it is not known to be written.
        """
        async with self._one_at_a_time:
            return await _patiently(lambda: self._append(build), self._lose_fence, _APPEND_S)

    async def _append(self, build: Build) -> list[Entry]:
        if self._producer is None:
            await self._take_fence()  # 1
        await self._read_to_end()  # 2
        if self.broken is not None:
            raise self.broken
        drafts = build(self.book)
        written: list[Entry] = []
        for start in range(0, len(drafts), _BATCH):
            entries = self.book.next_entries(drafts[start : start + _BATCH], self._now_ms())  # 3
            if entries:
                await self._commit(entries)  # 4
                await self._read_to_end()  # 5
                written += entries
        return written

    async def _commit(self, entries: Sequence[Entry]) -> None:
        """All of them or none. However it fails, the fence is given up: a producer in doubt is of
        no more use, and what became of the transaction is read from the topic."""
        try:
            await asyncio.wait_for(self._send(entries), _PATIENCE_S)
        except BaseException:
            await self._lose_fence()
            raise

    async def _send(self, entries: Sequence[Entry]) -> None:
        producer = self._producer
        if producer is None:
            raise LedgerAwayError("the fence is not held")
        async with producer.transaction():
            for entry in entries:
                await producer.send(
                    self._at.topic, entry.to_bytes(), entry.flag_id.encode(), self._at.partition
                )

    async def _take_fence(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            transactional_id=self._id,
            acks="all",
            transaction_timeout_ms=_TXN_TIMEOUT_MS,
            request_timeout_ms=5000,
        )
        try:
            await asyncio.wait_for(producer.start(), _PATIENCE_S)
        except BaseException:
            await _stop(producer)
            raise
        self._producer = producer

    async def _lose_fence(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def _open(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=10_000,
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign([self._at])
        await consumer.seek_to_beginning(self._at)
        self._consumer = consumer

    async def _read_to_end(self) -> None:
        if self._consumer is None:
            raise LedgerAwayError("the ledger is not open")
        end = (await self._consumer.end_offsets([self._at]))[self._at]
        seen = time.monotonic()
        while self.broken is None and await self._consumer.position(self._at) < end:
            before = await self._consumer.position(self._at)
            got = await self._consumer.getmany(self._at, timeout_ms=200, max_records=2000)
            for record in got.get(self._at, []):
                self._take(record.value)
            if await self._consumer.position(self._at) > before:
                seen = time.monotonic()
            elif time.monotonic() - seen > _PATIENCE_S:
                raise KafkaTimeoutError("nothing comes")

    def _take(self, value: bytes | None) -> None:
        if self.broken is not None:
            return
        try:
            entry = Entry.from_bytes(value or b"")
            self.book.apply(entry)
            if self._on_entry is not None:
                self._on_entry(entry)
        except EntryError as error:
            self.broken = BrokenChainError(self.book.seq, str(error))
        except BrokenChainError as error:
            self.broken = error


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), 5)
    except (KafkaError, TimeoutError):
        return  # it was fenced, or Kafka is away: it can commit nothing any more


async def _nothing() -> None:
    return None


async def _patiently(
    work: Callable[[], Awaitable[T]],
    between: Callable[[], Awaitable[None]] = _nothing,
    patience_s: float = _PATIENCE_S,
) -> T:
    """Again after each failure of Kafka, a little later each time, at random: appenders that take
    the fence from each other must not do so in step, and who has it must get something done."""
    began, wait = time.monotonic(), 0.05
    while True:
        try:
            return await work()
        except (KafkaError, TimeoutError) as error:
            await between()
            if time.monotonic() - began > patience_s:
                raise LedgerAwayError(f"Kafka does not answer ({type(error).__name__})") from None
            if isinstance(error, ProducerFenced):
                wait = max(wait, 0.3)
            await asyncio.sleep(random.uniform(0, wait))  # noqa: S311
            wait = min(3.0, 2 * wait)
