"""A source's book on disk: what it has accepted, with the bytes, and what Kafka has acknowledged.

One transaction holds the batches of a stretch of event time and where that stretch ends, so
that a process killed at any moment goes on exactly there: nothing left out, nothing twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from producers.batcher import SealedBatch
from schemas.identity import BatchHeader, BatchIdentity

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY, platform TEXT, source TEXT, epoch INTEGER, topic TEXT, part INTEGER,
    sequence INTEGER, rows INTEGER, watermark INTEGER, sent INTEGER, final INTEGER, value BLOB,
    acked INTEGER DEFAULT 0, fate TEXT DEFAULT ''
);
CREATE INDEX IF NOT EXISTS waiting ON batches (id) WHERE acked = 0;
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), event_ms INTEGER);
"""
_COLUMNS = (
    "id, platform, source, epoch, topic, part, sequence, rows, watermark, sent, final, value, fate"
)


@dataclass(frozen=True, slots=True)
class Booked:
    """One batch of the book. `fate`: empty is to be stored; else what was done to it."""

    id: int
    header: BatchHeader
    value: bytes
    fate: str

    def sealed(self) -> SealedBatch:
        return SealedBatch(self.header, self.value, None)


class Book:
    """The book of one source process; survives its kill -9, not the machine's."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def accept(
        self, batches: Iterable[SealedBatch], event_ms: int, fate: str = ""
    ) -> list[tuple[int, SealedBatch]]:
        """Write batches down, with the event time up to which everything is in; their ids."""
        with self._db:
            found = [(self._insert(batch, fate), batch) for batch in batches]
            self._db.execute("INSERT OR REPLACE INTO progress VALUES (1, ?)", (event_ms,))
        return found

    def _insert(self, batch: SealedBatch, fate: str) -> int:
        header, ident = batch.header, batch.header.identity
        row = (
            ident.platform_id, ident.source, ident.epoch, ident.topic, ident.partition,
            ident.sequence, header.rows, header.watermark_ms, header.sent_ms, header.final,
            batch.value, fate,
        )  # fmt: skip
        done = self._db.execute(
            "INSERT INTO batches (platform, source, epoch, topic, part, sequence, rows, watermark,"
            " sent, final, value, fate) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            row,
        )
        return int(done.lastrowid or 0)

    def acknowledged(self, ids: Iterable[int]) -> None:
        with self._db:
            self._db.executemany("UPDATE batches SET acked = 1 WHERE id = ?", [(i,) for i in ids])

    @property
    def event_ms(self) -> int | None:
        """Event time up to which everything was accepted; None for a new book."""
        row = self._db.execute("SELECT event_ms FROM progress").fetchone()
        return None if row is None else int(row[0])

    def waiting(self) -> list[Booked]:
        """Batches that Kafka has not acknowledged, as far as the book knows."""
        return list(self._read("WHERE acked = 0 AND fate <> 'drop'"))

    def batches(self) -> Iterator[Booked]:
        """All batches with rows."""
        return self._read("WHERE rows > 0")

    def finished(self) -> bool:
        """Whether the source has said goodbye and nothing waits."""
        said = self._db.execute("SELECT count() FROM batches WHERE final").fetchone()[0]
        left = self._db.execute("SELECT count() FROM batches WHERE acked = 0").fetchone()[0]
        return bool(said) and not left

    def rows(self) -> int:
        """Rows accepted that are to be stored."""
        told = self._db.execute("SELECT sum(rows) FROM batches WHERE fate = ''").fetchone()[0]
        return int(told or 0)

    def close(self) -> None:
        self._db.close()

    def _read(self, where: str) -> Iterator[Booked]:
        sql = f"SELECT {_COLUMNS} FROM batches {where} ORDER BY id"  # noqa: S608 - own text
        for row in self._db.execute(sql):
            number, *ident, rows, watermark, sent, final, value, fate = row
            header = BatchHeader(BatchIdentity(*ident), rows, watermark, sent, bool(final))
            yield Booked(number, header, value, fate)
