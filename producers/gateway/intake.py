"""Group commit: what many requests brought is sealed and written down at once.

A request waits for its group, `group_ms` at most plus the commit, and has its answer when the
group is on disk. One thread does all the writing, so batches get their numbers in one place.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pyarrow as pa
import structlog

from producers.batcher import SealedBatch
from producers.gateway import metrics
from producers.gateway.correction import Correction
from producers.gateway.places import Place, place_of
from producers.gateway.sources import Sources
from producers.gateway.store import Receipt, Store, Unsent
from producers.pacing import wall_ms
from schemas.identity import to_headers
from schemas.telemetry import SampleType

log = structlog.get_logger("livewatch.gateway")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """`group_ms`: how long a group gathers; `spool_bytes`: no more is accepted beyond it;
    `receipt_ms`: how long an idempotency key is remembered; `number_ms`: how long a batch can be
    named by a correction, which is how long the regulator keeps its rows."""

    group_ms: float = 25
    spool_bytes: int = 1 << 30
    receipt_ms: int = 24 * _HOUR_MS
    number_ms: int = 30 * 24 * _HOUR_MS
    poll_s: float = 0.5


class SpoolFullError(Exception):
    """Kafka is away and the disk's share is used up: not accepted."""


@dataclass(slots=True)
class Job:
    """Rows of one request (None: the platform is only heard from; `final`: for the last time).

    `apart`: in batches of their own. With a `correction` the rows stand in the place of what it
    withdraws. `answer` says where the rows are and `receipt` keeps that under the request's key;
    `done` is the answer.
    """

    platform_id: str
    sample: SampleType | None = None
    rows: pa.RecordBatch | None = None
    answer: Callable[[list[Place]], bytes] = lambda _: b""
    receipt: Callable[[bytes], Receipt | None] = lambda _: None
    apart: bool = False
    correction: Correction | None = None
    final: bool = False
    places: list[Place] = field(default_factory=list)
    done: Future[bytes] = field(default_factory=Future)

    @property
    def bytes(self) -> int:
        return self.rows.nbytes if self.rows is not None else 0


class Intake:
    """The thread that writes. `on_commit` is told after every group that brought batches."""

    def __init__(
        self,
        store: Store,
        sources: Sources,
        policy: IntakePolicy,
        on_commit: Callable[[], None],
    ) -> None:
        self._store, self._sources = store, sources
        self._policy, self._on_commit = policy, on_commit
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._waiting_bytes = 0
        self._delivered: list[tuple[int, int]] = []
        self._stopping = False
        self._next_expiry = 0
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand a job over; `job.done` is set when it is durable. Raises SpoolFullError."""
        with self._changed:
            if self.full or self._stopping:
                raise SpoolFullError
            self._jobs.append(job)
            self._waiting_bytes += job.bytes
            if len(self._jobs) == 1:
                self._changed.notify()

    @property
    def full(self) -> bool:
        """Whether nothing more can be accepted until Kafka has taken something."""
        return self._store.used_bytes + self._waiting_bytes >= self._policy.spool_bytes

    def delivered(self, batches: Sequence[tuple[int, int]]) -> None:
        """Kafka has these, (id, bytes) each: they leave the disk with the next group."""
        with self._changed:
            self._delivered += batches

    def close(self) -> None:
        """Write down what was handed over, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            jobs, delivered, stopping = self._gather()
            began = time.perf_counter()
            try:
                answers = self._write(jobs)
            except Exception as error:
                # Whatever it was, the group is not written: its requests are told, the numbers
                # that it used are never seen, and the next group finds a working state.
                log.exception("a group could not be written", jobs=len(jobs))
                self._renew()
                for job in jobs:
                    job.done.set_exception(error)
            else:
                for job, answer in zip(jobs, answers, strict=True):
                    job.done.set_result(answer)
            self._tidy(delivered)
            if jobs:
                metrics.GROUPS.observe(time.perf_counter() - began)
            if stopping:
                return

    def _gather(self) -> tuple[list[Job], list[tuple[int, int]], bool]:
        """Sleep until there is something to do, then let a group come together."""
        with self._changed:
            if not self._jobs and not self._stopping:
                self._changed.wait(self._policy.poll_s)
            gathering = bool(self._jobs) and not self._stopping
        if gathering:
            time.sleep(self._policy.group_ms / 1000)
        with self._changed:
            jobs, self._jobs = self._jobs, []
            delivered, self._delivered = self._delivered, []
            self._waiting_bytes = 0
            return jobs, delivered, self._stopping

    def _write(self, jobs: list[Job]) -> list[bytes]:
        """Returns the answers when everything is durable."""
        now = wall_ms()
        sealed = self._sealed(jobs, now)
        answers = [j.answer(j.places) for j in jobs]
        kept = [j.receipt(a) for j, a in zip(jobs, answers, strict=True)]
        receipts = [r for r in kept if r is not None]
        if sealed or receipts:
            named = [b.header.identity for b in sealed if b.header.rows or b.header.supersedes]
            self._store.commit([_unsent(b) for b in sealed], receipts, now, named)
        if sealed:
            self._on_commit()
        return answers

    def _sealed(self, jobs: list[Job], now_ms: int) -> list[SealedBatch]:
        """Samples first: of requests at the same time none was answered before another."""
        sealed = self._samples(jobs, now_ms)
        for job in jobs:
            if job.correction is not None and job.sample is not None:
                source = self._sources.of(job.platform_id)
                batches = source.correct(job.sample, job.rows, job.correction, now_ms)
                job.places = [place_of(b) for b in batches]
                sealed += batches
        sealed += self._sources.poll(now_ms)
        for job in jobs:
            if job.final:
                sealed += self._sources.of(job.platform_id).goodbye(now_ms)
        metrics.PLATFORMS.set(len(self._sources))
        return sealed

    def _samples(self, jobs: list[Job], now_ms: int) -> list[SealedBatch]:
        """Rows of one platform and sample type together, but for those that want to be apart."""
        groups: dict[tuple[str, SampleType, int], list[tuple[Job, pa.RecordBatch]]]
        groups = defaultdict(list)
        for number, job in enumerate(jobs, 1):
            if job.correction is not None:
                continue
            if job.sample is not None and job.rows is not None and job.rows.num_rows:
                group = job.platform_id, job.sample, number if job.apart else 0
                groups[group].append((job, job.rows))
            else:
                self._sources.of(job.platform_id).alive(now_ms)
        sealed: list[SealedBatch] = []
        for (platform_id, sample, _), members in groups.items():
            tables = [rows for _, rows in members]
            batches, places = self._sources.of(platform_id).add(sample, tables, now_ms)
            for (job, _), where in zip(members, places, strict=True):
                job.places = where
            sealed += batches
        return sealed

    def _renew(self) -> None:
        try:
            epoch = self._store.next_epoch(wall_ms())
        except sqlite3.Error:
            epoch = max(wall_ms(), self._sources.epoch + 1)
        self._sources.renew(epoch)

    def _tidy(self, delivered: list[tuple[int, int]]) -> None:
        """Forgetting may fail and be done again: a batch sent twice is one batch downstream."""
        now = wall_ms()
        try:
            if delivered:
                self._store.remove(delivered)
            if now >= self._next_expiry:
                self._next_expiry = now + _HOUR_MS
                policy = self._policy
                self._store.expire(now - policy.receipt_ms, now - policy.number_ms)
        except sqlite3.Error:
            log.exception("the spool could not be tidied")
            self.delivered(delivered)
        metrics.SPOOLED.set(self._store.used_bytes)


def _unsent(batch: SealedBatch) -> Unsent:
    ident = batch.header.identity
    return Unsent(ident.topic, ident.partition, to_headers(batch.header), batch.value)
