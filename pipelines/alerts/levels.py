"""What the ledger adds to flags: levels that rise with time or repetition, and flags overturned.

The clerk (`livewatch api`) writes these entries; where none runs there are none, and the flags are
told at the level that they have by themselves. An entry that says no more than what was told
already is passed over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import msgspec

from pipelines.alerts.event import CLOUD, Id, Time, rfc3339
from pipelines.alerts.known import Known, known_by_id, remember
from pipelines.alerts.message import Message
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import Desk, Route
from pipelines.core.ledger.entry import Entry, Kind
from pipelines.core.ledger.lifecycle import GRADES, Level

_DECISIONS = frozenset({Kind.OVERTURNED, Kind.CORRECTED})
"""They end what was told, and the flag rises no further."""


class _Reason(msgspec.Struct):
    zh: str
    en: str


class _Details(msgspec.Struct):
    """What an entry of a level must say."""

    level: Literal["none", "notice", "warning", "action"]
    recipients: list[str] = []
    reasons: list[_Reason] = []


class _Shape(msgspec.Struct):
    """What a header and a time can carry."""

    entry_id: Id
    at: Time


class NotYetError(Exception):
    """An entry rests on a flag event not read yet; `taken` entries before it were taken."""

    def __init__(self, taken: int) -> None:
        super().__init__("the flag event was not read yet")
        self.taken = taken


class LevelTaker:
    """Entries of the ledger into the outbox, in one transaction with the position behind them.

    What was written before `from_ms` is history and told to nobody.
    """

    def __init__(
        self,
        outbox: Outbox,
        receivers: Sequence[Receiver],
        from_ms: int,
        message: Message | None = None,
    ) -> None:
        self._outbox, self._receivers, self._from_ms = outbox, receivers, from_ms
        self._message = message or Message()

    def take(
        self,
        topic: str,
        topic_id: str,
        values: Sequence[tuple[int, bytes | None]],
        now_ms: int,
        *,
        all_flags_read: bool,
    ) -> int:
        """(offset, value) of records in order; returns how many led to something to tell.

        Raises NotYetError where a flag, or the grade that an entry rests on, is unknown and flags
        are still to be read: what was before it is taken.
        """
        told = taken = 0
        waits = False
        with self._outbox.transaction() as sql:
            for offset, value in values:
                outcome = self._one(sql, value, now_ms, all_flags_read)
                if outcome is None:
                    waits = True
                    break
                told += bool(outcome)
                taken += 1
                sql.execute(
                    "INSERT OR REPLACE INTO positions VALUES (?, 0, ?, ?)",
                    (topic, topic_id, offset + 1),
                )
        if waits:
            raise NotYetError(taken)
        return told

    def _one(
        self, sql: sqlite3.Connection, value: bytes | None, now_ms: int, all_flags_read: bool
    ) -> bool | None:
        """Whether it was told; None where the flag event that it rests on is still to be read."""
        entry = _read(value)
        if entry is None or entry.at < self._from_ms:
            return False
        before = known_by_id(sql, entry.flag_id)
        if before is None:
            return False if all_flags_read else None
        if sql.execute("SELECT 1 FROM events WHERE id = ?", (entry.entry_id,)).fetchone():
            return False
        if entry.kind in _DECISIONS:
            before = replace(before, file=replace(before.file, decision=entry.kind.upper()))
            remember(sql, before.file, Route(before.file.level), before.desks)
        route = _route(entry, before)
        if route.level is Level.NONE:
            return False
        if _ahead(entry, before) and not all_flags_read:
            return None  # else both it and the event would tell of the same rise
        self._tell(sql, entry, before, route, now_ms)
        return True

    def _tell(
        self, sql: sqlite3.Connection, entry: Entry, before: Known, route: Route, now_ms: int
    ) -> None:
        message = self._message.of(entry.flag_id, entry.kind.value, route.level)
        body = _body(entry, _last_told(sql, entry.flag_id), route, message)
        number = sql.execute(
            "INSERT INTO events (id, flag_id, level, why, taken_ms, body) VALUES (?,?,?,'',?,?)",
            (entry.entry_id, entry.flag_id, route.level, now_ms, body),
        ).lastrowid
        desks = before.desks | route.desks
        remember(sql, before.file, route, desks)
        sql.executemany(
            "INSERT INTO deliveries VALUES (?, ?, ?, 'waiting', 0, ?, ?, NULL, '')",
            [
                (number, receiver.name, entry.flag_id, now_ms, now_ms)
                for receiver in self._receivers
                if receiver.wants(desks, route.level)
            ],
        )
        at = min(entry.at, now_ms)
        if entry.kind in _DECISIONS:
            sql.execute(
                "UPDATE alerts SET ends_ms = max(starts_ms + 1, ?),"
                " annotations = json_patch(annotations, ?) WHERE flag_id = ? AND ends_ms IS NULL",
                (at, json.dumps(message, ensure_ascii=False), entry.flag_id),
            )
        elif before.file.over_at is None:
            _alert(sql, entry, route, desks, message, at)


def _read(value: bytes | None) -> Entry | None:
    """An entry that may have to be told; None: another, or what is none (`livewatch flags verify`
    tells of that)."""
    try:
        entry = Entry.from_bytes(value or b"")
        msgspec.convert({"entry_id": entry.entry_id, "at": entry.at}, _Shape)
        if entry.kind is Kind.LEVEL:
            msgspec.convert(entry.details, _Details)
    except ValueError:
        return None
    return entry if entry.kind is Kind.LEVEL or entry.kind in _DECISIONS else None


def _route(entry: Entry, before: Known) -> Route:
    """A level above what was told goes to its recipients, an end to whoever was told."""
    if entry.kind in _DECISIONS:
        return Route(before.file.level, before.desks)
    level = Level.of(str(entry.details.get("level", "none")))
    told = frozenset(Desk.parse(str(one)) for one in entry.details.get("recipients", ()))
    if level <= before.file.level or not told or before.file.decision:
        return Route(Level.NONE)
    return Route(level, told)


def _ahead(entry: Entry, before: Known) -> bool:
    """Whether the clerk had read an event of the flag that was not read here: its grade tells."""
    grade = str(entry.details.get("grade", ""))
    return grade in GRADES and GRADES.index(grade) > GRADES.index(before.file.grade)


def _last_told(sql: sqlite3.Connection, flag_id: str) -> dict[str, Any]:
    """What the flag's last event said."""
    found = sql.execute(
        "SELECT body FROM events WHERE flag_id = ? ORDER BY number DESC LIMIT 1", (flag_id,)
    ).fetchone()
    data: dict[str, Any] = {} if found is None else json.loads(found[0])["data"]
    return data


def _body(entry: Entry, flag: dict[str, Any], route: Route, message: dict[str, str]) -> bytes:
    data = flag | {"event": entry.kind.value, "level": route.level.word} | message
    data |= {"reasons": entry.details.get("reasons", []), "number": entry.seq}
    event = CLOUD | {
        "id": entry.entry_id,
        "type": f"livewatch.flag.{entry.kind.value}.v1",
        "subject": entry.flag_id,
        "time": rfc3339(entry.at),
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _alert(
    sql: sqlite3.Connection,
    entry: Entry,
    route: Route,
    desks: frozenset[Desk],
    message: dict[str, str],
    at: int,
) -> None:
    """The flag's alert again, at its new level and for the desks of that."""
    found = sql.execute(
        "SELECT labels, annotations FROM alerts WHERE flag_id = ? ORDER BY level DESC LIMIT 1",
        (entry.flag_id,),
    ).fetchone()
    if found is None:
        return
    labels = json.loads(found[0]) | {
        "level": route.level.word,
        "desks": "," + ",".join(sorted(str(desk) for desk in desks)) + ",",
    }
    reasons = entry.details.get("reasons", [])
    why = {f"reason_{lang}": "; ".join(str(r[lang]) for r in reasons) for lang in ("zh", "en")}
    annotations = json.loads(found[1]) | message | {"event_id": entry.entry_id} | why
    sql.execute(
        "INSERT OR IGNORE INTO alerts (flag_id, level, labels, annotations, starts_ms)"
        " VALUES (?,?,?,?,?)",
        (
            entry.flag_id, route.level, json.dumps(labels, ensure_ascii=False),
            json.dumps(annotations, ensure_ascii=False), at,
        ),
    )  # fmt: skip
