"""Flag F11 as readers see it: the row of the flag table, with its sentences."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.core.detect.sentences import SHANGHAI
from pipelines.core.flags import Entity, FlagEvent
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.silence import Silence, SilencePolicy

RULE = "F11"
RULE_VERSION = "F11/1"
GRADE = "raised"


def gap_flag(one: Silence, platform: str, policy: SilencePolicy, now_ms: int) -> FlagEvent:
    """A platform fell silent, or is heard again. `now_ms` is the clock at the decision."""
    zh_at, en_at = _clock(one.onset)
    if one.opened:
        zh = (
            f"平台 {platform} 自 {zh_at} 起遥测中断：最近一分钟应有 {one.due:,} 场直播上报，"
            f"仅收到 {one.seen:,} 场;期间的数值未知（不是零），相关提示暂不生效。"
        )
        en = (
            f"Telemetry of platform {platform} has stopped since {en_at}: {one.seen:,} of "
            f"{one.due:,} live sessions due in the last minute were heard; meanwhile its figures "
            "are unknown, not zero, and flags that depend on them are muted."
        )
    else:
        zh = f"平台 {platform} 自 {zh_at} 起中断的遥测已恢复。"
        en = f"Telemetry of platform {platform}, missing since {en_at}, is back."
    missing = 1 - one.seen / one.due if one.due else 0.0
    entity = Entity("platform", platform, platform)
    return _flag(one, entity, (zh, en), now_ms, missing, 1 - policy.gap_share)


def frozen_flag(one: Silence, entity: Entity, now_ms: int) -> FlagEvent:
    """A session's numbers stand still, or move again."""
    zh_of, en_of = entity.labels()
    zh_at, en_at = _clock(one.onset)
    if one.opened:
        zh = (
            f"{zh_of} 自 {zh_at} 起连续 {one.seen} 分钟的观看、点击和互动数完全相同，"
            "数据疑似停滞，相关提示暂不生效。"
        )
        en = (
            f"{en_of} has reported the same viewers, clicks and interactions for {one.seen} "
            f"minutes, since {en_at}: its data seem frozen; flags that depend on them are muted."
        )
    else:
        zh = f"{zh_of} 自 {zh_at} 起停滞的数据已有变化或已停止上报。"
        en = f"The data of {en_of}, frozen since {en_at}, move again or have ended."
    return _flag(one, entity, (zh, en), now_ms, float(one.seen), float(one.due))


def _flag(
    one: Silence,
    entity: Entity,
    sentences: tuple[str, str],
    now_ms: int,
    score: float,
    threshold: float,
) -> FlagEvent:
    onset = one.onset * MINUTE_MS
    return FlagEvent(
        flag_id=f"{RULE}:{entity.key}:{onset}",
        event="opened" if one.opened else "cleared",
        grade=GRADE,
        rule=RULE,
        entity_type=entity.type,
        entity=entity.id,
        platform_id=entity.platform_id,
        category=entity.category,
        parent_id="",
        onset=onset,
        event_time=(one.minute + 1) * MINUTE_MS,
        decided_at=now_ms,
        observed=float(one.seen),
        expected=float(one.due),
        exposure=float(one.due),
        window_s=60 * (one.minute - one.onset + 1),
        score=score,
        threshold=threshold,
        rule_version=RULE_VERSION,
        sentence_zh=sentences[0],
        sentence_en=sentences[1],
        district=entity.district,
    )


def _clock(minute: int) -> tuple[str, str]:
    at = datetime.fromtimestamp(minute * 60, UTC).astimezone(SHANGHAI)
    return f"{at.month} 月 {at.day} 日 {at:%H:%M}", f"{at:%H:%M} on {at:%Y-%m-%d}"
