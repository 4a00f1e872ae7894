"""What the gateway has accepted, on disk: batches not yet with Kafka, answers by key, and up to
which number each platform has batches, so that a correction can only name what there is.

One SQLite file in WAL mode, with `synchronous=FULL`: when `commit` returns, the rows survive a
kill -9 and a power cut. One thread writes (`Store`); readers have connections of their own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from producers.errors import PushError
from schemas.identity import BatchIdentity

Headers = list[tuple[str, bytes]]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  headers TEXT NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS receipts (
  platform_id TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, answer BLOB NOT NULL,
  last_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (platform_id, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (
  platform_id TEXT NOT NULL, source TEXT NOT NULL, epoch INTEGER NOT NULL, topic TEXT NOT NULL,
  partition INTEGER NOT NULL, last INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (platform_id, source, epoch, topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A sealed batch as it goes to Kafka, but for its signature: it is signed when it is sent, so
    that a new key holds for what still waits."""

    topic: str
    partition: int
    headers: Headers
    value: bytes

    @property
    def lane(self) -> tuple[str, int]:
        return self.topic, self.partition

    @property
    def corrects(self) -> bool:
        """Whether it withdraws what stands before it."""
        return any(name == "ce_supersedes" for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch that waits for Kafka; ids grow in the order of acceptance."""

    id: int
    batch: Unsent


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer that was given for an idempotency key, and to which body (SHA-256)."""

    platform_id: str
    key: str
    body: bytes
    answer: bytes


class Store:
    """The one writer. Raises sqlite3.Error when the disk is full or broken."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
            # One gateway per file: a second one would number the same source's batches again.
            self._lock = connect(path.with_name(path.name + ".lock"))
            self._lock.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._lock.execute("BEGIN EXCLUSIVE")
            self._used = int(self._db.execute(_USED).fetchone()[0])
        except sqlite3.Error as error:
            raise PushError(f"{path}: cannot be used as a spool: {error}") from None
        except OSError as error:
            raise PushError(f"{path}: cannot be used as a spool: {error.strerror}") from None

    @property
    def used_bytes(self) -> int:
        """Bytes of batches that Kafka does not have yet."""
        return self._used

    def commit(
        self,
        batches: Sequence[Unsent],
        receipts: Iterable[Receipt],
        now_ms: int,
        named: Iterable[BatchIdentity] = (),
    ) -> None:
        """All of it or nothing, durable on return. `named`: batches that platforms are told of."""
        with self._db:
            for b in batches:
                headers = json.dumps([(n, v.decode()) for n, v in b.headers])
                row = (b.topic, b.partition, headers, b.value)
                self._db.execute(
                    "INSERT INTO batches (topic, partition, headers, value) VALUES (?, ?, ?, ?)",
                    row,
                )
            last = self._db.execute("SELECT coalesce(max(id), 0) FROM batches").fetchone()[0]
            self._db.executemany(
                "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
                [(r.platform_id, r.key, r.body, r.answer, last, now_ms) for r in receipts],
            )
            self._db.executemany(_NUMBER, [(*_lane(n), n.sequence, now_ms) for n in named])
        self._used += sum(len(b.value) for b in batches)

    def remove(self, delivered: Sequence[tuple[int, int]]) -> None:
        """Forget batches, (id, bytes) each, that Kafka has acknowledged."""
        with self._db:
            self._db.executemany("DELETE FROM batches WHERE id = ?", [(i,) for i, _ in delivered])
        self._used -= sum(size for _, size in delivered)

    def expire(self, receipts_ms: int, numbers_ms: int) -> None:
        """Forget receipts, and numbers of batches, from before these times."""
        with self._db:
            self._db.execute("DELETE FROM receipts WHERE at_ms < ?", (receipts_ms,))
            self._db.execute("DELETE FROM numbers WHERE at_ms < ?", (numbers_ms,))

    def next_epoch(self, now_ms: int) -> int:
        """An epoch for this run that no earlier run has had, even if the clock went back."""
        epoch = max(now_ms, self.fact("epoch") + 1)
        self.keep("epoch", epoch)
        return epoch

    def fact(self, name: str) -> int:
        """A number kept over restarts; 0 when there is none."""
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def keep(self, name: str, value: int) -> None:
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def close(self) -> None:
        self._db.close()
        self._lock.close()


class Reader:
    """A connection that only reads; one per thread."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)
        self._db.execute("PRAGMA query_only=1")

    def after(self, last_id: int, count: int) -> list[Stored]:
        """The oldest batches with a greater id."""
        rows = self._db.execute(
            "SELECT id, topic, partition, headers, value FROM batches WHERE id > ? "
            "ORDER BY id LIMIT ?",
            (last_id, count),
        )
        return [Stored(i, Unsent(t, p, _headers(h), v)) for i, t, p, h, v in rows]

    def receipt(self, platform_id: str, key: str) -> tuple[Receipt, bool] | None:
        """The answer given for a key, and whether Kafka has all that it accepted."""
        row = self._db.execute(
            "SELECT body, answer, last_id < coalesce((SELECT min(id) FROM batches), last_id + 1) "
            "FROM receipts WHERE platform_id = ? AND key = ?",
            (platform_id, key),
        ).fetchone()
        return (Receipt(platform_id, key, row[0], row[1]), bool(row[2])) if row else None

    def has_batch(self, batch: BatchIdentity) -> bool:
        """Whether this platform has been given a batch of that name, or one after it."""
        found = self._db.execute(
            "SELECT last FROM numbers WHERE platform_id = ? AND source = ? AND epoch = ?"
            " AND topic = ? AND partition = ?",
            _lane(batch),
        ).fetchone()
        return found is not None and batch.sequence <= found[0]

    def close(self) -> None:
        self._db.close()


_NUMBER = (
    "INSERT INTO numbers VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET last = excluded.last, at_ms = excluded.at_ms"
)
_USED = "SELECT coalesce(sum(length(value)), 0) FROM batches"


def connect(path: Path) -> sqlite3.Connection:
    """Used by one thread at a time; which one may change between start and run."""
    db = sqlite3.connect(path, timeout=10, check_same_thread=False)
    db.execute("PRAGMA synchronous=FULL")
    return db


def _lane(batch: BatchIdentity) -> tuple[str, str, int, str, int]:
    return batch.platform_id, batch.source, batch.epoch, batch.topic, batch.partition


def _headers(text: str) -> Headers:
    return [(name, value.encode()) for name, value in json.loads(text)]
