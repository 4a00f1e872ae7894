"""What a spool holds when it is opened."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import pyarrow as pa

from producers.spool.database import Database
from producers.spool.entries import LAYOUT, Lane
from producers.spool.lanes import LaneState, Waiting
from producers.spool.status import status_of
from schemas.telemetry import TOPICS, SampleType

# An entry's id is its lane's id and its number within the lane, in one integer.
SHIFT = 40


@dataclass
class Loaded:
    """Lanes with what waits in them; `epoch` is new, layouts are those of all entries."""

    epoch: int
    used_bytes: int = 0
    lanes: list[LaneState] = field(default_factory=list)
    layouts: dict[int, pa.Schema] = field(default_factory=dict)
    layout_id: dict[SampleType, int] = field(default_factory=dict)


def load(database: Database, now_ms: int, max_bytes: int) -> Loaded:
    """Read everything, and write the new epoch down before it is used. Raises SpoolError."""
    with database.sealing() as sql:
        last = sql.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        loaded = Loaded(max(now_ms, last[0] + 1 if last else 0))
        kept = [("epoch", loaded.epoch), ("max_bytes", max_bytes)]
        sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", kept)
        _layouts(sql, loaded)
    by_id = {}
    for number, platform, source, topic, partition in database.sql.execute("SELECT * FROM lanes"):
        by_id[number] = LaneState(number, Lane(platform, source, TOPICS[topic], partition))
    _entries(database.sql, by_id, _batches(database.sql, by_id))
    loaded.lanes = list(by_id.values())
    loaded.used_bytes = status_of(database.sql).bytes
    return loaded


def _layouts(sql: sqlite3.Connection, loaded: Loaded) -> None:
    for sample, layout in LAYOUT.items():
        given = (layout.serialize().to_pybytes(),)
        sql.execute("INSERT OR IGNORE INTO layouts (layout) VALUES (?)", given)
        found = sql.execute("SELECT id FROM layouts WHERE layout = ?", given).fetchone()
        loaded.layout_id[sample] = found[0]
    for number, layout in sql.execute("SELECT id, layout FROM layouts"):
        loaded.layouts[number] = pa.ipc.read_schema(pa.py_buffer(layout))


def _batches(sql: sqlite3.Connection, lanes: dict[int, LaneState]) -> dict[int, int]:
    """Up to which entry each lane is sealed."""
    sealed_to: dict[int, int] = {}
    for lane, last, refused in sql.execute("SELECT lane, last, refused FROM batches"):
        sealed_to[lane] = max(sealed_to.get(lane, 0), last)
        lanes[lane].pending += not refused
    return sealed_to


def _entries(
    sql: sqlite3.Connection, lanes: dict[int, LaneState], sealed_to: dict[int, int]
) -> None:
    """What was accepted and not sealed waits again, with its old time of acceptance."""
    columns = "id, rows, length(value), first_ms, accepted_ms, supersedes, reason"
    for number, *rest in sql.execute(f"SELECT {columns} FROM entries ORDER BY id"):  # noqa: S608
        lane = lanes[number >> SHIFT]
        number &= (1 << SHIFT) - 1
        lane.next_number = number + 1
        if number > sealed_to.get(lane.id, 0):
            lane.add(Waiting(number, *rest))
    for lane_id, last in sealed_to.items():
        lanes[lane_id].next_number = max(lanes[lane_id].next_number, last + 1)
