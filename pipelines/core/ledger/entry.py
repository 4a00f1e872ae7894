"""One entry of the ledger: a link of a chain of SHA-256 hashes.

    hash = SHA-256( previous hash, 32 bytes || canonical JSON of the entry without hash and prev )

Canonical JSON is UTF-8, keys sorted, no spaces, nothing escaped that need not be; values are
texts, whole numbers, booleans, lists and objects. Numbers with a fraction are refused, for
languages write them differently: a figure is text, or is bound by its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""What stands before the first entry."""


class Kind(StrEnum):
    """What an entry says of its flag."""

    OPENED = "opened"
    """A detector raised it."""
    GRADED = "graded"
    """The detector raised its grade."""
    OVER = "over"
    """The detector saw it end; that says nothing of the file."""
    LEVEL = "level"
    """Who is told, from now on."""
    HELD = "held"
    """Nobody is told, and why."""
    ACKED = "acked"
    APPEALED = "appealed"
    UPHELD = "upheld"
    OVERTURNED = "overturned"
    CORRECTED = "corrected"
    CLEARED = "cleared"


class EntryError(ValueError):
    """Bytes that are no entry. The message says why and repeats none of them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants written. `entry_id` is the identity: it is written once, however often
    it is asked for."""

    entry_id: str
    flag_id: str
    kind: Kind
    actor: str
    role: str
    why: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A draft with its place in the chain. `at` is ms since the epoch, by the writer's clock."""

    seq: int
    entry_id: str
    flag_id: str
    kind: Kind
    at: int
    actor: str
    role: str
    why: str
    details: Mapping[str, Any]
    prev: str
    hash: str

    def body(self) -> dict[str, Any]:
        """What the hash covers, besides the previous hash."""
        return {
            "seq": self.seq,
            "entry_id": self.entry_id,
            "flag_id": self.flag_id,
            "kind": self.kind.value,
            "at": self.at,
            "actor": self.actor,
            "role": self.role,
            "why": self.why,
            "details": dict(self.details),
        }

    def expected_hash(self) -> str:
        """The hash that it must have. Raises EntryError where it has none, as for a fraction."""
        return link(self.prev, self.body())

    def to_json(self) -> dict[str, Any]:
        return self.body() | {"prev": self.prev, "hash": self.hash}

    def to_bytes(self) -> bytes:
        """As it stands in the topic."""
        return canonical(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Raises EntryError for anything that `to_bytes` did not write."""
        try:
            raw = json.loads(data)
            entry = cls(**(raw | {"kind": Kind(raw["kind"])}))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EntryError(f"not an entry ({type(error).__name__})") from None
        entry._check_types()
        return entry

    def _check_types(self) -> None:
        texts = (self.entry_id, self.flag_id, self.actor, self.role, self.why, self.prev, self.hash)
        numbers = (self.seq, self.at)
        fits = all(isinstance(t, str) for t in texts) and isinstance(self.details, dict)
        if not fits or not all(type(n) is int for n in numbers):
            raise EntryError("not an entry (a field of another type)")


def chained(draft: Draft, seq: int, prev: str, now_ms: int) -> Entry:
    """The draft as entry number `seq` after the one with the hash `prev`."""
    bare = Entry(
        seq, draft.entry_id, draft.flag_id, draft.kind, now_ms,
        draft.actor, draft.role, draft.why, draft.details, prev, "",
    )  # fmt: skip
    return Entry(**(bare.to_json() | {"kind": draft.kind, "hash": bare.expected_hash()}))


def link(prev: str, body: Mapping[str, Any]) -> str:
    """Hash of `body` after `prev`, in lower-case hexadecimal."""
    try:
        before = bytes.fromhex(prev)
    except ValueError:
        raise EntryError("prev is not hexadecimal") from None
    return hashlib.sha256(before + canonical(body)).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON. Raises EntryError for what it has no single form of."""
    _check(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise EntryError("half of a surrogate pair has no form in UTF-8") from None


def _check(value: Any) -> None:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise EntryError("keys must be texts")
        for one in value.values():
            _check(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check(one)
    elif not isinstance(value, (str, bool, int)):
        raise EntryError(f"{type(value).__name__} has no canonical form here")
