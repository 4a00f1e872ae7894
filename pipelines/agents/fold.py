"""The first stage as the protocol drives it: decode, fold, close, look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipelines.agents.signers import ANYONE, Signers, reason_of
from pipelines.agents.stage import CLOSED_BIT, Entries, Output, Record, Work
from pipelines.core.columns import TableColumns
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy
from pipelines.core.detect.season import NO_SEASON, Season
from pipelines.core.erasure import Erasures, erase_sessions
from pipelines.core.flags import FlagEvent
from pipelines.core.fold import checkpoint
from pipelines.core.fold.clock import (
    ClockPolicy,
    SourceKey,
    TopicClock,
    ahead,
    close_through,
    minutes_to_close,
    reached,
)
from pipelines.core.fold.close import close_minute, open_partials, tick
from pipelines.core.fold.corrections import TABLE as CORRECTIONS
from pipelines.core.fold.corrections import correction_row, refuse_half
from pipelines.core.fold.rows import RAW_TABLES, session_columns
from pipelines.core.fold.stage import NO_MINUTE, Folded, fold, fresh_epoch, refuse
from pipelines.core.fold.state import FoldState
from pipelines.core.moved import drop_moved
from pipelines.core.partials import CELLS_TOPIC, encode
from pipelines.core.values import TABLE as VALUES
from pipelines.instruments import Instruments
from schemas.batch import decode
from schemas.errors import ContractError
from schemas.identity import from_headers
from schemas.telemetry import TOPICS, SampleType

# Open minutes are sent on at once when a complaint came, else at most every so many ticks.
QUIET_TICKS = 5
COMPLAINTS_AHEAD = 4
Present = dict[tuple[str, str, str, int, int], tuple[int, int]]
"""(topic, platform, source, epoch, sequence) -> (rows, late rows) that ClickHouse has."""


class FoldStage:
    """One partition of the telemetry topics."""

    name = "fold"
    topics: tuple[str, ...] = tuple(t.topic for t in SampleType)
    emits_to: str | None = CELLS_TOPIC

    def __init__(
        self,
        partition: int,
        partitions: int,
        instruments: Instruments,
        clock: ClockPolicy | None = None,
        spikes: SpikePolicy = DEFAULT_POLICY,
        signers: Signers = ANYONE,
        season: Season = NO_SEASON,
    ) -> None:
        self._signers = signers
        self.state = FoldState(partition, partitions, clock, spikes, season)
        self.present: Present = {}
        self.erased = Erasures()
        self._rewrite: Entries = {}
        self._partitions = partitions
        self._instruments = instruments
        self._version = 0
        self._ticks = 0
        self._complained = False
        self._bins = 0

    @property
    def open_minutes(self) -> int:
        return len(self.state.opens)

    @property
    def closed_through(self) -> int | None:
        return self.state.closed_through

    def load(self, head: Mapping[str, Any] | None, entries: Entries, version: int) -> Output:
        self._version = version
        if head is None:
            return Output()
        flags = checkpoint.restore(self.state, head, entries)
        if head.get("partitions", self._partitions) != self._partitions:
            moved, self._rewrite = drop_moved(self.state, entries)
            flags += moved
        ended, left = erase_sessions(self.state, entries | self._rewrite, self.erased)
        self._rewrite |= left
        self._bins = self.state.monitor.bins_closed
        return Output(flags=flags + ended)

    def made_anew(self, topic: str) -> None:
        self.state.forget_offsets(topic)

    def fold(self, record: Record) -> Work:
        try:
            header = from_headers(record.headers, record.topic, record.partition)
        except ContractError as error:
            return self._stranger(record, "header", error)
        try:
            key_id = self._signers.check(record, header)
        except ContractError as error:
            return self._stranger(record, reason_of(error), error)
        try:
            fresh_epoch(self.state, header)
            batch = decode(record.value, header, record.broker_ms)
            refuse_half(batch, *self.state.sessions.shard)
        except ContractError as error:
            done = refuse(self.state, header, record.broker_ms)
            after = (done.source, done.source_after)
            if record.broker_ms < self.erased.before(header.identity.platform_id):
                return Work(NO_MINUTE, after)
            reason = "epoch" if error.field == "ce_epoch" else "value"
            self._instruments.refused_batches.labels(reason).inc()
            return self._dead(record, NO_MINUTE, after, [str(error)])
        batch = self.erased.strip(batch, record.broker_ms)
        done = fold(self.state, batch, record.offset, record.broker_ms)
        self._count(record.topic, done)
        work = Work(done.minute, (done.source, done.source_after))
        ident = header.identity
        key = (record.topic, ident.platform_id, ident.source, ident.epoch, ident.sequence)
        if done.raw is not None and self.present.get(key) != (done.rows, done.late):
            done.raw["version"] = np.full(done.rows, self._version, np.int64)
            work.raw = (RAW_TABLES[ident.sample], done.raw)
        if done.correction:
            self._instruments.corrections.inc()
            row = correction_row(header, key_id, record.offset, record.broker_ms, self._version)
            work.also = (CORRECTIONS, row)
        if done.refused:
            reasons = [str(e) for e in done.refused]
            return self._dead(record, done.minute, work.after, reasons, work)
        self._complained |= ident.sample is SampleType.COMPLAINTS and done.rows > 0
        return work

    def acknowledge(self, after: tuple[SourceKey, dict[str, Any]]) -> None:
        source, data = after
        self.state.acknowledged[source] = data

    def ready(self, clocks: Mapping[str, TopicClock]) -> list[int]:
        state = self.state
        if state.closed_through is None:
            return []
        through = close_through(
            state.sources, clocks, state.newest, state.clock, state.closed_through
        )
        if through is None or through <= state.closed_through:
            return []
        return minutes_to_close(through, state.closed_through, state.opens)

    def waiting(self, clocks: Mapping[str, TopicClock]) -> set[str]:
        state = self.state
        bounds = dict.fromkeys(self.topics, state.clock.max_ahead_ms)
        # Complaints are few and small, and a flag does not wait for what is being read.
        bounds[SampleType.COMPLAINTS.topic] *= COMPLAINTS_AHEAD
        return ahead(reached(state.sources, clocks, state.clock), clocks, bounds)

    def close(self, minute: int, now_ms: int, folded: Mapping[str, int]) -> Output:
        self.state.note_close(minute, folded)
        closed = close_minute(self.state, minute, self._version, now_ms)
        out = Output(messages=[encode(closed.partial)], flags=closed.flags)
        if closed.indicators is not None:
            out.tables.append(("indicators_session", closed.indicators))
        if closed.values is not None:
            out.tables.append((VALUES, closed.values))
        out.entries = checkpoint.minute_entry(self.state, closed)
        out.tables += self._sessions_and_completeness(minute)
        return out

    def detector(self) -> Entries:
        bins, self._bins = self._bins, self.state.monitor.bins_closed
        if bins == self._bins:
            return {}
        self.state.detector_turn += 1
        return checkpoint.detector_entry(self.state, self.state.detector_turn)

    def tick(self, now_ms: int) -> Output:
        self._ticks += 1
        if not self._complained and self._ticks % QUIET_TICKS:
            return Output()
        flags = tick(self.state, now_ms) if self._complained else []
        self._complained = False
        partials = open_partials(self.state, self._version + self._ticks % CLOSED_BIT)
        return Output(messages=[encode(p) for p in partials], flags=flags)

    def book(self, outbox: list[FlagEvent]) -> Entries:
        rewrite, self._rewrite = self._rewrite, {}
        kept = checkpoint.session_entries(self.state) | checkpoint.book_entry(self.state, outbox)
        return rewrite | kept

    def head(self) -> dict[str, Any]:
        return checkpoint.head(self.state) | {"partitions": self._partitions}

    def _stranger(self, record: Record, reason: str, error: ContractError) -> Work:
        """A record that nobody known answers for leaves no trace in the state: whoever sent it
        could else close windows, or take the numbers of batches that are still to come."""
        self._instruments.refused_batches.labels(reason).inc()
        return self._dead(record, NO_MINUTE, None, [str(error)])

    def _dead(
        self, record: Record, minute: int, after: Any, reasons: list[str], work: Work | None = None
    ) -> Work:
        self._instruments.refused.labels(record.topic).inc(len(reasons))
        work = work or Work(minute, after)
        work.dead = (TOPICS[record.topic].dlq_topic, reasons)
        return work

    def _count(self, topic: str, done: Folded) -> None:
        self._instruments.rows.labels(topic).inc(done.rows)
        self._instruments.late_rows.inc(0 if done.correction else done.late)
        self._instruments.duplicates.inc(int(done.duplicate))

    def _sessions_and_completeness(self, minute: int) -> list[tuple[str, TableColumns]]:
        out: list[tuple[str, TableColumns]] = []
        fresh, self.state.sessions.fresh = self.state.sessions.fresh, []
        if fresh:
            columns = session_columns(fresh)
            columns["version"] = np.full(len(fresh), self._version, np.int64)
            out.append(("sessions", columns))
        rows = completeness_columns(self.state, minute, self._version)
        return [*out, ("completeness", rows)] if rows else out


def completeness_columns(state: FoldState, minute: int, version: int) -> TableColumns | None:
    """Running totals of each (topic, source, epoch) of the partition, after a closed minute."""
    rows = [
        (key, source, epoch, seen)
        for key, source in state.sources.items()
        for epoch, seen in source.ranges.items()
        if epoch == max(source.ranges)
    ]
    if not rows:
        return None
    n = len(rows)
    sources = [source for _, source, _, _ in rows]
    return {
        "minute": np.full(n, minute * 60, np.int64),
        "topic": [key[0] for key, _, _, _ in rows],
        "platform_id": [key[1] for key, _, _, _ in rows],
        "source": [key[2] for key, _, _, _ in rows],
        "kafka_partition": np.full(n, state.partition, np.int64),
        "epoch": np.array([epoch for _, _, epoch, _ in rows], np.int64),
        "next_sequence": np.array([seen.next for _, _, _, seen in rows], np.int64),
        "gaps": np.array([seen.missing for _, _, _, seen in rows], np.int64),
        "batches": np.array([s.batches for s in sources], np.int64),
        "rows": np.array([s.rows for s in sources], np.int64),
        "duplicates": np.array([s.duplicates for s in sources], np.int64),
        "late_rows": np.array([s.late_rows for s in sources], np.int64),
        "refused": np.array([s.refused for s in sources], np.int64),
        **{
            name: np.array([getattr(s, name) for s in sources], np.int64)
            for name in ("skew_ms", "skew_low_ms", "skew_high_ms")
        },
        "watermark": np.array([s.watermark_ms for s in sources], np.int64),
        "version": np.full(n, version, np.int64),
    }
