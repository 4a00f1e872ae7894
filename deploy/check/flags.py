"""Flags against the ground truth that the simulator wrote before it started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deploy.check.warehouse import Warehouse
from producers.simulate.anomalies import HOUR_MS, Anomaly

GRADES = ("watch", "raised", "critical")
#: A spike below this many expected complaints in an hour is no promise.
LEAST_EXCESS = 8.0
# Complaints go on a little after a spike's end, and a roll-up needs several bins to tell.
_AFTER_MS = HOUR_MS

#: Which kinds of anomaly make a flag of a rule: more orders without clicks are a conversion outlier
#: whatever else they are; complaints follow orders and so F01 may follow anything.
MADE_BY = {
    "F02": {"F02"},
    "F03": {"F03", "F06", "F07"},
    "F04": {"F04"},
    "F05": {"F05"},
    "F06": {"F03", "F06", "F07"},
    "F07": {"F07"},
    "F08": {"F08"},
    "F09": {"F09"},
}
#: Of the repetition: it follows all that was before it.
REPEATED = "F12"

#: (level, id): a session, a merchant, a platform/category(/district), a platform, or wider.
Entity = tuple[str, str]


@dataclass(frozen=True)
class Decision:
    """When a flag first reached a grade; `within` holds its entity and what contains that."""

    flag_id: str
    grade: str
    event_ms: int
    entity: Entity
    within: frozenset[Entity]
    rule: str = "F01"


@dataclass(frozen=True)
class SpikeOutcome:
    """One injected spike; delay in event time from its start, None when it was not found."""

    id: str
    entity_type: str
    expected_excess: float
    found_as: str | None
    grade: str | None
    delay_s: float | None


@dataclass(frozen=True)
class FlagReport:
    """`false_flags` by grade: flags that no injected anomaly explains, each at its highest."""

    spikes: list[SpikeOutcome]
    false_flags: dict[str, int]
    unexplained: list[Decision] = field(default_factory=list)

    @property
    def injected(self) -> int:
        return len(self.spikes)

    @property
    def found(self) -> int:
        return sum(spike.delay_s is not None for spike in self.spikes)


def judge(truth: Iterable[Anomaly], decisions: Iterable[Decision]) -> FlagReport:
    """Which spikes of the ground truth were found, and which flags nothing explains."""
    anomalies, made = list(truth), list(decisions)
    owed = [a for a in anomalies if a.kind == "F01" and a.expected_excess >= LEAST_EXCESS]
    unexplained = [d for d in made if not any(explains(a, d) for a in anomalies)]
    false_flags = _count_by_grade(unexplained)
    return FlagReport([_outcome(spike, made) for spike in owed], false_flags, unexplained)


def _outcome(spike: Anomaly, made: list[Decision]) -> SpikeOutcome:
    """Found: raised or critical on the entity itself, or on a roll-up that contains it."""
    around = containing(spike)
    hits = [
        d
        for d in made
        if d.rule == "F01" and d.grade != "watch" and d.entity in around and _in_time(spike, d)
    ]
    best = min(hits, key=lambda d: d.event_ms, default=None)
    return SpikeOutcome(
        spike.id,
        spike.entity_type,
        spike.expected_excess,
        best.entity[0] if best else None,
        max((d.grade for d in hits), key=GRADES.index, default=None),
        (best.event_ms - spike.start_ms) / 1000 if best else None,
    )


def _count_by_grade(decisions: list[Decision]) -> dict[str, int]:
    """Flags by their highest grade."""
    worst: dict[str, str] = {}
    for decision in decisions:
        known = worst.get(decision.flag_id, GRADES[0])
        worst[decision.flag_id] = max(known, decision.grade, key=GRADES.index)
    return {grade: sum(g == grade for g in worst.values()) for grade in GRADES}


def explains(anomaly: Anomaly, decision: Decision) -> bool:
    """Whether the flag is of a kind that the anomaly makes, and is on what was hit, on a part of
    it, or on what contains it."""
    if anomaly.kind not in MADE_BY.get(decision.rule, {anomaly.kind}):
        return False
    hit = (anomaly.entity_type, entity_id(anomaly))
    related = decision.entity in containing(anomaly) or hit in decision.within
    return related and _in_time(anomaly, decision)


def _in_time(anomaly: Anomaly, decision: Decision) -> bool:
    if decision.rule == REPEATED:
        return anomaly.start_ms <= decision.event_ms
    return anomaly.start_ms <= decision.event_ms <= anomaly.end_ms + _AFTER_MS


def entity_id(anomaly: Anomaly) -> str:
    """As flags name it: a category is one of a platform."""
    if anomaly.entity_type == "category":
        return f"{anomaly.platform}/{anomaly.entity_id}"
    return anomaly.platform if anomaly.entity_type == "source" else anomaly.entity_id


def containing(anomaly: Anomaly) -> frozenset[Entity]:
    """What was hit and every roll-up that contains it."""
    chain: set[Entity] = {(anomaly.entity_type, entity_id(anomaly))}
    if anomaly.merchant_pid:
        chain.add(("merchant", anomaly.merchant_pid))
    if anomaly.category:
        chain.add(("category", f"{anomaly.platform}/{anomaly.category}"))
    if anomaly.category and anomaly.district:
        chain.add(("cell", f"{anomaly.platform}/{anomaly.category}/{anomaly.district}"))
    chain |= {("platform", anomaly.platform), ("city", "all")}
    return frozenset(chain)


def read_decisions(warehouse: Warehouse) -> list[Decision]:
    """First decision at every grade of every flag but those of silence, and of certificates, which
    are facts that the platform tells."""
    parts: dict[Entity, set[Entity]] = defaultdict(set)
    sessions = (
        "SELECT session_id, merchant_pid, streamer_pid, mcn_pid,"
        " concat(platform_id, '/', category, '/', district) FROM v_sessions"
    )
    for session, merchant, streamer, mcn, cell in warehouse.rows(sessions):
        parts["session", session].add(("merchant", merchant))
        for whole in (("streamer", streamer), ("mcn", mcn), ("cell", cell)):
            parts[whole] |= {("session", session), ("merchant", merchant)}
    told = warehouse.rows(
        "SELECT flag_id, grade, min(toUnixTimestamp64Milli(event_time)),"
        " any(entity_type), any(entity), any(platform_id), any(category), any(rule)"
        " FROM v_flag_events WHERE rule NOT IN ('F10', 'F11') AND event IN ('opened', 'escalated')"
        " GROUP BY flag_id, grade"
    )
    return [_decision(parts, *row) for row in told]


def _decision(
    parts: Mapping[Entity, set[Entity]],
    flag: str,
    grade: str,
    at_ms: int,
    level: str,
    name: str,
    platform: str,
    category: str,
    rule: str,
) -> Decision:
    itself = (level, _id(level, name, platform))
    chain: set[Entity] = {itself, ("platform", platform), ("source", platform)}
    if category:
        chain.add(("category", f"{platform}/{category}"))
    chain |= parts.get(itself, set())
    return Decision(flag, grade, at_ms, itself, frozenset(chain), rule)


def _id(level: str, name: str, platform: str) -> str:
    """A category is one of a platform, however the flag names it."""
    return f"{platform}/{name}" if level == "category" and "/" not in name else name
