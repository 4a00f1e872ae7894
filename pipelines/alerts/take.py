"""One batch of records into the outbox: events, deliveries, alerts and positions, or nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.alerts.alertmanager import annotations_of, labels_of
from pipelines.alerts.event import FlagRecord, cloud_event, decode
from pipelines.alerts.known import Known, advanced, known, others, remember
from pipelines.alerts.message import Message
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import Route, Routing
from pipelines.core.kin import same_event
from pipelines.core.ledger.lifecycle import FlagFile, Level


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
        message: Message | None = None,
    ) -> None:
        self._outbox, self._receivers, self._routing = outbox, receivers, routing
        self._from_ms = deliver_from_ms
        self._message = message or Message()

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
        before = known(sql, record)
        file = advanced(before.file, record)
        route = self._route(sql, record, file, before, one.broker_ms)
        message = self._message.of(record.flag_id, record.event, route.level)
        body = cloud_event(record, told | {"level": route.level.word} | message)
        number = sql.execute(
            "INSERT INTO events (id, flag_id, level, why, taken_ms, body) VALUES (?,?,?,?,?,?)",
            (record.id, record.flag_id, route.level, route.why, now_ms, body),
        ).lastrowid
        taken.events[record.event] = taken.events.get(record.event, 0) + 1
        remember(sql, file, route, route.desks | before.desks)
        if route.level is not Level.NONE:
            taken.owed += self._owe(sql, number or 0, record, route, now_ms)
            annotations = annotations_of(record) | message
            taken.alerts += _alert(sql, record, route, annotations, now_ms)

    def _route(
        self,
        sql: sqlite3.Connection,
        record: FlagRecord,
        file: FlagFile,
        before: Known,
        broker_ms: int,
    ) -> Route:
        """An end goes to whoever was told of the flag, everything else to where it belongs."""
        if broker_ms < self._from_ms:
            return Route(Level.NONE, why="from before the alerts were set up")
        if before.file.decision and not record.ends:
            return Route(Level.NONE, why=before.file.decision.lower())
        if record.ends:
            why = "" if file.level else "was told to nobody"
            return Route(file.level, before.desks, why)
        if record.event == "attached" and same_event(record.entity_type, record.parent_id):
            return Route(Level.NONE, why=f"parent:{record.parent_id}")
        route = self._routing.route(file, others(sql, record, file.parent_id), record.decided_at)
        if route.level is Level.NONE:
            return route
        return Route(max(route.level, file.level), route.desks | before.desks)

    def _owe(
        self, sql: sqlite3.Connection, number: int, record: FlagRecord, route: Route, now_ms: int
    ) -> int:
        owed = [r.name for r in self._receivers if r.wants(route.desks, route.level)]
        sql.executemany(
            "INSERT INTO deliveries VALUES (?, ?, ?, 'waiting', 0, ?, ?, NULL, '')",
            [(number, name, record.flag_id, now_ms, now_ms) for name in owed],
        )
        return len(owed)


def _alert(
    sql: sqlite3.Connection,
    record: FlagRecord,
    route: Route,
    annotations: dict[str, str],
    now_ms: int,
) -> int:
    """Alertmanager is told of the flag at its level, and of the end of all its levels; at no time
    of the future, should the worker's clock be ahead of ours."""
    at, said = min(record.decided_at, now_ms), json.dumps(annotations, ensure_ascii=False)
    if record.ends:
        return sql.execute(
            "UPDATE alerts SET ends_ms = max(starts_ms + 1, ?), annotations = ?"
            " WHERE flag_id = ? AND ends_ms IS NULL",
            (at, said, record.flag_id),
        ).rowcount
    labels = json.dumps(labels_of(record, route.level, route.desks), ensure_ascii=False)
    return sql.execute(
        "INSERT INTO alerts (flag_id, level, labels, annotations, starts_ms) VALUES (?,?,?,?,?)"
        " ON CONFLICT DO UPDATE SET annotations = excluded.annotations",
        (record.flag_id, route.level, labels, said, at),
    ).rowcount
