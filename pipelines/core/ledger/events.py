"""The detectors' events as entries: each once, however often the event is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.core.ledger.entry import Draft, Kind, canonical
from pipelines.core.ledger.lifecycle import GRADES, FlagFile

CLERK = "clerk"
SYSTEM = "system"
_TEXTS = (
    "rule", "grade", "entity_type", "entity", "platform_id", "category", "district", "parent_id",
    "rule_version",
)  # fmt: skip
_NUMBERS = ("onset", "event_time", "decided_at")
_FIGURES = frozenset({"observed", "expected", "exposure", "score", "threshold"})


def digest(event: Mapping[str, Any]) -> str:
    """SHA-256 of an event as the detector wrote it: binds its figures and evidence to the chain.

    Empty texts are left out, so that a column added later changes no digest of before. Figures are
    written as Python's `repr`, which reads back as the same number.
    """
    kept = {
        key: repr(float(value)) if key in _FIGURES else value
        for key, value in event.items()
        if value != ""
    }
    return hashlib.sha256(canonical(kept)).hexdigest()


def draft_of(
    event: Mapping[str, Any], files: Mapping[str, FlagFile], opens_from: str
) -> Draft | None:
    """The entry that a flag event leads to in a book of these files; None where it leads to none.

    A flag opens with its first event of the grade `opens_from` or above. Raises ValueError for
    what is no flag event.
    """
    try:
        flag_id, kind, grade = str(event["flag_id"]), str(event["event"]), str(event["grade"])
        rank = GRADES.index(grade)
    except (KeyError, ValueError) as error:
        raise ValueError(f"not a flag event ({error})") from None
    file = files.get(flag_id)
    if kind in ("cleared", "ended"):
        if file is None or file.over_at is not None:
            return None
        return _draft(f"over:{flag_id}", Kind.OVER, event)
    if kind == "attached":
        if file is None or file.parent_id:
            return None
        return _link(file, event)
    if kind == "detached":
        return _link(file, event) if file is not None and file.parent_id else None
    if rank < GRADES.index(opens_from):
        return None
    if file is None:
        return _draft(f"opened:{flag_id}", Kind.OPENED, event)
    if rank > GRADES.index(file.grade):
        return _draft(f"graded:{flag_id}:{grade}", Kind.GRADED, event)
    return None


def _link(file: FlagFile, event: Mapping[str, Any]) -> Draft:
    """Of the same grade as before, with a parent now, or without one."""
    draft = _draft(f"{event['event']}:{file.flag_id}", Kind.GRADED, event)
    return replace(draft, details={**draft.details, "grade": file.grade})


def _draft(entry_id: str, kind: Kind, event: Mapping[str, Any]) -> Draft:
    details: dict[str, Any] = {name: str(event.get(name, "")) for name in _TEXTS}
    details |= {name: int(event.get(name, 0)) for name in _NUMBERS}
    details |= {"event": str(event["event"]), "digest": digest(event)}
    return Draft(entry_id, str(event["flag_id"]), kind, CLERK, SYSTEM, "", details)
