"""Names and colours of the codes that tables show, taken from the project's code lists.

Colours are from the palette of Okabe and Ito (2008), which people with the common kinds of
colour blindness tell apart; each also has a shape in its text.
"""

from __future__ import annotations

from typing import Final

from grafana.dashboards.model import Field, Label, Text
from schemas import codes

VERMILLION: Final = "#D55E00"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
GREY: Final = "#8A94A6"

GRADES: Final = (
    Label("critical", Text("▲ 严重", "▲ Critical"), VERMILLION),
    Label("raised", Text("◆ 升高", "◆ Raised"), ORANGE),
    Label("watch", Text("● 关注", "● Watch"), SKY),
)
STATES: Final = (
    Label("open", Text("进行中", "Open")),
    Label("cleared", Text("已解除", "Cleared")),
    Label("ended", Text("随场次结束", "Ended with it")),
)
ENTITY_TYPES: Final = (
    Label("session", Text("场次", "Session")),
    Label("merchant", Text("商家", "Merchant")),
    Label("streamer", Text("主播", "Streamer")),
    Label("category", Text("品类", "Category")),
    Label("platform", Text("平台", "Platform")),
)
TELEMETRY: Final = (
    Label("complete", Text("● 完整", "● Complete"), GREEN),
    Label("gaps", Text("◆ 有缺口", "◆ Gaps"), ORANGE),
    Label("silent", Text("▲ 静默", "▲ Silent"), VERMILLION),
)


def code_labels(code_list: codes.CodeList) -> tuple[Label, ...]:
    return tuple(Label(code, Text(zh, en)) for code, (zh, en) in code_list.names.items())


def code_options(code_list: codes.CodeList) -> tuple[tuple[str, Text], ...]:
    return tuple((code, Text(zh, en)) for code, (zh, en) in code_list.names.items())


PLATFORM: Final = Field("platform_id", Text("平台", "Platform"), width=110)
CATEGORY: Final = Field(
    "category", Text("品类", "Category"), width=130, labels=code_labels(codes.CATEGORIES)
)
DISTRICT: Final = Field(
    "district", Text("区", "District"), width=110, labels=code_labels(codes.DISTRICTS)
)
