"""Erasure: a platform's or a session's data goes from everywhere, with proof (docs/adr/0014)."""

from __future__ import annotations

import getpass
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.errors import StackError, UsageError
from deploy.operations import changelog, tables
from deploy.operations.target import Target, admin, refuse_while_working
from pipelines.core.erasure import ERASED, Erasure, Erasures
from pipelines.core.fold.sessions import Session
from pipelines.topics import bounds_ms
from pipelines.warehouse import hours
from pipelines.warehouse.migrate import Executor

TABLE = "erasures"
#: Tables whose rows go, with the column that says when a row was.
ERASE = {
    "raw_viewers": "event_time",
    "raw_orders": "event_time",
    "raw_complaints": "event_time",
    "raw_reviews": "event_time",
    "sessions": "first_seen",
    "indicators_session": "minute",
    "session_minutes": "minute",
    "session_hours": "minute",
    "indicator_values": "minute",
    "hour_session": "hour",
}
#: Of these tables only such rows; the others are sums as in `indicators_cell`, which stay.
NAMING = {"indicator_values": "session_id != ''"}
#: Tables whose rows stay, and why.
KEEP = {
    "indicators_cell": "sums of a platform by category and district; no session, no pseudonym",
    "hour_cell": "sums of a platform by category and district; no session, no pseudonym",
    "day_cell": "sums of a platform by category and district; no session, no pseudonym",
    "published_days": "when days were published; nothing of a platform",
    "published_cells": "suppressed sums that were published; no session, no pseudonym",
    "cell_hours": "sums of a platform by category and district; no session, no pseudonym",
    "hour_notes": "when hours of minutes were computed; nothing of a platform",
    "rollup_runs": "when roll-ups ran; nothing of a platform",
    "completeness": "counts of batches and rows by source; no session, no pseudonym",
    "completeness_lanes": "which sources an hour heard of; no session, no pseudonym",
    "completeness_hours": "when hours of completeness were computed; nothing of a platform",
    "completeness_spans": "the same as completeness, by five minutes; no session, no pseudonym",
    "completeness_sources": "the same as completeness, by source; no session, no pseudonym",
    "indicator_days": "of which platforms a day has indicators; no session, no pseudonym",
    "flag_events": "record of what was decided, kept 3 years; names its entity by pseudonym only",
    "flags": "the same as flag_events, by flag; names its entity by pseudonym only",
    "silences": "the same as flag_events, of F11; names its entity by pseudonym only",
    "corrections": "a platform's statement on what it sent, kept 3 years; no pseudonym",
    "ledger": "decisions about flags, kept 3 years; one entry less would break the chain",
    "access_log": "who of the agencies and platforms looked at what, kept 3 years; no pseudonym",
    "calibrations": "thresholds and what was measured with them; nothing of a platform",
    TABLE: "the proof itself",
}
_COLUMNS = "erasure_id, platform_id, session_id, before, erased_at, erased_by, reason, tool"
_SINCE = 1 + Session.__slots__.index("since")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What to erase, as it stands in the table. `before` is a whole minute; times are UTC."""

    erasure_id: str
    platform_id: str
    session_id: str
    before: datetime
    erased_at: datetime
    erased_by: str
    reason: str
    tool: str

    def condition(self, table: str) -> tuple[str, dict[str, Any]]:
        """What the rows of a table are that it covers."""
        where = f"platform_id = %(p)s AND {ERASE[table]} < toDateTime(%(b)s, 'UTC')"
        if table in NAMING:
            where = f"{where} AND {NAMING[table]}"
        bound: dict[str, Any] = {"p": self.platform_id, "b": round(self.before.timestamp())}
        if self.session_id:
            where, bound = f"{where} AND session_id = %(s)s", bound | {"s": self.session_id}
        return where, bound

    def rule(self) -> Erasure:
        """The same as the workers have it."""
        before, at = (round(t.timestamp() * 1000) for t in (self.before, self.erased_at))
        return Erasure(self.platform_id, self.session_id, before, at)


@dataclass(frozen=True, slots=True)
class Count:
    """Rows of one table before and after; `query` is what anyone can run again."""

    before: int
    after: int
    query: str


@dataclass(slots=True)
class Proof:
    """What an erasure did, what it left and why, and until when Kafka still has the records."""

    request: Request
    tables: dict[str, Count] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    kafka_gone_by: dict[str, str] = field(default_factory=dict)
    state: dict[str, list[str]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing is left in the tables nor in the workers' state."""
        return not any(c.after for c in self.tables.values()) and not any(self.state.values())

    def text(self) -> str:
        """JSON, for the file of proof."""
        body = asdict(self) | {"whole": self.whole}
        return json.dumps(body, indent=1, default=_plain, ensure_ascii=False) + "\n"


def request(platform: str, session: str, reason: str, by: str, now: datetime) -> Request:
    """A request as of now. Raises UsageError for an empty platform or reason."""
    for name, value in (("--platform", platform), ("--reason", reason)):
        if not value.strip():
            raise UsageError(f"{name} must not be empty")
    # Up to the end of this minute: what is erased is then told from what comes by whole minutes.
    before = datetime.fromtimestamp((int(now.timestamp()) // 60 + 1) * 60, UTC)
    who = by or getpass.getuser()
    tool = version("livewatch")
    return Request(secrets.token_hex(8), platform, session, before, now, who, reason, tool)


def erase(at: Target, asked: Request) -> Proof:
    """Carry an erasure out. Raises StackError while workers run."""
    with admin(at) as kafka, tables.client(at) as db:
        refuse_while_working(kafka, at.group, "erase")
        _refuse_unknown_tables(db)
        # 1. It is on record first: a crash from here on leaves an erasure that can be repeated,
        #    and the workers honour it from their next start on.
        _record(db, [asked])
        # 2. The rows go, on disk, not just from sight.
        proof = Proof(asked, tables=_delete_all(db, asked), kept=dict(KEEP))
    now = asked.erased_at.timestamp() * 1000
    proof.kafka_gone_by = {
        topic: datetime.fromtimestamp((now + bound) / 1000, UTC).isoformat(timespec="seconds")
        for topic, bound in bounds_ms(at.group, at.partitions).items()
    }
    proof.state = held(at, asked)
    return proof


def prove(at: Target, erasure_id: str) -> Proof:
    """Look again: rows and state that an erasure covers. Raises StackError for an unknown id."""
    with tables.client(at) as db:
        found = [one for one in _recorded(db) if one.erasure_id == erasure_id]
        if not found:
            raise StackError(f"no erasure {erasure_id} is on record: livewatch ops erasures")
        proof = Proof(found[0], kept=dict(KEEP))
        for table in ERASE:
            where, bound = found[0].condition(table)
            left = _count(db, table, where, bound)
            proof.tables[table] = Count(left, left, _told(table, where, bound))
    proof.state = held(at, found[0])
    return proof


def held(at: Target, asked: Request) -> dict[str, list[str]]:
    """What the workers' state still names of it, by partition; none once they have started."""
    rules, out = Erasures([asked.rule()]), {}
    for lane in changelog.lanes(at.partitions):
        _, found = changelog.read(at, lane)
        out[str(lane)] = [] if found is None else names_in(found, rules)
    return out


def names_in(found: changelog.Checkpoint, rules: Erasures) -> list[str]:
    """Sessions, merchants, streamers and agencies that the rules cover and a checkpoint names."""
    out = []
    for name, value in found.entries.items():
        if name.startswith("sessions/"):
            # [slot, platform, session, dimensions, ...]: the fields of a Session, after its slot
            rows = json.loads(value)
            out += [f"session {r[2]}" for r in rows if rules.covers(r[1], r[2], r[_SINCE])]
        elif name in ("keys/merchant", "keys/streamer", "keys/mcn"):
            through = found.head["closed_through"]
            out += [
                f"{name.partition('/')[2]} {key[1]}"
                for *key, _ in json.loads(value)["rows"]
                if key and not key[1].startswith(ERASED) and rules.covers(key[0], "", through)
            ]
    return sorted(out)


def known(db: Executor, database: str) -> list[Request]:
    """All erasures on record; none where the database is not there yet."""
    there = "SELECT count() FROM system.tables WHERE database = %(d)s AND name = %(t)s"
    if db.execute(there, {"d": database, "t": TABLE}) == [(0,)]:
        return []
    return _recorded(db, f"{database}.{TABLE}")


def again(at: Target, some: Iterable[Request]) -> int:
    """After a restore: record what the backup did not know, and carry all out once more.

    Returns how many the backup did not know.
    """
    with tables.client(at) as db:
        there = {one.erasure_id for one in _recorded(db)}
        unknown = [one for one in some if one.erasure_id not in there]
        _record(db, unknown)
        for one in _recorded(db):
            _delete_all(db, one)
    return len(unknown)


def from_proofs(files: Iterable[Path]) -> list[Request]:
    """Requests of files of proof, for a restore where the table is lost. Raises UsageError."""
    out = []
    for file in files:
        try:
            row = json.loads(file.read_text("utf-8"))["request"]
            times = {k: datetime.fromisoformat(row[k]) for k in ("before", "erased_at")}
            out.append(Request(**(row | times)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} is not a proof of an erasure: {error}") from None
    return out


def _record(db: Executor, some: list[Request]) -> None:
    rows = [
        (o.erasure_id, o.platform_id, o.session_id, o.before, o.erased_at, o.erased_by, o.reason,
         o.tool)
        for o in some
    ]  # fmt: skip
    if rows:
        db.execute(f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES", rows)


def _recorded(db: Executor, table: str = TABLE) -> list[Request]:
    rows: list[Row] = db.execute(f"SELECT {_COLUMNS} FROM {table} ORDER BY erased_at")  # noqa: S608
    out = []
    for row in rows:
        values: list[Any] = [_utc(v) if isinstance(v, datetime) else v for v in row]
        out.append(Request(*values))
    return out


def _refuse_unknown_tables(db: Any) -> None:
    """A table that nobody thought of must not be left out in silence."""
    unknown = {t.name for t in tables.tables(db)} - ERASE.keys() - KEEP.keys()
    if unknown:
        raise StackError(
            f"it is not said of {', '.join(sorted(unknown))} whether an erasure reaches it: "
            "deploy/operations/erasures.py"
        )


def _delete_all(db: Any, asked: Request) -> dict[str, Count]:
    """Every table. Hours that lose minutes no longer hold: from before, and from after for good."""
    where, bound = asked.condition("session_minutes")
    gone = db.execute(
        f"SELECT DISTINCT toStartOfHour(minute) FROM session_minutes WHERE {where}",  # noqa: S608
        bound,
    )
    touched = [_utc(hour) for (hour,) in gone]
    hours.touch(db, "session_minutes", touched)
    counts = {table: _delete(db, table, asked) for table in ERASE}
    hours.touch(db, "session_minutes", touched)
    return counts


def _delete(db: Any, table: str, asked: Request) -> Count:
    where, bound = asked.condition(table)
    before = _count(db, table, where, bound)
    if before:
        db.execute(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2", bound)
    return Count(before, _count(db, table, where, bound), _told(table, where, bound))


def _count(db: Any, table: str, where: str, bound: dict[str, Any]) -> int:
    return int(db.execute(f"SELECT count() FROM {table} WHERE {where}", bound)[0][0])  # noqa: S608


def _told(table: str, where: str, bound: dict[str, Any]) -> str:
    """The query with its values in place; they are ids and a number, quoted for reading."""
    quoted = {k: f"'{v}'" if isinstance(v, str) else v for k, v in bound.items()}
    return f"SELECT count() FROM {table} WHERE {where % quoted}"  # noqa: S608


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
