"""The spool's file: its lock, its tables, and what to do when it is damaged."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from producers.spool.errors import SpoolBusy, SpoolCorrupt, SpoolError, SpoolFull

FILE = "spool.sqlite3"
LOCK = "lock"
VERSION = 1
PAGE = 4096
# Pages beyond the bound for sealing and removing: a full spool must be able to drain.
_RESERVE_PAGES = 1024
# The log file keeps this much of its space, so that a full disk does not stop a drain at once.
_LOG_BYTES = 8 * 1024 * 1024
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layouts (id INTEGER PRIMARY KEY, layout BLOB UNIQUE);
CREATE TABLE IF NOT EXISTS lanes (
  id INTEGER PRIMARY KEY, platform_id TEXT, source TEXT, topic TEXT, partition INTEGER,
  UNIQUE (platform_id, source, topic, partition));
-- id is lane * 2^40 + number: entries of a lane lie together, in order, without another index.
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY, rows INTEGER, first_ms INTEGER, accepted_ms INTEGER,
  layout INTEGER, single INTEGER, supersedes TEXT, reason TEXT, value BLOB);
CREATE TABLE IF NOT EXISTS batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER, epoch INTEGER, sequence INTEGER,
  first INTEGER, last INTEGER, rows INTEGER, watermark_ms INTEGER, sealed_ms INTEGER,
  final INTEGER, supersedes TEXT, reason TEXT, refused TEXT DEFAULT '');
"""
_DAMAGED = ("malformed", "not a database", "corrupt")


class Database:
    """A connection that holds the directory's lock. Use under one mutex; raises SpoolError."""

    def __init__(self, directory: Path, *, max_bytes: int, now_ms: int, power_safe: bool) -> None:
        """Open or create. Raises SpoolBusy, SpoolCorrupt or SpoolError."""
        self.path = directory / FILE
        self._max_pages = max_bytes // PAGE + 256
        self._accept = "FULL" if power_safe else "NORMAL"
        self._mode = ("", 0)
        self._lock = _locked(directory)
        try:
            self.sql = _connect(self.path)
            self.sql.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            try:
                raise self._explain(error, now_ms) from None
            finally:
                self._lock.close()
        self._check_version()

    def close(self) -> None:
        """Fold the log into the file and give the lock up."""
        self.sql.close()
        self._lock.close()

    @contextmanager
    def accepting(self) -> Iterator[sqlite3.Connection]:
        """A transaction within the bound. When it ends, it survives a kill -9 of the process,
        and a power cut only where the spool is `power_safe`."""
        with self._transaction(self._accept, self._max_pages) as sql:
            yield sql

    @contextmanager
    def sealing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that survives a power cut (fsync), and may use the reserve.

        An identity that was sent must never be given to other rows.
        """
        with self._transaction("FULL", self._max_pages + _RESERVE_PAGES) as sql:
            yield sql

    @contextmanager
    def removing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that may be forgotten at a power cut: what it did is done again."""
        with self._transaction("NORMAL", self._max_pages + _RESERVE_PAGES) as sql:
            yield sql

    @contextmanager
    def _transaction(self, synchronous: str, pages: int) -> Iterator[sqlite3.Connection]:
        try:
            if self._mode != (synchronous, pages):
                self.sql.execute(f"PRAGMA synchronous={synchronous}")
                self.sql.execute(f"PRAGMA max_page_count={pages}")
                self._mode = (synchronous, pages)
            self.sql.execute("BEGIN IMMEDIATE")
            yield self.sql
            self.sql.execute("COMMIT")
        except BaseException as error:
            if self.sql.in_transaction:
                self.sql.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _translate(self.path, error) from None
            raise

    def _check_version(self) -> None:
        with self.removing() as sql:
            sql.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
            found = sql.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0]
        if found != VERSION:
            self.close()
            raise SpoolError(f"{self.path}: is of version {found}, this program reads {VERSION}")

    def _explain(self, error: sqlite3.DatabaseError, now_ms: int) -> SpoolError:
        if not _is_damage(error):
            return _translate(self.path, error)
        aside = self.path.with_name(f"{FILE}.damaged-{now_ms}")
        for ending in ("", "-wal", "-shm"):
            part = self.path.with_name(FILE + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
        return SpoolCorrupt(
            f"{self.path}: is damaged ({error}); moved to {aside.name}. Start again to go on with "
            "an empty spool. What was accepted and not sent is in the damaged file: "
            f"'sqlite3 {aside.name} .recover' reads what can be read"
        )


def _locked(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (directory / LOCK).open("a+b")
    except OSError as error:
        raise SpoolError(f"{directory}: cannot be used as a spool: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise SpoolBusy(
            f"{directory}: is in use by process {holder}: give each process a spool of its own"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def _connect(path: Path) -> sqlite3.Connection:
    fresh = not path.exists()
    sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if fresh:
            path.chmod(0o600)
            sql.execute(f"PRAGMA page_size={PAGE}")
        sql.execute("PRAGMA journal_mode=WAL")
        sql.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        said = sql.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise sqlite3.DatabaseError("corrupt: " + said.splitlines()[0])
    except BaseException:
        sql.close()
        raise
    return sql


def _is_damage(error: sqlite3.Error) -> bool:
    return any(word in str(error) for word in _DAMAGED)


def _translate(path: Path, error: sqlite3.Error) -> SpoolError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return SpoolFull(f"{path}: the disk or the spool's bound is reached ({error})")
    if _is_damage(error):
        return SpoolCorrupt(f"{path}: is damaged ({error}): restart to move it aside")
    return SpoolError(f"{path}: {error}")
