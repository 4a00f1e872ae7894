"""From a transition to a row of the flag table."""

from __future__ import annotations

from pipelines.core.flags import Entity, FlagEvent

from .episodes import RuleEvent
from .protocol import BIN_MS
from .sentences import explain


def rule_flag(event: RuleEvent, entity: Entity, now_ms: int, parent_id: str = "") -> FlagEvent:
    """`now_ms` is the clock at the decision."""
    rule = event.rule
    zh, en = explain(event, entity.labels())
    return FlagEvent(
        flag_id=f"{rule.id}:{entity.key}:{event.onset_ms}",
        event=event.change.value,
        grade=event.grade.name.lower(),
        rule=rule.id,
        entity_type=entity.type,
        entity=entity.id,
        platform_id=entity.platform_id,
        category=entity.category,
        parent_id=parent_id,
        onset=event.onset_ms,
        event_time=event.end_ms,
        decided_at=now_ms,
        observed=event.observed,
        expected=event.expected,
        exposure=event.exposure,
        window_s=rule.window_bins * BIN_MS // 1000,
        score=event.score,
        threshold=rule.threshold(event.grade),
        rule_version=rule.rule_version,
        sentence_zh=zh,
        sentence_en=en,
        baseline_version=rule.baseline,
        district=entity.district,
        evidence=event.evidence,
    )
