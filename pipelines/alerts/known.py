"""What the outbox remembers of flags: enough to judge the next one, and to tell of its end."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace

from pipelines.alerts.event import LINKS, FlagRecord
from pipelines.alerts.routing import Desk, Route
from pipelines.core.ledger.lifecycle import FlagFile, Level

_COLUMNS = (
    "flag_id", "rule", "grade", "entity_type", "entity", "platform_id", "category", "district",
    "parent_id", "onset", "event_at", "opened_at", "over_at", "over_event_at", "decision",
)  # fmt: skip
_ALL = (*_COLUMNS, "level", "desks", "held")
WATCH = "watch"


@dataclass(frozen=True, slots=True)
class Known:
    """A flag's file and whom it was told to."""

    file: FlagFile
    desks: frozenset[Desk] = frozenset()


def known(sql: sqlite3.Connection, record: FlagRecord) -> Known:
    """The flag as it was before this event; a new one where it was not there."""
    return known_by_id(sql, record.flag_id) or Known(_new(record))


def known_by_id(sql: sqlite3.Connection, flag_id: str) -> Known | None:
    """A flag that an event told of; None where none did."""
    found = sql.execute(f"{_SELECT} WHERE flag_id = ?", (flag_id,)).fetchone()
    return None if found is None else _read(found)


def advanced(file: FlagFile, record: FlagRecord) -> FlagFile:
    """The file with this event. A watch that rises counts from there on."""
    if record.ends:
        return replace(file, over_at=record.decided_at, over_event_at=record.event_time)
    parent = record.parent_id or file.parent_id
    if record.event in LINKS:
        return replace(file, parent_id=record.parent_id)
    began = record.event_time if file.grade == WATCH else file.event_at
    return replace(file, grade=record.grade, event_at=began, parent_id=parent)


def others(sql: sqlite3.Connection, record: FlagRecord, parent_id: str) -> list[FlagFile]:
    """Flags of the platform that are open, were open at this event, or are about its entity; and
    the parent, which can be the city's, with what is attached to it or to the flag itself."""
    rows = sql.execute(
        f"{_SELECT} WHERE platform_id = ? AND flag_id != ? AND (over_at IS NULL"
        " OR over_event_at >= ? OR (entity_type = ? AND entity = ?))"
        " OR flag_id = ? OR (parent_id IN (?, ?) AND parent_id != '' AND flag_id != ?)",
        (
            *(record.platform_id, record.flag_id, record.event_time),
            *(record.entity_type, record.entity),
            *(parent_id, record.flag_id, parent_id, record.flag_id),
        ),
    )
    return [_read(row).file for row in rows]


def remember(sql: sqlite3.Connection, file: FlagFile, route: Route, desks: frozenset[Desk]) -> None:
    """Keep the file as it is now, at the highest level that it was told at."""
    values = [getattr(file, name) for name in _COLUMNS]
    text = json.dumps(sorted(str(desk) for desk in desks))
    held = "" if route.level else route.why
    sql.execute(
        f"INSERT OR REPLACE INTO flags ({', '.join(_ALL)}) VALUES ({_PLACES})",  # noqa: S608
        [*values, max(file.level, route.level), text, held],
    )


_SELECT = f"SELECT {', '.join(_ALL)} FROM flags"  # noqa: S608 - names are ours
_PLACES = ", ".join("?" * len(_ALL))


def _new(record: FlagRecord) -> FlagFile:
    r = record
    return FlagFile(
        r.flag_id, r.rule, r.grade, r.entity_type, r.entity, r.platform_id, r.category,
        r.district, r.parent_id, r.onset, r.event_time, r.decided_at,
    )  # fmt: skip


def _read(row: tuple[object, ...]) -> Known:
    named = dict(zip(_ALL, row, strict=True))
    desks = json.loads(str(named.pop("desks")))
    level = Level(int(str(named.pop("level"))))
    file = FlagFile(**named, level=level)  # type: ignore[arg-type]
    return Known(file, frozenset(Desk.parse(text) for text in desks))
