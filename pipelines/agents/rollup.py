"""The second stage as the protocol drives it: partials in, cells and wider flags out."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import structlog

from pipelines.agents.stage import CLOSED_BIT, Entries, Output, Record, Work
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy
from pipelines.core.detect.season import NO_SEASON, Season
from pipelines.core.erasure import Erasures, erase_complaints, erase_merchants
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import TopicClock
from pipelines.core.offences import Incident
from pipelines.core.partials import CELLS_TOPIC, decode
from pipelines.core.rollup import checkpoint
from pipelines.core.rollup.state import RollupState
from pipelines.core.values import TABLE as VALUES

log = structlog.get_logger()
OPEN_ROWS_TICKS = 3
MAX_HELD_MINUTES = 30
NO_MINUTE = -1


class RollupStage:
    """The one partition of the cells topic."""

    name = "rollup"
    topics: tuple[str, ...] = (CELLS_TOPIC,)
    emits_to: str | None = None

    def __init__(
        self,
        partitions: int,
        spikes: SpikePolicy = DEFAULT_POLICY,
        season: Season = NO_SEASON,
    ) -> None:
        self.state = RollupState(partitions, spikes, season)
        self.erased = Erasures()
        self._rewrite: Entries = {}
        self._keys = checkpoint.KeyEntries()
        self._version = 0
        self._ticks = 0
        self._bins = 0

    @property
    def open_minutes(self) -> int:
        return len(self.state.partials)

    @property
    def closed_through(self) -> int | None:
        return self.state.closed_through

    def load(self, head: Mapping[str, Any] | None, entries: Entries, version: int) -> Output:
        self._version = version
        if head is None:
            return Output()
        flags = checkpoint.restore(self.state, head, entries)
        flags += erase_merchants(self.state, self.erased)
        self._rewrite = erase_complaints(self.state, entries, self.erased)
        self._bins = self.state.levels.merchant.monitor.bins_closed
        return Output(flags=flags)

    def overturned(self, incidents: frozenset[Incident]) -> None:
        """Incidents that people have overturned, all of them that are not too old."""
        self.state.rules.overturned = incidents

    def made_anew(self, topic: str) -> None:
        """Nothing: partials say themselves which minute they are of."""

    def fold(self, record: Record) -> Work:
        try:
            partial = decode(record.value or b"")
        except (ValueError, KeyError, struct.error) as error:
            # Ours alone write here, so this is a bug or a stranger; it must not stop the others.
            log.error("unreadable partial", offset=record.offset, error=type(error).__name__)
            return Work(NO_MINUTE)
        return Work(self.state.fold(self.erased.strip_partial(partial)))

    def acknowledge(self, after: Any) -> None:
        """Nothing: what a partition said is in the head as of the last closed minute."""

    def ready(self, clocks: Mapping[str, TopicClock]) -> list[int]:
        # What the partitions said is told again from the start: it may be read to the end first,
        # but for memory's sake no more than so many minutes are held.
        settled = all(c.settled for c in clocks.values())
        return self.state.ready() if settled or self.open_minutes > MAX_HELD_MINUTES else []

    def waiting(self, clocks: Mapping[str, TopicClock]) -> set[str]:
        """Nothing: there is one topic."""
        return set()

    def close(self, minute: int, now_ms: int, folded: Mapping[str, int]) -> Output:
        closed = self.state.close_minute(minute, self._version + CLOSED_BIT, now_ms)
        out = Output(flags=closed.flags)
        if closed.indicators is not None:
            out.tables.append(("indicators_cell", closed.indicators))
        if closed.values is not None:
            out.tables.append((VALUES, closed.values))
        out.entries = checkpoint.minute_entry(self.state, closed)
        return out

    def detector(self) -> Entries:
        bins, self._bins = self._bins, self.state.levels.merchant.monitor.bins_closed
        if bins == self._bins:
            return {}
        self.state.detector_turn += 1
        return checkpoint.detector_entry(self.state, self.state.detector_turn)

    def tick(self, now_ms: int) -> Output:
        self._ticks += 1
        out = Output(flags=self.state.tick(now_ms))
        if self._ticks % OPEN_ROWS_TICKS == 0:
            version = self._version + self._ticks % CLOSED_BIT
            out.tables = [("indicators_cell", rows) for rows in self.state.open_rows(version)]
        return out

    def book(self, outbox: list[FlagEvent]) -> Entries:
        rewrite, self._rewrite = self._rewrite, {}
        book = checkpoint.book_entry(self.state, outbox)
        return rewrite | self._keys.changed(self.state) | book

    def head(self) -> dict[str, Any]:
        return checkpoint.head(self.state)
