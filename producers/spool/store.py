"""`Spool`: accept, seal, hand out oldest first, remove. See the package for the whole picture."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from producers.batcher import SealedBatch, SealPolicy
from producers.spool.commit import GroupCommit
from producers.spool.database import Database
from producers.spool.entries import Entry, Lane, Stored, assemble, table_entry
from producers.spool.errors import SpoolError
from producers.spool.lanes import Cut, LaneState
from producers.spool.loading import SHIFT, load
from producers.spool.room import Room
from producers.spool.status import OVERHEAD, SpoolStatus, status_of
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import SampleType

_COST = "SELECT ifnull(sum(length(value) + ?), 0) FROM entries WHERE id BETWEEN ? AND ?"
_SEAL = (
    "INSERT INTO batches (lane, epoch, sequence, first, last, rows, watermark_ms, sealed_ms, final,"
    " supersedes, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_HOLDS = (
    "SELECT EXISTS (SELECT 1 FROM batches"
    " WHERE refused = '' AND (rows > 0 OR final OR supersedes != ''))"
)


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """`max_bytes` bounds what is accepted and not yet acknowledged; the file may be somewhat
    larger. `power_safe`: an fsync before each acceptance (shared by all threads that wait);
    without it a power cut, not a kill, can take back what was accepted since the last seal.
    """

    max_bytes: int = 1 << 30
    power_safe: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A sealed batch that is not acknowledged. `id` rises with the order of sealing."""

    id: int
    lane: int
    first: int
    last: int
    header: BatchHeader


class Spool:
    """Thread-safe; one process at a time. Times are ms since epoch, of the sender's clock."""

    def __init__(self, database: Database, limits: SpoolLimits, now_ms: int) -> None:
        self._db, self.limits = database, limits
        self._gate = threading.RLock()  # whoever writes or reads the file
        self._room = Room(limits.max_bytes)
        found = load(database, now_ms, limits.max_bytes)
        self.epoch = found.epoch
        self._layouts = found.layouts
        self._commit = GroupCommit(database, self._gate, found.layout_id)
        self._lanes: dict[Lane, LaneState] = {}
        self._by_id: dict[int, LaneState] = {}
        for lane in found.lanes:
            self._add_lane(lane)
        self._room.release(-found.used_bytes)

    @classmethod
    def open(cls, directory: Path, limits: SpoolLimits, now_ms: int) -> Self:
        """Open or create the spool in `directory`, which no other process may use.

        Batches sealed before keep their identity; new ones get a new epoch, so that a restored
        copy of the file can never give a known identity to other rows.
        Raises SpoolBusy, SpoolCorrupt, SpoolError.
        """
        database = Database(
            directory, max_bytes=limits.max_bytes, now_ms=now_ms, power_safe=limits.power_safe
        )
        try:
            return cls(database, limits, now_ms)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Give the file up; what is in it stays."""
        with self._gate:
            self._db.close()

    # -- what is kept ---------------------------------------------------------------------

    @property
    def used_bytes(self) -> int:
        """What is accepted and not acknowledged, in bytes."""
        return self._room.used

    def unacknowledged(self) -> int:
        """Sealed batches that Kafka has not acknowledged, heartbeats included."""
        return sum(lane.pending for lane in self._by_id.values())

    def last_put(self) -> str:
        """Source and id of the last batch with rows that `put` took; empty when none was."""
        with self._gate:
            found = self._db.sql.execute(
                "SELECT value FROM meta WHERE name = 'last_put'"
            ).fetchone()
        return str(found[0]) if found else ""

    def holds_rows(self) -> bool:
        """Whether anything but heartbeats waits to be sealed or acknowledged."""
        with self._gate:
            waiting = any(lane.waiting for lane in self._lanes.values())
            return waiting or bool(self._db.sql.execute(_HOLDS).fetchone()[0])

    def status(self) -> SpoolStatus:
        with self._gate:
            return status_of(self._db.sql)

    def partitions(self, platform_id: str, source: str) -> int:
        """How many partitions the source was registered with; 0 when it is unknown."""
        mine = [
            x.partition for x in self._lanes if (x.platform_id, x.source) == (platform_id, source)
        ]
        return max(mine, default=-1) + 1

    def sources(self) -> list[tuple[str, str]]:
        """The registered (platform id, source)s."""
        return list(dict.fromkeys((x.platform_id, x.source) for x in self._lanes))

    def setting(self, name: str, default: str) -> str:
        """A text kept with the spool; `default` is written down the first time."""
        with self._gate, self._db.sealing() as sql:
            sql.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (f"setting/{name}", default))
            question = "SELECT value FROM meta WHERE name = ?"
            return str(sql.execute(question, (f"setting/{name}",)).fetchone()[0])

    def register(self, platform_id: str, source: str, partitions: int) -> None:
        """Make the lanes of a source: from now on each says that it is alive."""
        wanted = [Lane(platform_id, source, t, p) for t in SampleType for p in range(partitions)]
        with self._gate:
            new = [lane for lane in wanted if lane not in self._lanes]
            if not new:
                return
            with self._db.sealing() as sql:
                ids = [_insert_lane(sql, lane) for lane in new]
            for number, lane in zip(ids, new, strict=True):
                self._add_lane(LaneState(number, lane))

    # -- accepting ------------------------------------------------------------------------

    def append(
        self,
        entries: Sequence[Entry],
        now_ms: int,
        *,
        timeout_s: float = 0.0,
    ) -> None:
        """Accept entries of registered lanes, all or none; on return they are durable.

        Waits up to `timeout_s` for room. Raises SpoolFull, SpoolError, and ValueError for a lane
        that is not registered.
        """
        if any(e.lane not in self._lanes for e in entries):
            raise ValueError("a lane is not registered with the spool")
        cost = sum(len(e.value) + OVERHEAD for e in entries)
        self._room.reserve(cost, timeout_s)
        try:
            self._commit.append([(self._lanes[e.lane], e) for e in entries], now_ms)
        except BaseException:
            self._room.release(cost)
            raise

    def put(self, batch: SealedBatch, timeout_s: float = 0.0) -> None:
        """Take a batch that was sealed elsewhere, under its own identity, as one transaction.

        For a source with a clock of its own (`simulate`). Raises as `append`.
        """
        ident = batch.header.identity
        lane = self._lanes[Lane(ident.platform_id, ident.source, ident.sample, ident.partition)]
        entry = None if batch.rows is None else table_entry(lane.lane, batch.rows)
        cost = OVERHEAD + (0 if entry is None else len(entry.value) + OVERHEAD)
        self._room.reserve(cost, timeout_s)
        try:
            with self._gate:
                self._put(lane, batch.header, entry)
        except BaseException:
            self._room.release(cost)
            raise

    def _put(self, lane: LaneState, header: BatchHeader, entry: Entry | None) -> None:
        cut = lane.heartbeat(final=header.final)
        with self._db.accepting() as sql:
            if entry is not None:
                number = self._commit.insert(sql, lane, entry, header.sent_ms).number
                cut = Cut(number, number, entry.rows)
                last = [("last_put", f"{header.identity.source_uri} {header.identity.id}")]
                sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", last)
            row = (
                lane.id, header.identity.epoch, header.identity.sequence, cut.first, cut.last,
                cut.rows, header.watermark_ms, header.sent_ms, header.final, "", "",
            )  # fmt: skip
            sql.execute(_SEAL, row)
        lane.pending += 1

    # -- sealing --------------------------------------------------------------------------

    def seal(
        self,
        now_ms: int,
        policy: SealPolicy,
        watermark_ms: int,
        *,
        all_of_it: bool = False,
        heartbeats: bool = True,
    ) -> int:
        """Give what is due its identity, and each silent lane a heartbeat; how many batches.

        `watermark_ms` promises that no row before it will be accepted any more; a batch's own
        never passes a row that still waits in its lane. Raises SpoolError; nothing is lost then.
        """
        with self._gate:
            cuts = [
                (lane, cut)
                for lane in self._lanes.values()
                for cut in lane.due(now_ms, policy, all_of_it=all_of_it, heartbeats=heartbeats)
            ]
            self._write(cuts, now_ms, watermark_ms)
        return len(cuts)

    def goodbye(self, now_ms: int, watermark_ms: int) -> None:
        """Every lane says that nothing more will come; seal everything before."""
        with self._gate:
            cuts = [(lane, lane.heartbeat(final=True)) for lane in self._lanes.values()]
            self._write(cuts, now_ms, watermark_ms)

    def _write(self, cuts: list[tuple[LaneState, Cut]], now_ms: int, promise_ms: int) -> None:
        if not cuts:
            return
        ahead: dict[int, int] = {}
        rows = []
        for lane, cut in cuts:
            sequence = lane.sequence + ahead.setdefault(lane.id, 0)
            ahead[lane.id] += 1
            rows.append(
                (
                    lane.id, self.epoch, sequence, cut.first, cut.last, cut.rows,
                    lane.watermark_after(cut, promise_ms), now_ms, cut.final,
                    cut.supersedes, cut.reason,
                )
            )  # fmt: skip
        with self._db.sealing() as sql:
            sql.executemany(_SEAL, rows)
        for lane, cut in cuts:
            lane.sealed(cut, now_ms, promise_ms)
        self._room.release(-OVERHEAD * len(cuts))

    # -- handing out ----------------------------------------------------------------------

    def pending(self, after: int, limit: int) -> list[Pending]:
        """Sealed batches with an id above `after`, oldest first."""
        with self._gate:
            found = self._db.sql.execute(
                "SELECT id, lane, epoch, sequence, first, last, rows, watermark_ms, sealed_ms,"
                " final, supersedes, reason FROM batches WHERE id > ? AND refused = ''"
                " ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
            return [self._pending(row) for row in found]

    def _pending(self, row: tuple[int, ...]) -> Pending:
        number, lane_id, epoch, sequence, first, last, *said = row
        lane = self._by_id[lane_id].lane
        identity = BatchIdentity(
            lane.platform_id, lane.source, epoch, lane.sample.topic, lane.partition, sequence
        )
        rows, watermark, sealed, final, supersedes, reason = said
        header = BatchHeader(
            identity, rows, watermark, sealed, bool(final), str(supersedes), str(reason)
        )
        return Pending(number, lane_id, first, last, header)

    def load(self, batch: Pending) -> pa.RecordBatch | None:
        """The batch's rows, schema `ARROW[sample]`; None when it has none.

        Raises SpoolError when they cannot be read: then `refuse` sets the batch aside.
        """
        with self._gate:
            found = self._db.sql.execute(
                "SELECT layout, single, value FROM entries WHERE id BETWEEN ? AND ? AND rows > 0",
                (batch.lane << SHIFT | batch.first, batch.lane << SHIFT | batch.last),
            ).fetchall()
        if batch.last < batch.first or not batch.header.rows:
            return None
        try:
            stored = [Stored(self._layouts[at], bool(one), value) for at, one, value in found]
            rows = assemble(stored, batch.header.identity.sample)
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
            kind = type(error).__name__
            raise SpoolError(f"{batch.header.identity.id}: cannot be read ({kind})") from None
        if rows.num_rows != batch.header.rows:
            raise SpoolError(f"{batch.header.identity.id}: rows are missing from the file")
        return rows

    def done(self, batches: Sequence[Pending]) -> None:
        """Kafka has acknowledged them: remove them and their rows."""
        freed = 0
        with self._gate:
            with self._db.removing() as sql:
                for b in batches:
                    span = (b.lane << SHIFT | b.first, b.lane << SHIFT | b.last)
                    freed += OVERHEAD + sql.execute(_COST, (OVERHEAD, *span)).fetchone()[0]
                    sql.execute("DELETE FROM entries WHERE id BETWEEN ? AND ?", span)
                    sql.execute("DELETE FROM batches WHERE id = ?", (b.id,))
            for b in batches:
                self._by_id[b.lane].pending -= 1
        self._room.release(freed)

    def refuse(self, batch: Pending, reason: str) -> None:
        """Set a batch aside that can never be sent; it stays in the file and in the status."""
        with self._gate:
            with self._db.removing() as sql:
                sql.execute("UPDATE batches SET refused = ? WHERE id = ?", (reason, batch.id))
            self._by_id[batch.lane].pending -= 1

    # -- opening --------------------------------------------------------------------------

    def _add_lane(self, state: LaneState) -> None:
        self._lanes[state.lane] = state
        self._by_id[state.id] = state


def _insert_lane(sql: sqlite3.Connection, lane: Lane) -> int:
    named = (lane.platform_id, lane.source, lane.sample.topic, lane.partition)
    question = "INSERT INTO lanes (platform_id, source, topic, partition) VALUES (?, ?, ?, ?)"
    return int(sql.execute(question, named).lastrowid or 0)
