"""At which level an event is told, and at whose desks: pure, by the routing policy (ADR 0030)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.core.ledger.lifecycle import FlagFile, Level
from pipelines.core.levels.evaluate import among, evaluate
from pipelines.core.levels.policy import RoutingPolicy


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
class Route:
    """Where an event goes; at level none nowhere, and `why` says why."""

    level: Level
    desks: frozenset[Desk] = frozenset()
    why: str = ""


class Routing(Protocol):
    """What the alerts ask for every event that opens or escalates a flag."""

    def route(self, file: FlagFile, others: Sequence[FlagFile], now_ms: int) -> Route:
        """`others`: flags of the platform that are open, about the same entity, or silences; and
        the flag's parent."""


class ByPolicy:
    """Levels from the flags alone: nobody's acknowledgement is known here, so nothing rises with
    time; grades, several flags on one entity, mutes, shadow and maintenance are as the policy says.
    """

    def __init__(self, policy: RoutingPolicy) -> None:
        self._policy = policy

    def route(self, file: FlagFile, others: Sequence[FlagFile], now_ms: int) -> Route:
        known = {one.flag_id: one for one in others}
        event = among(file, others)
        # One that was never read, from before the outbox, is taken to have been told.
        parents = known if file.parent_id in known else None
        verdict = evaluate(file, others, others, self._policy, now_ms, parents, event)
        if verdict.held:
            return Route(Level.NONE, why=verdict.held)
        if verdict.shadow:
            return Route(Level.NONE, why="shadow")
        if verdict.level is Level.NONE:
            return Route(Level.NONE, why=f"{file.grade} has no level")
        return Route(verdict.level, frozenset(Desk.parse(one) for one in verdict.told))
