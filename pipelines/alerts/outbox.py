"""What is owed to whom, on disk: one SQLite file, one process that delivers, any number that look.

1. `take` writes events, their deliveries, what Alertmanager is to be told and the position in the
   topic in one transaction with fsync. Killed before it, the records are read again; after it,
   everything is owed. An event that comes again is known by its id and owed nothing.
2. `due` hands out what may be tried now: oldest first, and of one flag one at a time, so that
   nobody hears of the end before the beginning.
3. `delivered`, `failed` and `buried` write down how it went. A kill between a receiver's answer
   and `delivered` tells the event once more, under the same id.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.alerts.errors import AlertsError

FILE = "alerts.sqlite3"
LOCK = "lock"
VERSION = 1
DAY_MS = 86_400_000
KEEP_MS = 35 * DAY_MS
"""Longer than the topic keeps its records: what may be read again is still known."""
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
  topic TEXT, partition INTEGER, topic_id TEXT, next INTEGER, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, flag_id TEXT, level INTEGER,
  why TEXT, taken_ms INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS deliveries (
  number INTEGER, receiver TEXT, flag_id TEXT, state TEXT, attempts INTEGER, since_ms INTEGER,
  due_ms INTEGER, done_ms INTEGER, error TEXT, PRIMARY KEY (number, receiver));
CREATE INDEX IF NOT EXISTS owed ON deliveries (receiver, due_ms) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS owed_flag ON deliveries (receiver, flag_id, number)
  WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS flags (
  flag_id TEXT PRIMARY KEY, rule TEXT, grade TEXT, entity_type TEXT, entity TEXT,
  platform_id TEXT, category TEXT, district TEXT, parent_id TEXT, onset INTEGER,
  event_at INTEGER, opened_at INTEGER, over_at INTEGER, over_event_at INTEGER,
  level INTEGER, desks TEXT, held TEXT, decision TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS platform_flags ON flags (platform_id, over_at);
CREATE TABLE IF NOT EXISTS alerts (
  flag_id TEXT, level INTEGER, labels TEXT, annotations TEXT, starts_ms INTEGER,
  ends_ms INTEGER, told_end INTEGER DEFAULT 0, PRIMARY KEY (flag_id, level));
CREATE TABLE IF NOT EXISTS unreadable (
  topic TEXT, partition INTEGER, "offset" INTEGER, reason TEXT, value BLOB,
  PRIMARY KEY (topic, partition, "offset"));
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event owed to one receiver. `attempts` have failed since `since_ms`."""

    number: int
    receiver: str
    event_id: str
    body: bytes
    attempts: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Owed:
    """How a receiver stands."""

    receiver: str
    waiting: int
    dead: int
    delivered: int
    oldest_ms: int | None


class Outbox:
    """The file, opened by the process that delivers (`exclusive`) or by one that looks."""

    def __init__(self, directory: Path, *, exclusive: bool) -> None:
        """Open or create. Raises AlertsError."""
        self.path = directory / FILE
        self._lock = _locked(directory) if exclusive else None
        if not exclusive and not self.path.exists():
            raise AlertsError(f"{directory}: there is no outbox of alerts here")
        try:
            self.sql = sqlite3.connect(self.path, isolation_level=None, timeout=10.0)
            self.sql.execute("PRAGMA journal_mode=WAL")
            self.sql.execute("PRAGMA synchronous=FULL")
            self.sql.executescript(_TABLES)
            self._check_version()
            self._grow()
        except sqlite3.DatabaseError as error:
            self.close()
            raise AlertsError(f"{self.path}: {error}: move it away and start again") from None

    def close(self) -> None:
        if hasattr(self, "sql"):
            self.sql.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and on disk when it ends."""
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield self.sql
            self.sql.execute("COMMIT")
        except BaseException:
            if self.sql.in_transaction:
                self.sql.execute("ROLLBACK")
            raise

    def fact(self, name: str, otherwise: int) -> int:
        """A number that was written down when the outbox was new, and stays."""
        with self.transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, otherwise))
            return int(sql.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    # -- positions ----------------------------------------------------------------------------

    def position(self, topic: str, partition: int, topic_id: str) -> int | None:
        """Where to read on; None: from the beginning, also of a topic that was made anew."""
        found = self.sql.execute(
            "SELECT next, topic_id FROM positions WHERE topic = ? AND partition = ?",
            (topic, partition),
        ).fetchone()
        return None if found is None or found[1] != topic_id else int(found[0])

    # -- what is owed -------------------------------------------------------------------------

    def due(
        self, receiver: str, now_ms: int, limit: int, longest_ms: int = DAY_MS
    ) -> list[Delivery]:
        """Oldest first; of a flag only its first event that waits.

        Nothing waits longer than `longest_ms`: what is due later was written before the clock
        stepped back. What was never tried is due by any clock.
        """
        rows = self.sql.execute(
            "SELECT d.number, d.receiver, e.id, e.body, d.attempts, d.since_ms FROM deliveries d"
            " JOIN events e ON e.number = d.number"
            " WHERE d.state = 'waiting' AND d.receiver = ? AND (d.attempts = 0"
            " OR d.due_ms NOT BETWEEN ? AND ?) AND NOT EXISTS ("
            "  SELECT 1 FROM deliveries b WHERE b.state = 'waiting' AND b.receiver = d.receiver"
            "  AND b.flag_id = d.flag_id AND b.number < d.number)"
            " ORDER BY d.number LIMIT ?",
            (receiver, now_ms + 1, now_ms + longest_ms, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_due(self, receiver: str) -> int | None:
        """When something may be tried again, ms; None where nothing waits."""
        found = self.sql.execute(
            "SELECT min(due_ms) FROM deliveries WHERE state = 'waiting' AND receiver = ?",
            (receiver,),
        ).fetchone()[0]
        return None if found is None else int(found)

    def delivered(self, one: Delivery, now_ms: int) -> None:
        """It answered: so whatever else waits for it need not wait on."""
        with self.transaction() as sql:
            self._state(sql, one, "delivered", now_ms, "")
            if one.attempts:
                sql.execute(
                    "UPDATE deliveries SET due_ms = ? WHERE state = 'waiting' AND receiver = ?",
                    (now_ms, one.receiver),
                )

    def failed(self, one: Delivery, due_ms: int, error: str) -> None:
        with self.transaction() as sql:
            sql.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due_ms = ?, error = ?"
                " WHERE number = ? AND receiver = ? AND state = 'waiting'",
                (due_ms, error, one.number, one.receiver),
            )

    def buried(self, one: Delivery, now_ms: int, error: str) -> None:
        """A dead letter of the receiver: kept until it is replayed."""
        with self.transaction() as sql:
            self._state(sql, one, "dead", now_ms, error)

    def replay(
        self, now_ms: int, receiver: str | None, event_id: str | None, since_ms: int | None
    ) -> int:
        """Owe dead letters again, and with `since_ms` what was delivered since; how many."""
        with self.transaction() as sql:
            return sql.execute(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, since_ms = :now,"
                " due_ms = :now WHERE (state = 'dead' OR (state = 'delivered' AND"
                " :since IS NOT NULL AND done_ms >= :since))"
                " AND (:receiver IS NULL OR receiver = :receiver) AND (:event IS NULL OR"
                " number = (SELECT number FROM events WHERE id = :event))",
                {"now": now_ms, "since": since_ms, "receiver": receiver, "event": event_id},
            ).rowcount

    def dead(self, receiver: str | None, limit: int) -> list[tuple[str, str, int, str]]:
        """(receiver, event id, when, last error) of dead letters, oldest first."""
        return self.sql.execute(
            "SELECT d.receiver, e.id, d.done_ms, d.error FROM deliveries d JOIN events e"
            " ON e.number = d.number WHERE d.state = 'dead' AND (?1 IS NULL OR d.receiver = ?1)"
            " ORDER BY d.number LIMIT ?2",
            (receiver, limit),
        ).fetchall()

    def owed(self, receivers: Iterable[str] = ()) -> list[Owed]:
        """How every receiver stands; `receivers` are named even where nothing was ever owed."""
        rows = self.sql.execute(
            "SELECT receiver, sum(state = 'waiting'), sum(state = 'dead'),"
            " sum(state = 'delivered'), min(CASE state WHEN 'waiting' THEN since_ms END)"
            " FROM deliveries GROUP BY receiver"
        )
        found = {row[0]: Owed(*row) for row in rows}
        for name in receivers:
            found.setdefault(name, Owed(name, 0, 0, 0, None))
        return [found[name] for name in sorted(found)]

    def forget(self, now_ms: int) -> int:
        """Drop what was told long ago; dead letters, what waits and open flags stay."""
        before = now_ms - KEEP_MS
        with self.transaction() as sql:
            sql.execute(
                "DELETE FROM deliveries WHERE state = 'delivered' AND done_ms < ?", (before,)
            )
            sql.execute("DELETE FROM flags WHERE over_at < ?", (before,))
            sql.execute("DELETE FROM alerts WHERE ends_ms < ?", (before,))
            return sql.execute(
                "DELETE FROM events WHERE taken_ms < ? AND number NOT IN"
                " (SELECT number FROM deliveries)",
                (before,),
            ).rowcount

    def _state(
        self, sql: sqlite3.Connection, one: Delivery, state: str, now_ms: int, error: str
    ) -> None:
        sql.execute(
            "UPDATE deliveries SET state = ?, done_ms = ?, error = ?"
            " WHERE number = ? AND receiver = ?",
            (state, now_ms, error, one.number, one.receiver),
        )

    # -- Alertmanager -------------------------------------------------------------------------

    def alerts(self, ended_after_ms: int) -> list[tuple[str, int, str, str, int, int | None]]:
        """(flag, level, labels, annotations, starts, ends) to tell: what is open, and what has
        ended since or whose end nobody has been told."""
        return self.sql.execute(
            "SELECT flag_id, level, labels, annotations, starts_ms, ends_ms FROM alerts"
            " WHERE ends_ms IS NULL OR NOT told_end OR ends_ms >= ? ORDER BY starts_ms, level",
            (ended_after_ms,),
        ).fetchall()

    def told_ends(self, told: Sequence[tuple[str, int]]) -> None:
        """Alertmanager has taken the end of these (flag, level)."""
        with self.transaction() as sql:
            sql.executemany("UPDATE alerts SET told_end = 1 WHERE flag_id = ? AND level = ?", told)

    def _grow(self) -> None:
        """Columns that an outbox of an earlier program lacks; that program passes over them."""
        with self.transaction() as sql:
            if "decision" not in [row[1] for row in sql.execute("PRAGMA table_info(flags)")]:
                sql.execute("ALTER TABLE flags ADD COLUMN decision TEXT NOT NULL DEFAULT ''")

    def _check_version(self) -> None:
        with self.transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
            found = sql.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0]
        if found != VERSION:
            raise AlertsError(f"{self.path}: is of version {found}, this program reads {VERSION}")


def _locked(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (directory / LOCK).open("a+b")
    except OSError as error:
        raise AlertsError(f"{directory}: cannot hold the outbox: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise AlertsError(f"{directory}: process {holder} delivers from this outbox") from None
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file
