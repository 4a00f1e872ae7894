"""Cases that test a policy: flags as somebody tells of them, and the level that they must have.

    - name: an F01 at grade critical is a warning
      flags:
        - {id: a, rule: F01, grade: critical, platform: p01, district: "310101", opened: 1m}
      expect:
        a: {level: warning, recipients: [platform:p01, district:310101, commission]}

Times are ages at the moment of the case (`30m` ago), or moments with an offset. The levels are
evaluated until nothing rises any more, as the clerk does it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipelines.core.ledger.lifecycle import FlagFile, Level, State
from pipelines.core.levels.evaluate import Verdict, among, evaluate
from pipelines.core.levels.policy import (
    Grade,
    OneRule,
    Quiet,
    RoutingPolicy,
    Shadow,
    parse_duration,
)
from pipelines.policy.load import PolicyError, mapping, told

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


def _moment(value: Any) -> Any:
    """ms since the epoch; an age is counted back from the case's `now` later (negative)."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment needs an offset, such as +08:00")
        return int(value.timestamp() * 1000)
    return -parse_duration(value)


When = Annotated[int, BeforeValidator(_moment)]


class CaseFlag(BaseModel):
    """A flag as the case tells of it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    rule: OneRule
    grade: Grade = "raised"
    platform: str = "p01"
    district: str = ""
    type: str = "merchant"
    entity: str = "m1"
    parent: str = ""
    opened: When
    noticed: When | None = None
    warned: When | None = None
    over: When | None = None
    level: Literal["none", "notice", "warning", "action"] = "none"
    state: State = State.OPEN


class Expected(BaseModel):
    """What must come out; what is left out may be anything. `held` is a beginning."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["none", "notice", "warning", "action"]
    recipients: list[str] | None = None
    told: list[str] | None = None
    held: str | None = None
    shadow: bool | None = None
    reasons: list[str] | None = None


class Overlay(BaseModel):
    """What replaces the same part of the policy under test, for one case."""

    model_config = ConfigDict(extra="forbid")

    maintenance: list[Quiet] | None = None
    shadow: list[Shadow] | None = None


class Case(BaseModel):
    """One case."""

    model_config = ConfigDict(extra="forbid")

    name: str
    now: datetime = NOW
    policy: Overlay = Overlay()
    flags: list[CaseFlag] = Field(min_length=1)
    expect: dict[str, Expected] = Field(min_length=1)


class _Cases(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cases: list[Case] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and what is wrong; nothing where it passes."""

    name: str
    faults: tuple[str, ...]


def parse_cases(text: str, where: str) -> list[Case]:
    """Raises PolicyError."""
    try:
        return _Cases.model_validate(mapping(text, where)).cases
    except ValidationError as error:
        raise PolicyError(told(error, where)) from None


def run(case: Case, policy: RoutingPolicy) -> Outcome:
    """Evaluate one case."""
    changed = {k: v for k, v in case.policy if v is not None}
    policy = policy.model_copy(update=changed)
    verdicts = settle([_file(flag, case.now) for flag in case.flags], policy, case.now)
    faults: list[str] = []
    for flag_id, expected in case.expect.items():
        if flag_id not in verdicts:
            faults.append(f"{flag_id}: no such flag in the case")
        else:
            faults += [f"{flag_id}: {f}" for f in _faults(verdicts[flag_id], expected)]
    return Outcome(case.name, tuple(faults))


def settle(files: list[FlagFile], policy: RoutingPolicy, now: datetime) -> dict[str, Verdict]:
    """Evaluate until no level rises any more: one flag's warning may be another's repetition."""
    at = int(now.timestamp() * 1000)
    while True:
        verdicts = {
            f.flag_id: evaluate(f, files, files, policy, at, event=among(f, files)) for f in files
        }
        higher = [_with(f, verdicts[f.flag_id], at) for f in files]
        if higher == files:
            return verdicts
        files = higher


def _with(file: FlagFile, verdict: Verdict, at: int) -> FlagFile:
    if verdict.held:
        return replace(file, held=verdict.held)
    if verdict.level <= file.level:
        return file
    warned = at if verdict.level >= Level.WARNING else None
    return replace(
        file,
        level=verdict.level,
        noticed_at=file.noticed_at if file.noticed_at is not None else at,
        warned_at=file.warned_at if file.warned_at is not None else warned,
        shadow=verdict.shadow,
    )


def _file(flag: CaseFlag, now: datetime) -> FlagFile:
    base = int(now.timestamp() * 1000)

    def at(when: int | None) -> int | None:
        return when if when is None or when > 0 else base + when

    opened = at(flag.opened) or 0
    return FlagFile(
        flag.id, flag.rule, flag.grade, flag.type, flag.entity, flag.platform, "", flag.district,
        flag.parent, onset=opened, event_at=opened, opened_at=opened, state=flag.state,
        over_at=at(flag.over), over_event_at=at(flag.over), level=Level.of(flag.level),
        noticed_at=at(flag.noticed), warned_at=at(flag.warned),
        decision=flag.state.value if flag.state is State.OVERTURNED else "",
    )  # fmt: skip


def _faults(verdict: Verdict, expected: Expected) -> list[str]:
    got: dict[str, Any] = {
        "level": verdict.level.word,
        "recipients": list(verdict.recipients),
        "told": list(verdict.told),
        "shadow": verdict.shadow,
        "reasons": [reason.code for reason in verdict.reasons],
    }
    wanted = expected.model_dump(exclude_none=True, exclude={"held"})
    faults = [f"{k} is {got[k]}, expected {v}" for k, v in wanted.items() if got[k] != v]
    held = expected.held
    if held is not None and (
        verdict.held != held if held == "" else not verdict.held.startswith(held)
    ):
        faults.append(f"held is {verdict.held!r}, expected {held!r}")
    return faults
