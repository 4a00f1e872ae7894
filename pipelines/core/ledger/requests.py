"""From what somebody asks for to an entry, or to a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pipelines.core.ledger.entry import Draft, Kind
from pipelines.core.ledger.lifecycle import DECISIONS, MOVES, FlagFile
from pipelines.core.ledger.roles import Action, Actor, Role, may, sees

APPEAL_WORKING_DAYS = 5
MAX_WHY = 2000
SHANGHAI = ZoneInfo("Asia/Shanghai")
ACTION_OF = {
    Kind.ACKED: Action.ACK,
    Kind.APPEALED: Action.APPEAL,
    Kind.CLEARED: Action.CLEAR,
    **dict.fromkeys(DECISIONS, Action.DECIDE),
}


class AddWorkingDays(Protocol):
    """`start` and so many working days; the day of the start itself does not count."""

    def __call__(self, start: date, days: int, /) -> date: ...


class RefusedError(Exception):
    """Why not. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What an account asks for. `request_id` makes a repetition harmless."""

    request_id: str
    flag_id: str
    kind: Kind
    why: str = ""
    correction: str = ""
    """For CORRECTED: which correction of the platform settled it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the calendar and the check of free text say."""

    add_working_days: AddWorkingDays
    personal_in: Callable[[str], list[str]]
    """Kinds of personal data in a text; none where it is clean."""


def decide(request: Request, file: FlagFile | None, actor: Actor, now: int, rules: Rules) -> Draft:
    """The entry that the request leads to, at `now` (ms since the epoch). Raises RefusedError."""
    if file is None or not sees(actor, file):
        raise RefusedError("unknown_flag", "there is no such flag")
    action = ACTION_OF.get(request.kind)
    if action is None or not may(actor, action):
        raise RefusedError(
            "not_permitted", f"the role {actor.role} may not {action or request.kind}"
        )
    _check_state(request, file)
    _check_text(request, rules)
    if request.kind is Kind.APPEALED:
        _check_term(file, now, rules.add_working_days)
    if request.kind in DECISIONS:
        _check_second_person(file, actor)
    return Draft(
        request.request_id, file.flag_id, request.kind, actor.account, actor.role.value,
        request.why.strip(), _details(request, actor),
    )  # fmt: skip


def appeal_until(acked_at: int, add_working_days: AddWorkingDays) -> int:
    """First ms at which an appeal is too late: the end of the fifth working day in Shanghai after
    the day on which the flag was acknowledged."""
    day = datetime.fromtimestamp(acked_at / 1000, UTC).astimezone(SHANGHAI).date()
    last = add_working_days(day, APPEAL_WORKING_DAYS)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), SHANGHAI)
    return int(end.timestamp() * 1000)


def _check_state(request: Request, file: FlagFile) -> None:
    allowed, _ = MOVES[request.kind]
    if file.state not in allowed:
        ways = " or ".join(sorted(allowed))
        raise RefusedError("wrong_state", f"the flag is {file.state}; this needs {ways}")


def _check_text(request: Request, rules: Rules) -> None:
    if request.kind is not Kind.ACKED and not request.why.strip():
        raise RefusedError("why_needed", "say why: the reason goes into the ledger")
    if len(request.why) > MAX_WHY:
        raise RefusedError("why_too_long", f"the reason has more than {MAX_WHY} characters")
    found = rules.personal_in(request.why) + rules.personal_in(request.correction)
    if found:
        kinds = ", ".join(sorted(set(found)))
        raise RefusedError("personal_data", f"the ledger keeps no personal data; found: {kinds}")
    if request.kind is Kind.CORRECTED and not request.correction.strip():
        raise RefusedError(
            "correction_needed", "name the correction: its batch, or session and times"
        )


def _check_term(file: FlagFile, now: int, add_working_days: AddWorkingDays) -> None:
    acked = file.acked
    if acked is not None and now >= appeal_until(acked.at, add_working_days):
        days = APPEAL_WORKING_DAYS
        raise RefusedError(
            "too_late", f"an appeal comes within {days} working days of acknowledgement"
        )


def _check_second_person(file: FlagFile, actor: Actor) -> None:
    """Who decides acknowledged nothing, appealed nothing, and is not of the appellant's side."""
    before = {act.account for act in (file.acked, file.appealed) if act is not None}
    if actor.account in before:
        raise RefusedError("second_person", "who acknowledged or appealed does not decide")
    if actor.role is Role.PLATFORM or actor.platform_id == file.platform_id:
        raise RefusedError("second_person", "the appellant's side does not decide")


def _details(request: Request, actor: Actor) -> dict[str, str]:
    bound = {"platform_id": actor.platform_id, "district": actor.district}
    details = {key: value for key, value in bound.items() if value}
    if request.kind is Kind.CORRECTED:
        details["correction"] = request.correction.strip()
    return details
