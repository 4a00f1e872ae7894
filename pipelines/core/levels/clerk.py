"""What the clerk writes by itself: levels, what holds them back, and files that are done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Draft, Kind
from pipelines.core.ledger.events import CLERK, SYSTEM
from pipelines.core.ledger.lifecycle import FlagFile, Level, State
from pipelines.core.ledger.requests import AddWorkingDays, appeal_until
from pipelines.core.levels.evaluate import Verdict, evaluate, one_event
from pipelines.core.levels.policy import RoutingPolicy

_DECIDED = frozenset({State.UPHELD, State.OVERTURNED, State.CORRECTED})


def due(
    book: Book, policy: RoutingPolicy, add_working_days: AddWorkingDays, now: int
) -> Iterator[Draft]:
    """Every entry that time or an event has made due at `now`, ms. Changes nothing."""
    for flag_id in list(book.active):
        file = book.files[flag_id]
        draft = _level(file, verdict_of(file, book, policy, now), policy)
        if draft is not None:
            yield draft
        elif (why := _done(file, add_working_days, now)) is not None:
            yield Draft(f"cleared:{flag_id}", flag_id, Kind.CLEARED, CLERK, SYSTEM, why)


def verdict_of(file: FlagFile, book: Book, policy: RoutingPolicy, now: int) -> Verdict:
    """The level of a file among all others."""
    muting = policy.mute.by if policy.mute else []
    silences = [one for rule in muting for one in book.of_rule(file.platform_id, rule)]
    event = one_event(file, book.files, book.attached_to)
    return evaluate(file, book.subject_of(file), silences, policy, now, book.files, event)


def _level(file: FlagFile, verdict: Verdict, policy: RoutingPolicy) -> Draft | None:
    if verdict.level <= file.level:
        return None
    reasons = [{"code": r.code, "zh": r.zh, "en": r.en} for r in verdict.reasons]
    details: dict[str, Any] = {
        "level": verdict.level.word,
        "grade": file.grade,  # on which it rests: who tells of it reads flags by itself
        "recipients": list(verdict.told),
        "concerns": list(verdict.recipients),
        "reasons": reasons,
        "policy": policy.name,
    }
    if verdict.held:
        if verdict.held == file.held:
            return None
        entry_id = f"held:{file.flag_id}:{verdict.held}"
        details["held"] = verdict.held
        return Draft(entry_id, file.flag_id, Kind.HELD, CLERK, SYSTEM, "", details)
    details["shadow"] = verdict.shadow
    entry_id = f"level:{file.flag_id}:{verdict.level.word}"
    return Draft(entry_id, file.flag_id, Kind.LEVEL, CLERK, SYSTEM, "", details)


def _done(file: FlagFile, add_working_days: AddWorkingDays, now: int) -> str | None:
    """Why a file is done; None while it is not."""
    if file.over_at is None:
        return None
    if file.state in _DECIDED:
        return "decided, and over"
    if file.state is State.OPEN and (file.noticed_at is None or file.shadow):
        return "over, and nobody was told" if file.level is Level.NONE or file.shadow else None
    if _out_of_term(file, add_working_days, now):
        return "over, acknowledged, and not appealed in time"
    return None


def _out_of_term(file: FlagFile, add_working_days: AddWorkingDays, now: int) -> bool:
    acked = file.acked
    if file.state is not State.ACKED or acked is None:
        return False
    return now >= appeal_until(acked.at, add_working_days)
