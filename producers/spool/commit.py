"""Accepting: callers that come together share one transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from producers.spool.database import Database
from producers.spool.entries import Entry
from producers.spool.lanes import LaneState, Waiting
from producers.spool.loading import SHIFT
from schemas.telemetry import SampleType

Placed = Sequence[tuple[LaneState, Entry]]


@dataclass(slots=True)
class _Ticket:
    """What one caller wants accepted, and how that ended."""

    entries: Placed
    now_ms: int
    waiting: list[tuple[LaneState, Waiting]] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


class GroupCommit:
    """Each caller queues a ticket and takes the gate; whoever has it commits all that queue."""

    def __init__(
        self,
        database: Database,
        gate: AbstractContextManager[object],
        layout_id: dict[SampleType, int],
    ) -> None:
        self._db, self._gate, self._layout_id = database, gate, layout_id
        self._queue: list[_Ticket] = []
        self._lock = threading.Lock()

    def append(self, entries: Placed, now_ms: int) -> None:
        """On return the entries are durable and wait in their lanes. Raises SpoolError."""
        ticket = _Ticket(entries, now_ms)
        with self._lock:
            self._queue.append(ticket)
        with self._gate:
            if not ticket.done:  # else somebody committed it together with his own
                self._commit_queued()
        if ticket.error:
            raise ticket.error

    def insert(
        self, sql: sqlite3.Connection, lane: LaneState, entry: Entry, now_ms: int
    ) -> Waiting:
        """Write one entry; its number is the lane's next."""
        number, lane.next_number = lane.next_number, lane.next_number + 1
        e, layout = entry, self._layout_id[entry.lane.sample]
        sql.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                lane.id << SHIFT | number, e.rows, e.first_ms, now_ms,
                layout, e.single, e.supersedes, e.reason, e.value,
            ),
        )  # fmt: skip
        return Waiting(number, e.rows, len(e.value), e.first_ms, now_ms, e.supersedes, e.reason)

    def _commit_queued(self) -> None:
        with self._lock:
            tickets, self._queue = self._queue, []
        try:
            with self._db.accepting() as sql:
                for t in tickets:
                    t.waiting = [
                        (lane, self.insert(sql, lane, entry, t.now_ms)) for lane, entry in t.entries
                    ]
        except Exception as error:  # whatever it is, each caller must learn of it
            for t in tickets:
                t.error = error
        else:
            for lane, waiting in (w for t in tickets for w in t.waiting):
                lane.add(waiting)
        finally:
            for t in tickets:
                t.done = True
