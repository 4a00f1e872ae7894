"""From the spool to Kafka, in the background: one thread seals, one sends.

Sealing never waits for Kafka: while it is away the spool goes on taking samples, in batches.
Sending reads sealed batches oldest first, signs them with the key of today, and removes them
from the spool when Kafka has acknowledged them. Whatever goes wrong is tried again; a batch
that Kafka refuses for good stays in the spool, and the reason is in `problem`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from producers import metrics
from producers.batcher import EMPTY, SealedBatch, SealPolicy
from producers.connect import connect
from producers.errors import PushError, StoppedError, TransportError
from producers.pacing import wall_ms
from producers.spool import Pending, Spool, SpoolError
from producers.transport import KafkaSink, TransportPolicy
from schemas.batch import encode, lean
from schemas.identity import BatchIdentity
from schemas.signing import Signer
from schemas.telemetry import SampleType
from schemas.validate import row_errors

log = structlog.get_logger("livewatch.push")
_READ = 64
_FAR_MS = 1 << 52


@dataclass(frozen=True, slots=True)
class SenderPolicy:
    """`delay_ms`: how much later than its event time a sample may be handed in and still be on
    time; the watermark stays so far behind the clock. `retry_s`: rest after Kafka failed."""

    seal: SealPolicy = field(default_factory=SealPolicy)
    transport: TransportPolicy = field(default_factory=TransportPolicy)
    delay_ms: int = 5_000
    tick_s: float = 0.1
    retry_s: float = 1.0
    connect_s: float = 10.0


class Sender:
    """Start it once per spool; a context manager. Closing stops it and leaves the rest spooled."""

    def __init__(
        self,
        spool: Spool,
        bootstrap: str,
        policy: SenderPolicy | None = None,
        signer: Signer | None = None,
        now_ms: Callable[[], int] = wall_ms,
        *,
        live: bool = True,
    ) -> None:
        """`live` False: send what is there; no heartbeats as time passes, and no promise of how
        far event time has come, which only the process that takes samples can make."""
        self._live = live
        self._spool, self._bootstrap, self._signer = spool, bootstrap, signer
        self._policy = policy or SenderPolicy()
        self._now = now_ms
        self._stop = threading.Event()
        self._work = threading.Event()  # something to send, or to remove
        self._acked: deque[BatchIdentity] = deque()
        self._in_hand: dict[BatchIdentity, Pending] = {}
        self.problem = ""  # why nothing is sent at the moment; empty when all is well
        self._threads = [
            threading.Thread(target=self._guard, args=(step,), name=name, daemon=True)
            for name, step in (("spool-seal", self._seal), ("spool-send", self._run))
            if live or step == self._run
        ]

    def start(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def flush(self, timeout_s: float) -> bool:
        """Seal all that waits; whether Kafka had everything before the time was over."""
        self.seal(all_of_it=True)
        return self._until_empty(timeout_s)

    def drained(self, timeout_s: float) -> bool:
        """Whether Kafka had everything that is sealed before the time was over."""
        self._work.set()
        return self._until_empty(timeout_s)

    def goodbye(self, timeout_s: float) -> bool:
        """As `flush`, then say for every lane that nothing more will come."""
        self.seal(all_of_it=True)
        self._spool.goodbye(self._now(), self._now())
        self._work.set()
        return self._until_empty(timeout_s)

    def close(self) -> None:
        """Stop both threads. What is not acknowledged stays in the spool."""
        self._stop.set()
        self._work.set()
        for thread in self._threads:
            thread.join(30)

    def seal(self, *, all_of_it: bool = False) -> None:
        """Seal what is due. Raises SpoolError."""
        now = self._now()
        promise = now - self._policy.delay_ms if self._live else 0
        if self._spool.seal(
            now, self._policy.seal, promise, all_of_it=all_of_it, heartbeats=self._live
        ):
            self._work.set()
        metrics.SPOOL_BYTES.set(self._spool.used_bytes)
        metrics.SPOOL_FULL.set(self._spool.used_bytes / self._spool.limits.max_bytes)

    def _until_empty(self, timeout_s: float) -> bool:
        deadline = self._now() + timeout_s * 1000
        while self._spool.holds_rows():
            if self._now() >= deadline or self._stop.wait(0.02):
                return False
        return True

    # -- the two threads --------------------------------------------------------------------

    def _guard(self, step: Callable[[], None]) -> None:
        """Nothing that goes wrong in the background may end it, or be silent."""
        while not self._stop.is_set():
            try:
                step()
            except StoppedError:
                return
            except PushError as error:
                self._say(str(error))
            except Exception as error:
                log.exception("unexpected; trying again")
                self._say(f"unexpected {type(error).__name__}")
            self._stop.wait(self._policy.retry_s)

    def _seal(self) -> None:
        while not self._stop.wait(self._policy.tick_s):
            self.seal()

    def _run(self) -> None:
        """One connection's life. Raises PushError when it cannot go on."""
        if not self._spool.sources():
            return
        partitions = connect(self._bootstrap, self._policy.connect_s, self._stop.is_set)
        for platform, source in self._spool.sources():
            self._check_partitions(platform, source, partitions)
        self._acked.clear()
        self._in_hand.clear()
        sink = KafkaSink(
            self._bootstrap, self._policy.transport, self._stop.is_set, self._signer, self._on_ack
        )
        with closing(sink):
            last = 0
            while not self._stop.is_set():
                last = self._send_some(sink, last)
                self._remove()
                sink.flush(0)  # sends again what failed, and raises what Kafka refused for good
            sink.flush(5.0)
            self._remove()

    def _check_partitions(self, platform: str, source: str, partitions: int) -> None:
        """More partitions than the spool knows get lanes, and so heartbeats; sessions that run
        keep the shard that they have. Raises TransportError where there are fewer."""
        known = self._spool.partitions(platform, source)
        if partitions < known:
            raise TransportError(f"the topics have {partitions} partitions, the spool has {known}")
        self._spool.register(platform, source, partitions)

    def _send_some(self, sink: KafkaSink, last: int) -> int:
        """Hand over the next batches; the id of the last one."""
        batches = self._spool.pending(last, _READ)
        if not batches:
            self._work.wait(self._policy.tick_s)
            self._work.clear()
        for batch in batches:
            if self._stop.is_set():
                break
            sealed = self._sealed(batch)
            if sealed is not None:
                self._in_hand[batch.header.identity] = batch
                sink.send(sealed)
            last = batch.id
        return last

    def _sealed(self, batch: Pending) -> SealedBatch | None:
        sample = batch.header.identity.sample
        try:
            rows = self._spool.load(batch)
            if rows is None:
                return SealedBatch(batch.header, EMPTY[sample], None)
            for bad in row_errors(rows, sample, _FAR_MS):
                raise SpoolError(f"{batch.header.identity.id}: {bad}")
        except SpoolError as error:
            metrics.SET_ASIDE.inc()
            log.error("a spooled batch is set aside; nothing else is held up", reason=str(error))
            self._spool.refuse(batch, str(error))
            return None
        _count(sample, batch.header.rows)
        return SealedBatch(batch.header, encode(lean(rows, sample)), None)

    def _on_ack(self, batch: SealedBatch, broker_ms: int) -> None:
        if self.problem:
            self._say("")
        metrics.CLOCK_SKEW.set((self._now() - broker_ms) / 1000)
        self._acked.append(batch.header.identity)
        self._work.set()

    def _remove(self) -> None:
        done = []
        while self._acked:
            batch = self._in_hand.pop(self._acked.popleft(), None)
            if batch is not None:
                done.append(batch)
        if done:
            self._spool.done(done)

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("not sending; samples stay in the spool", reason=problem)
        elif not problem:
            log.info("sending again")
        self.problem = problem


def _count(sample: SampleType, rows: int) -> None:
    metrics.SEALED.labels(sample.value).inc()
    metrics.ROWS.labels(sample.value).inc(rows)
