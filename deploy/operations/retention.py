"""What is kept how long: as declared, and as it is in the live system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from deploy.operations import tables
from deploy.operations.target import Target
from pipelines.topics import specs

FOR_EVER = 0
#: DOMAIN section 4: raw 30 days, minutes and what names sessions 90 days, hours and exact days 2
#: years, suppressed days for ever, flags and audit 3 years. Days.
DECLARED = {
    "raw_viewers": 30,
    "raw_orders": 30,
    "raw_complaints": 30,
    "raw_reviews": 30,
    "sessions": 90,
    "indicators_session": 90,
    "session_minutes": 90,
    "indicator_values": 90,
    "indicator_days": 90,
    "indicators_cell": 90,
    "completeness": 90,
    "completeness_lanes": 90,
    "completeness_hours": 90,
    "completeness_spans": 90,
    "completeness_sources": 90,
    "hour_notes": 90,
    "cell_hours": 90,
    "session_hours": 90,
    "hour_session": 90,
    "rollup_runs": 90,
    "published_days": FOR_EVER,
    "published_cells": FOR_EVER,
    "hour_cell": 2 * 365,
    "day_cell": 2 * 365,
    "flag_events": 3 * 365,
    "flags": 3 * 365,
    "silences": 3 * 365,
    "corrections": 3 * 365,
    "erasures": 3 * 365,
    "ledger": 3 * 365,
    "access_log": 3 * 365,
    "calibrations": 3 * 365,
}
_UNITS = {"Day": 1, "Month": 30, "Year": 365}
_TTL = re.compile(r"\bTTL\b.*?\+ toInterval(Day|Month|Year)\((\d+)\)")
#: Settings of a topic that say how long it keeps what.
KEYS = (
    "cleanup.policy", "retention.ms", "segment.ms", "max.compaction.lag.ms", "delete.retention.ms",
    "max.message.bytes", "message.timestamp.type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is kept; `actual` None where it is missing."""

    what: str
    setting: str
    declared: str
    actual: str | None

    @property
    def as_declared(self) -> bool:
        return self.declared == self.actual


def ttl_days(create_query: str) -> int:
    """Days after which a table's rows go, from its CREATE; FOR_EVER for never."""
    found = _TTL.search(create_query)
    return FOR_EVER if found is None else int(found[2]) * _UNITS[found[1]]


def of_tables(db: Any) -> list[Line]:
    """The TTL of each table, declared or not."""
    rows = db.execute(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    )
    actual = {name: ttl_days(sql) for name, sql in rows}
    names = sorted(DECLARED.keys() | {t.name for t in tables.tables(db)})
    return [
        Line(
            name, "TTL", _days(DECLARED.get(name)), _days(actual[name]) if name in actual else None
        )
        for name in names
    ]


def of_topics(kafka: Any, at: Target) -> list[Line]:
    """The settings of each topic that say how long it keeps what."""
    wanted = specs(at.group, at.partitions)
    there = set(kafka.list_topics())
    present = [s.name for s in wanted if s.name in there]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in present]
    found = kafka.describe_configs(resources, config_filter="all") if resources else {}
    live = found.get("topic", {})
    out = []
    for spec in wanted:
        for key in KEYS:
            if key in spec.config:
                actual = live.get(spec.name, {}).get(key)
                value = None if actual is None else str(actual["value"])
                out.append(Line(spec.name, key, spec.config[key], value))
    return out


def _days(days: int | None) -> str:
    if days == FOR_EVER:
        return "for ever"
    return "not declared" if days is None else f"{days} days"
