"""Levels by the table of DOMAIN section 6, from the flags alone: no memory of people's doing.

notice: the platform. warning (F01 at critical, F02, or two rules on one entity): also the district
bureau and the commerce commission. action is not given here: it takes persistence and people.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.alerts.event import FlagRecord
from pipelines.alerts.routing import Desk, Level, OpenFlag, Route

SILENCE = "F11"
_AT_ONCE = frozenset({"F02"})


class ByRule:
    """The `Routing` of a fresh installation."""

    def route(self, record: FlagRecord, others: Sequence[OpenFlag]) -> Route:
        if record.grade == "watch":
            return Route(None, why="watch is for dashboards")
        if record.parent_id:
            return Route(None, why=f"told with {record.parent_id}")
        mute = _muted_by(record, others)
        if mute:
            return Route(None, why=f"muted by {mute}")
        level = _level(record, others)
        return Route(level, _desks(record, level))


def _muted_by(record: FlagRecord, others: Sequence[OpenFlag]) -> str:
    """The open F11 of its platform or of itself: what rests on unknown figures is not told."""
    if record.rule == SILENCE:
        return ""
    for other in others:
        same = (other.entity_type, other.entity) == (record.entity_type, record.entity)
        if other.rule == SILENCE and (other.entity_type == "platform" or same):
            return other.flag_id
    return ""


def _level(record: FlagRecord, others: Sequence[OpenFlag]) -> Level:
    if record.rule in _AT_ONCE or (record.rule == "F01" and record.grade == "critical"):
        return Level.WARNING
    second = any(
        other.level and other.rule not in (record.rule, SILENCE)
        for other in others
        if (other.entity_type, other.entity) == (record.entity_type, record.entity)
    )
    return Level.WARNING if second and record.rule != SILENCE else Level.NOTICE


def _desks(record: FlagRecord, level: Level) -> frozenset[Desk]:
    desks = {Desk("platform", record.platform_id)}
    if level >= Level.WARNING:
        desks.add(Desk("commission"))
        if record.district:
            desks.add(Desk("district", record.district))
    return frozenset(desks)
