"""The routing policy: who is told at which level. Declared in a file, checked when it is read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipelines.core.ledger.lifecycle import GRADES, Level

_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,6})([smhd])")
ANY = "*"


def parse_duration(value: Any) -> Any:
    """`30m` in ms; s, m, h and d."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError("must be a duration such as 30m, 24h or 7d")
    return int(found[1]) * _UNITS[found[2]]


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Milliseconds."""
Rule = Annotated[str, Field(pattern=r"^(F\d\d|\*)$")]
OneRule = Annotated[str, Field(pattern=r"^F\d\d$")]
Grade = Literal["watch", "raised", "critical"]
LevelName = Literal["notice", "warning", "action"]
Recipient = Literal[
    "platform", "district_bureau", "commission", "market_regulation", "cyberspace",
    "culture_tourism", "police", "consumer_council",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GradeRule(_Strict):
    """A flag of these rules and at least this grade has this level. The first that fits holds."""

    rules: list[Rule] = Field(min_length=1)
    grade: Grade
    level: LevelName


class Several(_Strict):
    """So many flags on one entity, opened within so long."""

    flags: int = Field(ge=2, le=100)
    within: Duration
    level: LevelName


class Unacknowledged(_Strict):
    """Nobody has acknowledged so long after somebody was told."""

    after: Duration
    level: LevelName


class Persistent(_Strict):
    """A flag of these rules that goes on for so long."""

    rules: list[Rule] = Field(min_length=1)
    after: Duration
    level: LevelName


class Repeated(_Strict):
    """So many warnings on one entity within so long."""

    warnings: int = Field(ge=2, le=100)
    within: Duration
    level: LevelName


class Escalate(_Strict):
    """How a level rises; what is left out does not."""

    several: Several | None = None
    unacknowledged: Unacknowledged | None = None
    persistent: Persistent | None = None
    repeated: Repeated | None = None


class Content(_Strict):
    """Flags about content, and who else is told of them from which level."""

    rules: list[Rule] = Field(min_length=1)
    level: LevelName
    tell: list[Recipient] = Field(min_length=1)


class Mute(_Strict):
    """What opens while a flag `by` is on for its platform or entity rests on unknown data."""

    by: list[OneRule] = Field(min_length=1)
    spares: list[Rule] = []


class Quiet(_Strict):
    """A maintenance window: what opens in it is not told until it is over, if it still is on."""

    platform: str = Field(pattern=r"^(\*|[A-Za-z0-9_-]{1,64})$")
    rules: list[Rule] = [ANY]
    start: datetime
    end: datetime
    reason: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _in_order(self) -> Quiet:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end need an offset, such as +08:00")
        if self.start >= self.end:
            raise ValueError("start must be before end")
        return self

    def covers(self, platform_id: str, rule: str, at: int) -> bool:
        """Whether it holds for a flag at `at`, ms."""
        within = self.start.timestamp() * 1000 <= at < self.end.timestamp() * 1000
        return within and self.platform in (ANY, platform_id) and fits(self.rules, rule)


class Shadow(_Strict):
    """Computed and measured, not sent."""

    rule: Rule
    platform: str = Field(pattern=r"^(\*|[A-Za-z0-9_-]{1,64})$")

    def covers(self, platform_id: str, rule: str) -> bool:
        return fits([self.rule], rule) and self.platform in (ANY, platform_id)


class RoutingPolicy(_Strict):
    """A whole policy file."""

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    opens_from: Grade = "raised"
    levels: dict[LevelName, list[Recipient]]
    content: Content | None = None
    grades: list[GradeRule] = Field(min_length=1)
    escalate: Escalate = Escalate()
    mute: Mute | None = None
    maintenance: list[Quiet] = []
    shadow: list[Shadow] = []

    @model_validator(mode="after")
    def _levels_grow(self) -> RoutingPolicy:
        names = ("notice", "warning", "action")
        missing = [name for name in names if not self.levels.get(name)]  # type: ignore[call-overload]
        if missing:
            raise ValueError(f"levels.{missing[0]} must name who is told")
        for lower, higher in (("notice", "warning"), ("warning", "action")):
            lost = set(self.levels[lower]) - set(self.levels[higher])  # type: ignore[index]
            if lost:
                raise ValueError(f"levels.{higher} must also tell {sorted(lost)[0]}, as {lower}")
        if self.escalate.unacknowledged and self.escalate.unacknowledged.level == "notice":
            raise ValueError("escalate.unacknowledged.level must be above notice")
        return self

    @model_validator(mode="after")
    def _below_what_opens_nothing_counts(self) -> RoutingPolicy:
        least = GRADES.index(self.opens_from)
        for number, rule in enumerate(self.grades):
            if GRADES.index(rule.grade) < least:
                raise ValueError(
                    f"grades[{number}]: {rule.grade} is below opens_from, so it never holds"
                )
        return self

    def base_level(self, rule: str, grade: str) -> Level:
        """The level of a single flag."""
        for one in self.grades:
            if fits(one.rules, rule) and GRADES.index(grade) >= GRADES.index(one.grade):
                return Level.of(one.level)
        return Level.NONE

    def mutes(self, rule: str) -> bool:
        """Whether it is a rule that mutes others."""
        return self.mute is not None and rule in self.mute.by


def fits(rules: list[str], rule: str) -> bool:
    return ANY in rules or rule in rules
