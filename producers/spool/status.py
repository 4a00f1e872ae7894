"""How full a spool is; read beside the process that uses it, without disturbing it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from producers.spool.database import FILE
from producers.spool.errors import SpoolError

# What an entry or a batch takes besides its value, about.
OVERHEAD = 64

_LANES = """
SELECT l.platform_id, l.source, l.topic, l.partition, e.entries, e.rows, e.bytes, e.oldest,
       b.batches, b.refused
FROM lanes l
LEFT JOIN (SELECT id >> 40 AS lane, count(*) AS entries, sum(rows) AS rows,
                  sum(length(value)) AS bytes, min(accepted_ms) AS oldest
           FROM entries GROUP BY 1) e ON e.lane = l.id
LEFT JOIN (SELECT lane, count(*) AS batches, sum(refused != '') AS refused
           FROM batches GROUP BY 1) b ON b.lane = l.id
WHERE e.entries > 0 OR b.batches > 0 ORDER BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """What one lane holds. `batches` are sealed and not acknowledged, heartbeats included;
    `oldest_ms` is when its oldest row was accepted (None: it has no rows)."""

    platform_id: str
    source: str
    topic: str
    partition: int
    rows: int
    bytes: int
    oldest_ms: int | None
    batches: int
    refused: int


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The whole of it. `refused` counts batches that were set aside as unreadable."""

    rows: int
    bytes: int
    max_bytes: int
    oldest_ms: int | None
    batches: int
    refused: int
    lanes: tuple[LaneStatus, ...]

    @property
    def full(self) -> float:
        """0 to 1."""
        return self.bytes / self.max_bytes if self.max_bytes else 0.0


def read_status(directory: Path) -> SpoolStatus:
    """Status of the spool in a directory. Raises SpoolError when there is none."""
    path = directory / FILE
    if not path.is_file():
        raise SpoolError(f"{directory}: holds no spool")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as sql:
            return status_of(sql)
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: cannot be read: {error}") from None


def status_of(sql: sqlite3.Connection) -> SpoolStatus:
    """The same over an open connection."""
    lanes = []
    for row in sql.execute(_LANES):
        platform, source, topic, partition, entries, rows, size, oldest, batches, refused = row
        cost = (size or 0) + OVERHEAD * ((entries or 0) + (batches or 0))
        lanes.append(
            LaneStatus(
                platform, source, topic, partition, rows or 0, cost, oldest, batches or 0,
                refused or 0,
            )
        )  # fmt: skip
    bound = sql.execute("SELECT value FROM meta WHERE name = 'max_bytes'").fetchone()
    oldest_of_all = min((x.oldest_ms for x in lanes if x.oldest_ms is not None), default=None)
    return SpoolStatus(
        rows=sum(x.rows for x in lanes),
        bytes=sum(x.bytes for x in lanes),
        max_bytes=bound[0] if bound else 0,
        oldest_ms=oldest_of_all,
        batches=sum(x.batches for x in lanes),
        refused=sum(x.refused for x in lanes),
        lanes=tuple(lanes),
    )
