"""What people are to do about a flag, and where they read more of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from pipelines.core.ledger.lifecycle import Level

_APPEAL_ZH = "有异议的,可在确认后 5 个工作日内申诉。"
_APPEAL_EN = "The platform may appeal within 5 working days of that."
_OVER = (
    "情况已结束,无需新的处置;档案仍可查阅。",
    "It is over: nothing new need be done. The file can still be read.",
)
_ENDS = {
    "cleared": _OVER,
    "ended": _OVER,
    "overturned": (
        "申诉成立,该标记已撤销,不再计入统计,无需处置。",
        "The appeal succeeded: the flag is withdrawn and leaves the counts. Nothing need be done.",
    ),
    "corrected": (
        "平台已更正数据,该标记据此了结,无需处置。",
        "The platform has corrected its data, which settles the flag. Nothing need be done.",
    ),
}
_BY_LEVEL = {
    Level.NOTICE: (
        f"请平台核查并确认;逾期未确认的,升为预警。{_APPEAL_ZH}",
        "Platform: look into it and acknowledge; unacknowledged, it becomes a warning. "
        + _APPEAL_EN,
    ),
    Level.WARNING: (
        f"请平台立即核查并确认;请主管部门查看依据,跟进平台处理情况。{_APPEAL_ZH}",
        "Platform: look into it now and acknowledge. Authorities: read the evidence and follow "
        f"what the platform does. {_APPEAL_EN}",
    ),
    Level.ACTION: (
        "请依职责处置:查看依据,联系平台,必要时立案。系统只移送,不作处罚。",
        "Act within your remit: read the evidence, speak to the platform, open a case where one is "
        "called for. The software refers, and never penalises.",
    ),
}


@dataclass(frozen=True, slots=True)
class Message:
    """`address`: of the API as people reach it, without a slash at the end; empty: no links."""

    address: str = ""

    def of(self, flag_id: str, event: str, level: Level) -> dict[str, str]:
        """The level's name, what to do, and a link to the evidence, where there is something to
        tell."""
        zh, en = _ENDS.get(event) or _BY_LEVEL.get(level, ("", ""))
        if not en:
            return {}
        told = {"level_zh": level.zh, "action_zh": zh, "action_en": en}
        return told | ({"link": self.link(flag_id)} if self.address else {})

    def link(self, flag_id: str) -> str:
        """The page asks who it is, and shows what that role may see."""
        return f"{self.address}/v1/flags/{quote(flag_id, safe='')}/evidence?format=html"
