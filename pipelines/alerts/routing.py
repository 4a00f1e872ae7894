"""At which level an event is told, and at whose desks: pure, replaceable by a policy (ADR 0030)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from pipelines.alerts.event import FlagRecord


class Level(IntEnum):
    """Levels of DOMAIN section 6; a higher one is told to everybody of the lower ones, too."""

    NOTICE = 1
    WARNING = 2
    ACTION = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Desk:
    """A role, and where there are several of a role whose: a platform's id, a district's code."""

    role: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.role}:{self.of}" if self.of else self.role

    @classmethod
    def parse(cls, text: str) -> Desk:
        role, _, of = text.partition(":")
        return cls(role, of)


@dataclass(frozen=True, slots=True)
class OpenFlag:
    """A flag of the same platform that is open; `level` 0 was told to nobody."""

    flag_id: str
    rule: str
    entity_type: str
    entity: str
    level: int


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes; without a level nowhere, and `why` says why."""

    level: Level | None
    desks: frozenset[Desk] = frozenset()
    why: str = ""


class Routing(Protocol):
    """What the alerts ask for every event that opens or escalates a flag."""

    def route(self, record: FlagRecord, others: Sequence[OpenFlag]) -> Route: ...
