"""Walks copies of the chain and says where one was tampered with. Pure.

What it finds: an entry changed, with or without a new hash; one deleted, added, moved or written
twice; a move that may not be; a copy that differs from the other; a detector's event that is not
the one that the chain is bound to, or of which the chain does not know; and, with an anchor kept
elsewhere, an end cut off both copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.core.ledger.entry import GENESIS, Entry, EntryError, Kind
from pipelines.core.ledger.events import digest, draft_of
from pipelines.core.ledger.lifecycle import FlagFile, IllegalMoveError, step

KEPT_MS = 3 * 365 * 86_400_000
_SLACK_MS = 40 * 86_400_000
"""Kafka and ClickHouse drop what is past its time a segment, or a part, at a time."""
_BOUND = frozenset({Kind.OPENED, Kind.GRADED, Kind.OVER})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at entry `seq` of the copy `where`."""

    where: str
    seq: int
    what: str

    def __str__(self) -> str:
        return f"{self.where}, entry {self.seq}: {self.what}"


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk along one copy saw. `head` is the last entry's hash."""

    entries: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, FlagFile] = field(default_factory=dict)

    @property
    def head(self) -> tuple[int, str]:
        """(number, hash) of the last entry; (-1, genesis) of an empty chain."""
        return (self.entries[-1].seq, self.entries[-1].hash) if self.entries else (-1, GENESIS)


def walk(where: str, rows: Iterable[bytes | Entry], now: int) -> Walk:
    """Every fault of one copy, in its order. `now` in ms tells retention from deletion."""
    out = Walk()
    ids: set[str] = set()
    due, prev = 0, GENESIS
    for row in rows:
        try:
            entry = row if isinstance(row, Entry) else Entry.from_bytes(row)
        except EntryError as error:
            out.findings.append(Finding(where, due, str(error)))
            continue
        told = _place(entry, due, prev, first=not out.entries, now=now)
        told += _content(entry)
        if entry.entry_id in ids:
            told.append("its identity was written before")
        begins = out.entries[0].seq if out.entries else entry.seq
        told += _move(entry, out.files, whole=begins == 0)
        out.findings.extend(Finding(where, entry.seq, one) for one in told)
        ids.add(entry.entry_id)
        out.entries.append(entry)
        due, prev = entry.seq + 1, entry.hash
    return out


def _place(entry: Entry, due: int, prev: str, *, first: bool, now: int) -> list[str]:
    if first and entry.seq > 0:
        past = entry.at <= now - KEPT_MS + _SLACK_MS
        return [] if past else [f"the entries 0 to {entry.seq - 1} are missing"]
    if entry.seq > due:
        last = f" to {entry.seq - 1}" if entry.seq - 1 > due else ""
        return [f"missing before it: {due}{last}"]
    if entry.seq < due:
        return [f"out of order: number {due} was due here"]
    if entry.prev != prev:
        return ["does not follow the entry before: one of the two was changed"]
    return []


def _content(entry: Entry) -> list[str]:
    try:
        right = entry.expected_hash()
    except EntryError as error:
        return [str(error)]
    return [] if right == entry.hash else ["changed: its content does not have its hash"]


def _move(entry: Entry, files: dict[str, FlagFile], *, whole: bool) -> list[str]:
    file = files.get(entry.flag_id)
    if file is None and entry.kind is not Kind.OPENED and not whole:
        return []  # opened before what is kept
    try:
        files[entry.flag_id] = step(file, entry)
    except IllegalMoveError as error:
        return [f"may not be: {error}"]
    return []


def compare(topic: Sequence[Entry], table: Sequence[Entry], now: int, lag_ms: int) -> list[Finding]:
    """Where the copies differ. Entries of the last `lag_ms` may still be on their way."""
    out: list[Finding] = []
    theirs = {entry.seq: entry for entry in table}
    ours = {entry.seq: entry for entry in topic}
    low = max(topic[0].seq if topic else 0, table[0].seq if table else 0)
    for seq, entry in sorted(ours.items()):
        other = theirs.get(seq)
        if other is None:
            if seq >= low and entry.at <= now - lag_ms:
                out.append(Finding("table", seq, "missing, and the topic has it"))
        elif other != entry:
            out.append(
                Finding("table", seq, f"differs from the topic in {_differences(entry, other)}")
            )
    out += [
        Finding("topic", seq, "missing, and the table has it")
        for seq in sorted(theirs.keys() - ours.keys())
        if seq >= low
    ]
    return out


def _differences(one: Entry, other: Entry) -> str:
    mine, theirs = one.to_json(), other.to_json()
    return ", ".join(name for name in mine if mine[name] != theirs[name])


def bound_events(
    entries: Iterable[Entry], events: Mapping[tuple[str, str, str], Mapping[str, Any]]
) -> list[Finding]:
    """Detector's events, by (flag, event, grade), that are not what the chain is bound to."""
    out = []
    for entry in entries:
        if entry.kind not in _BOUND:
            continue
        told = entry.details
        key = (entry.flag_id, str(told.get("event", "")), str(told.get("grade", "")))
        event = events.get(key)
        if event is None:
            out.append(Finding("flag_events", entry.seq, f"the event {key[1]} is missing"))
        elif digest(event) != told.get("digest"):
            out.append(Finding("flag_events", entry.seq, f"the event {key[1]} was changed"))
    return out


def unbound_events(
    chain: Walk,
    events: Mapping[tuple[str, str, str], Mapping[str, Any]],
    opens_from: str,
    lag_ms: int,
) -> list[Finding]:
    """Detector's events that would lead to an entry, and have none: somebody else wrote them.

    What was decided before the chain begins is left out, and so is what came within `lag_ms` of the
    last event that the chain has: it may still be on its way.
    """
    known = [e.details["decided_at"] for e in chain.entries if e.kind in _BOUND]
    if not known:
        return []
    since = chain.entries[0].at if chain.entries[0].seq else 0
    seq, until = chain.head[0], max(known) - lag_ms
    return [
        Finding(
            "flag_events", seq, f"the event {event['event']} of {event['flag_id']} has no entry"
        )
        for event in events.values()
        if since <= int(event["decided_at"]) <= until and _leads_on(event, chain, opens_from)
    ]


def _leads_on(event: Mapping[str, Any], chain: Walk, opens_from: str) -> bool:
    try:
        return draft_of(event, chain.files, opens_from) is not None
    except ValueError:
        return True  # no event of a detector at all


def anchored(entries: Sequence[Entry], seq: int, hash_: str) -> list[Finding]:
    """Whether the chain still holds the entry that somebody noted down elsewhere."""
    found = {entry.seq: entry.hash for entry in entries}.get(seq)
    if found is None:
        return [Finding("topic", seq, "the anchored entry is missing")]
    return [] if found == hash_ else [Finding("topic", seq, "does not have the anchored hash")]
