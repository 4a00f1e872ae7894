"""The body of a correction: what is withdrawn, why, and the rows that stand in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from producers.corrections import of_batch, of_session
from producers.gateway.errors import Refusal
from producers.gateway.parse import (
    BAD_JSON,
    EVENT_TIME,
    JSON,
    TIME_RULE,
    UNKNOWN_FIELD,
    ms_of,
    parse,
)
from producers.gateway.places import parse_batch_id
from schemas import codes
from schemas.errors import RowError
from schemas.identity import BatchIdentity, Supersedes
from schemas.sharding import shard_of, shards_of_column
from schemas.telemetry import MAX_ROWS, PSEUDONYM, SampleType

MAX_BATCHES = 256
LAST_MS = 10**15 - 1  # what the header has digits for
FIELDS = frozenset({"reason", "supersedes", "rows"})
_SPAN = frozenset({"session_id", "from", "to"})
_SESSION_ID = re.compile(PSEUDONYM.rstrip("$"))
_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Correction:
    """`targets`: what is withdrawn, each with its partition; `reason`: a code of the list."""

    targets: tuple[tuple[int, Supersedes], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Here:
    """The gateway that is asked: its sources' name, and how many partitions the topics have."""

    source: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A correction that follows the contract; whether its `batches` are the platform's own, and
    whether they exist, is still to be seen."""

    correction: Correction
    rows: pa.RecordBatch | None
    batches: tuple[BatchIdentity, ...] = ()


def read_correction(
    sample: SampleType, here: Here, body: bytes, max_rows: int, now_ms: int
) -> Draft:
    """Decode and validate. Raises Refusal, which names the field and the rule."""
    fields = _fields(body)
    reason = _reason(fields)
    what = _named(fields)
    rows = _rows(sample, fields, min(max_rows, MAX_ROWS), now_ms)
    if "batches" in what:
        batches = tuple(dict.fromkeys(_batches(sample, what, here)))
        targets = tuple((b.partition, of_batch(b)) for b in batches)
        if rows is not None:
            _follow(_elsewhere(rows, {b.partition for b in batches}, here.partitions))
        return Draft(Correction(targets, reason), rows, batches)
    span = _span(what)
    if rows is not None:
        _follow(_outside(rows, span))
    shard = int(shard_of([span.session_id.encode()], here.partitions)[0])
    return Draft(Correction(((shard, span),), reason), rows)


# -- the fields -------------------------------------------------------------------------------


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        msgspec.json.decode(body)
    except BAD_JSON:
        raise Refusal(400, "body", "is not readable JSON in UTF-8") from None
    try:
        fields = _DECODER.decode(body)
    except BAD_JSON:
        raise Refusal(422, "body", "must be an object") from None
    if not fields.keys() <= FIELDS:
        raise Refusal(422, "body", UNKNOWN_FIELD)  # the name itself may be personal data
    for name in ("reason", "supersedes"):
        if name not in fields:
            raise Refusal(422, name, "is missing")
    return fields


def _reason(fields: dict[str, msgspec.Raw]) -> str:
    reason = msgspec.json.decode(fields["reason"])
    if not isinstance(reason, str) or reason not in codes.REASONS.codes:
        raise Refusal(422, "reason", "must be a code of the contract's list")
    return reason


def _named(fields: dict[str, msgspec.Raw]) -> dict[str, Any]:
    what = msgspec.json.decode(fields["supersedes"])
    rule = "must be an object with batches, or with session_id, from and to"
    if not isinstance(what, dict):
        raise Refusal(422, "supersedes", rule)
    if not what.keys() <= _SPAN | {"batches"}:
        raise Refusal(422, "supersedes", UNKNOWN_FIELD)
    if what.keys() not in ({"batches"}, _SPAN):
        raise Refusal(422, "supersedes", rule)
    return what


def _batches(sample: SampleType, what: dict[str, Any], here: Here) -> Iterator[BatchIdentity]:
    given = what["batches"]
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_BATCHES:
        raise Refusal(422, "batches", f"must be an array of 1 to {MAX_BATCHES} batch ids")
    for number, text in enumerate(given):
        field = f"batches[{number}]"
        batch = parse_batch_id(text) if isinstance(text, str) else None
        if batch is None:
            raise Refusal(422, field, "must be a batch id from a 202 answer")
        if batch.sample is not sample:
            raise Refusal(422, field, f"must be of {sample.value}, as the path says")
        if batch.source != here.source:
            raise Refusal(422, field, f"must be of this gateway, {here.source}")
        yield batch


def _span(what: dict[str, Any]) -> Supersedes:
    session_id = what["session_id"]
    if not isinstance(session_id, str) or not _SESSION_ID.fullmatch(session_id):
        raise Refusal(422, "session_id", f"must match {PSEUDONYM}")
    begin, end = _time(what, "from"), _time(what, "to")
    if begin >= end:
        raise Refusal(422, "to", "must be later than from")
    return of_session(session_id, begin, end)


def _time(what: dict[str, Any], name: str) -> int:
    try:
        ms = ms_of(msgspec.convert(what[name], EVENT_TIME))
    except BAD_JSON:
        raise Refusal(422, name, TIME_RULE) from None
    if not 0 <= ms <= LAST_MS:
        raise Refusal(422, name, f"must be from 0 to {LAST_MS} ms since 1970")
    return ms


# -- the rows ---------------------------------------------------------------------------------


def _rows(
    sample: SampleType, fields: dict[str, msgspec.Raw], max_rows: int, now_ms: int
) -> pa.RecordBatch | None:
    raw = fields.get("rows")
    if raw is None:
        return None
    try:
        found = parse(sample, JSON, bytes(raw), max_rows, now_ms)
    except Refusal as refusal:
        if refusal.field == "body":
            refusal.field = "rows"
        raise
    _follow(found.errors)
    return found.rows if found.rows.num_rows else None


def _follow(errors: Iterable[RowError]) -> None:
    found = list(errors)
    if found:
        raise Refusal(422, "rows", "must follow the contract", found)


def _elsewhere(rows: pa.RecordBatch, known: set[int], partitions: int) -> Iterator[RowError]:
    """Rows of which no batch that is withdrawn can have held the session."""
    shards = shards_of_column(rows.column("session_id"), partitions)
    for row in np.flatnonzero(~np.isin(shards, list(known))).tolist():
        yield RowError(row, "session_id", "must be of a session that a named batch holds")


def _outside(rows: pa.RecordBatch, span: Supersedes) -> Iterator[RowError]:
    """Rows of another session or time than what is withdrawn."""
    times = rows.column("event_time").cast(pa.int64()).to_pylist()
    for row, (session_id, at) in enumerate(
        zip(rows.column("session_id").to_pylist(), times, strict=True)
    ):
        if session_id != span.session_id:
            yield RowError(row, "session_id", "must be the session of supersedes")
        elif not span.from_ms <= at < span.to_ms:
            yield RowError(row, "event_time", "must be in [from, to) of supersedes")
