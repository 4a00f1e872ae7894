"""From an episode's transition to a row of the flag table, with its sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.core.detect import EpisodeEvent, explain
from pipelines.core.kin import same_event
from schemas import codes

RULE = "F01"
RULE_VERSION = "F01/1"
BASELINE_VERSION = "shrunk-prior/1"


@dataclass(frozen=True, slots=True)
class Entity:
    """Whom a flag is about. `id` is unique within `type` and `platform_id`."""

    type: str
    id: str
    platform_id: str
    category: str = ""
    district: str = ""
    """Code of the district; empty where it is not known, there is none, or several."""

    @property
    def key(self) -> str:
        return f"{self.type}/{self.platform_id}/{self.id}"

    def labels(self) -> tuple[str, str]:
        """(Chinese, English), as they stand at the head of the sentence."""
        zh_of = {"session": "直播场次", "merchant": "商家", "streamer": "主播"}
        en_of = {"session": "live session", "merchant": "merchant", "streamer": "streamer"}
        goods_zh = codes.CATEGORIES.zh(self.category) if self.category else ""
        goods_en = codes.CATEGORIES.en(self.category) if self.category else ""
        if self.type in zh_of:
            zh = f"平台 {self.platform_id} {goods_zh}类{zh_of[self.type]} {self.id[:8]}"
            return zh, f"{goods_en} {en_of[self.type]} {self.id[:8]} on platform {self.platform_id}"
        if self.type == "category":
            zh, en = f"{goods_zh}品类", f"{goods_en} as a whole"
            return f"平台 {self.platform_id} {zh}", f"{en} on platform {self.platform_id}"
        return self._wide_labels(goods_zh, goods_en)

    def _wide_labels(self, goods_zh: str, goods_en: str) -> tuple[str, str]:
        """Of what is wider than a merchant and not a category."""
        if self.type == "mcn":
            return f"平台 {self.platform_id} MCN 机构 {self.id[:8]}", (
                f"agency (MCN) {self.id[:8]} on platform {self.platform_id}"
            )
        if self.type == "cell":
            district = self.id.rpartition("/")[2]
            zh, en = codes.DISTRICTS.zh(district), codes.DISTRICTS.en(district)
            return f"平台 {self.platform_id} {zh}{goods_zh}品类", (
                f"{goods_en} in {en} on platform {self.platform_id}"
            )
        if self.type == "city":
            return "全市各平台整体", "The city as a whole"
        return f"平台 {self.platform_id} 整体", f"Platform {self.platform_id} as a whole"


@dataclass(frozen=True, slots=True)
class FlagEvent:
    """One event of a flag's life: the row that readers see. Times are ms since the epoch."""

    flag_id: str
    event: str
    grade: str
    rule: str
    entity_type: str
    entity: str
    platform_id: str
    category: str
    parent_id: str
    onset: int
    event_time: int
    decided_at: int
    observed: float
    expected: float
    exposure: float
    window_s: int
    score: float
    threshold: float
    rule_version: str
    sentence_zh: str
    sentence_en: str
    district: str = ""
    evidence: str = ""
    """What the statistic was computed from, as JSON; empty where a rule stores nothing."""
    baseline_version: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def flag_event(event: EpisodeEvent, entity: Entity, event_ms: int, decided_ms: int) -> FlagEvent:
    """`event_ms` is the event time of the decision, `decided_ms` the clock's."""
    same = same_event(entity.type, event.parent_id or "")
    zh, en = explain(event, *entity.labels(), now_ms=event_ms, same_event=same)
    return FlagEvent(
        flag_id=event.identity(entity.key, RULE),
        event=event.kind.value,
        grade=event.grade.name.lower(),
        rule=RULE,
        entity_type=entity.type,
        entity=entity.id,
        platform_id=entity.platform_id,
        category=entity.category,
        parent_id=event.parent_id or "",
        onset=event.onset_ms,
        event_time=event_ms,
        decided_at=decided_ms,
        observed=event.observed,
        expected=event.expected,
        exposure=event.exposure,
        window_s=event.window_bins * event.bin_ms // 1000,
        score=event.score,
        threshold=event.threshold,
        rule_version=RULE_VERSION,
        sentence_zh=zh,
        sentence_en=en,
        district=entity.district,
        evidence=event.evidence,
        baseline_version=BASELINE_VERSION,
    )
