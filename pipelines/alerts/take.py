"""One batch of records into the outbox: events, deliveries, alerts and positions, or nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.alerts.alertmanager import annotations_of, labels_of
from pipelines.alerts.event import FlagRecord, cloud_event, decode
from pipelines.alerts.outbox import Outbox, desks_text
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import Desk, Level, OpenFlag, Route, Routing


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of the flags' topic as it was read."""

    topic: str
    partition: int
    offset: int
    broker_ms: int
    value: bytes | None


@dataclass(slots=True)
class Taken:
    """What came of a batch, for the metrics."""

    events: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    unreadable: int = 0
    owed: int = 0
    alerts: int = 0


class Taker:
    """Knows who receives and how events are routed; `deliver_from_ms` is broker time before
    which events are history: kept to know what is open, and told to nobody."""

    def __init__(
        self,
        outbox: Outbox,
        receivers: Sequence[Receiver],
        routing: Routing,
        deliver_from_ms: int,
    ) -> None:
        self._outbox, self._receivers, self._routing = outbox, receivers, routing
        self._from_ms = deliver_from_ms

    def take(self, records: Sequence[Incoming], topic_id: str, now_ms: int) -> Taken:
        """On return everything is on disk. Raises sqlite3.Error: then nothing is."""
        taken = Taken()
        with self._outbox.transaction() as sql:
            for one in records:
                self._one(sql, one, now_ms, taken)
                sql.execute(
                    "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                    (one.topic, one.partition, topic_id, one.offset + 1),
                )
        return taken

    def _one(self, sql: sqlite3.Connection, one: Incoming, now_ms: int, taken: Taken) -> None:
        try:
            record, told = decode(one.value)
        except ValueError as error:
            taken.unreadable += 1
            sql.execute(
                "INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?, ?, ?)",
                (one.topic, one.partition, one.offset, str(error)[:300], one.value),
            )
            return
        if sql.execute("SELECT 1 FROM events WHERE id = ?", (record.id,)).fetchone():
            taken.repeated += 1
            return
        known = _known(sql, record)
        route = self._route(sql, record, known)
        if one.broker_ms < self._from_ms:
            route = Route(None, why="from before the alerts were set up")
        body = cloud_event(record, told, route.level.word if route.level else "none")
        number = sql.execute(
            "INSERT INTO events (id, flag_id, level, why, taken_ms, body) VALUES (?,?,?,?,?,?)",
            (record.id, record.flag_id, route.level or 0, route.why, now_ms, body),
        ).lastrowid
        taken.events[record.event] = taken.events.get(record.event, 0) + 1
        _remember(sql, record, route.level or known.level, route.desks | known.desks)
        if route.level is None:
            return
        taken.owed += self._owe(sql, number or 0, record, route, now_ms)
        taken.alerts += _alert(sql, record, route.level, route.desks)

    def _route(self, sql: sqlite3.Connection, record: FlagRecord, known: _Known) -> Route:
        """An end goes to whoever was told of the flag, everything else to where it belongs."""
        if record.ends:
            return Route(known.level, known.desks, "" if known.level else "was told to nobody")
        route = self._routing.route(record, _others(sql, record))
        if route.level is not None and known.level is not None:
            return Route(max(route.level, known.level), route.desks | known.desks, route.why)
        return route

    def _owe(
        self, sql: sqlite3.Connection, number: int, record: FlagRecord, route: Route, now_ms: int
    ) -> int:
        level = route.level or Level.NOTICE
        owed = [r.name for r in self._receivers if r.wants(route.desks, level)]
        sql.executemany(
            "INSERT INTO deliveries VALUES (?, ?, ?, 'waiting', 0, ?, ?, NULL, '')",
            [(number, name, record.flag_id, now_ms, now_ms) for name in owed],
        )
        return len(owed)


@dataclass(frozen=True, slots=True)
class _Known:
    level: Level | None = None
    desks: frozenset[Desk] = frozenset()


def _known(sql: sqlite3.Connection, record: FlagRecord) -> _Known:
    """What was told of this flag before."""
    found = sql.execute(
        "SELECT level, desks FROM flags WHERE flag_id = ?", (record.flag_id,)
    ).fetchone()
    if found is None:
        return _Known()
    desks = frozenset(Desk.parse(text) for text in json.loads(found[1]))
    return _Known(Level(found[0]) if found[0] else None, desks)


def _others(sql: sqlite3.Connection, record: FlagRecord) -> list[OpenFlag]:
    rows = sql.execute(
        "SELECT flag_id, rule, entity_type, entity, level FROM flags"
        " WHERE platform_id = ? AND ended_ms IS NULL AND flag_id != ?",
        (record.platform_id, record.flag_id),
    )
    return [OpenFlag(*row) for row in rows]


def _remember(
    sql: sqlite3.Connection, record: FlagRecord, level: Level | None, desks: frozenset[Desk]
) -> None:
    r = record
    text = desks_text([str(desk) for desk in desks])
    ended = r.decided_at if r.ends else None
    sql.execute(
        "INSERT INTO flags VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (flag_id) DO UPDATE SET"
        " level = excluded.level, desks = excluded.desks,"
        " ended_ms = coalesce(ended_ms, excluded.ended_ms)",
        (r.flag_id, r.rule, r.entity_type, r.entity, r.platform_id, level or 0, text,
         r.decided_at, ended),
    )  # fmt: skip


def _alert(
    sql: sqlite3.Connection, record: FlagRecord, level: Level, desks: frozenset[Desk]
) -> int:
    """Alertmanager is told of the flag at its level, and of the end of all its levels."""
    if record.ends:
        return sql.execute(
            "UPDATE alerts SET ends_ms = max(starts_ms + 1, ?) WHERE flag_id = ?"
            " AND ends_ms IS NULL",
            (record.decided_at, record.flag_id),
        ).rowcount
    labels = json.dumps(labels_of(record, level, desks), ensure_ascii=False)
    annotations = json.dumps(annotations_of(record), ensure_ascii=False)
    return sql.execute(
        "INSERT INTO alerts (flag_id, level, labels, annotations, starts_ms) VALUES (?,?,?,?,?)"
        " ON CONFLICT DO UPDATE SET annotations = excluded.annotations",
        (record.flag_id, level, labels, annotations, record.decided_at),
    ).rowcount
