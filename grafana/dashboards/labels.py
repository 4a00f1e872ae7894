"""Names and colours of the codes that tables show, taken from the project's code lists.

Colours are from the palette of Okabe and Ito (2008), which people with the common kinds of
colour blindness tell apart; each also has a shape in its text.
"""

from __future__ import annotations

from typing import Final

from grafana.dashboards.model import Field, Label, Link
from grafana.dashboards.text import Text
from schemas import codes

VERMILLION: Final = "#D55E00"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
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
    Label("mcn", Text("机构", "Agency")),
    Label("cell", Text("单元", "Cell")),
    Label("city", Text("全市", "City")),
)
TELEMETRY: Final = (
    Label("complete", Text("● 完整", "● Complete"), GREEN),
    Label("gaps", Text("◆ 有缺口", "◆ Gaps"), ORANGE),
    Label("silent", Text("▲ 静默", "▲ Silent"), VERMILLION),
)


#: Patterns of the words that say whether all is well: they keep their words and get a colour.
STATUS: Final = (
    Label("/^▲/", Text("", ""), VERMILLION),
    Label("/^◆/", Text("", ""), ORANGE),
    Label("/^●/", Text("", ""), GREEN),
    Label("/^○/", Text("", ""), GREY),
)

#: States of a timeline; the number is what the query gives.
SOURCE_STATES: Final = (
    Label("0", Text("● 完整", "● Complete"), GREEN),
    Label("1", Text("◆ 有缺口", "◆ Gaps"), ORANGE),
    Label("2", Text("▲ 静默", "▲ Silent"), VERMILLION),
)
SAMPLE_STATES: Final = (
    Label("0", Text("● 按时", "● On time"), GREEN),
    Label("1", Text("◆ 迟到", "◆ Late"), ORANGE),
    Label("2", Text("▲ 数值未知", "▲ Value unknown"), VERMILLION),
)
COURSE: Final = (
    Label("1", Text("● 关注", "● Watch"), SKY),
    Label("2", Text("◆ 升高", "◆ Raised"), ORANGE),
    Label("3", Text("▲ 严重", "▲ Critical"), VERMILLION),
)
#: Where a flag's file stands, and the levels of DOMAIN section 6.
FILE_STATES: Final = (
    Label("OPEN", Text("待确认", "Open")),
    Label("ACKED", Text("已确认", "Acknowledged")),
    Label("APPEALED", Text("申诉中", "Appealed")),
    Label("UPHELD", Text("维持", "Upheld")),
    Label("OVERTURNED", Text("撤销", "Overturned")),
    Label("CORRECTED", Text("更正", "Corrected")),
    Label("CLEARED", Text("已结案", "Cleared")),
)
LEVELS: Final = (
    Label("notice", Text("● 提示", "● Notice"), SKY),
    Label("warning", Text("◆ 预警", "◆ Warning"), ORANGE),
    Label("action", Text("▲ 处置", "▲ Action"), VERMILLION),
)
#: Flags of DOMAIN section 6.
RULES: Final = {
    "F01": ("投诉激增", "Complaint spike"),
    "F02": ("安全类聚集", "Safety cluster"),
    "F03": ("转化异常", "Conversion outlier"),
    "F04": ("观看骤增无互动", "Viewers without interaction"),
    "F05": ("退款激增", "Refund surge"),
    "F06": ("品类偏移", "Category shift"),
    "F07": ("无观看订单", "Orders without viewers"),
    "F08": ("场外交易聚集", "Off-platform cluster"),
    "F09": ("审核缺口", "Review gap"),
    "F10": ("主播未认证", "Uncertified streamer"),
    "F11": ("数据缺口", "Telemetry gap"),
    "F12": ("重复发生", "Repeat offence"),
}
#: Windows of the long indicators, and the parts that are no scenario.
WINDOWS: Final = (
    Label("session", Text("整场", "session")),
    Label("5m", Text("5 分钟", "5 min")),
    Label("15m", Text("15 分钟", "15 min")),
    Label("1h", Text("1 小时", "1 h")),
    Label("24h", Text("24 小时", "24 h")),
    Label("1d", Text("1 天", "1 day")),
    Label("7d", Text("7 天", "7 days")),
    Label("30d", Text("30 天", "30 days")),
)
PARTS: Final = (
    Label("p50", Text("中位数", "median")),
    Label("p90", Text("90 分位", "p90")),
    Label("p95", Text("95 分位", "p95")),
    Label("p99", Text("99 分位", "p99")),
)
YES_NO: Final = (Label("1", Text("是", "Yes")), Label("0", Text("否", "No")))


def code_labels(code_list: codes.CodeList) -> tuple[Label, ...]:
    return tuple(Label(code, Text(zh, en)) for code, (zh, en) in code_list.names.items())


def code_options(code_list: codes.CodeList) -> tuple[tuple[str, Text], ...]:
    return tuple((code, Text(zh, en)) for code, (zh, en) in code_list.names.items())


TO_PLATFORM: Final = Link(
    Text("查看该平台", "Open this platform"), "platform", (("platform", "${__value.raw}"),)
)
TO_SESSION: Final = Link(
    Text("查看场次证据", "Open the session's evidence"),
    "session-detail",
    (("session", "${__data.fields.session_id}"),),
)
TO_CATEGORY: Final = Link(
    Text("查看该品类", "Open this category"),
    "category-scenario",
    (("category", "${__value.raw}"),),
)
TO_DISTRICT: Final = Link(
    Text("查看该区", "Open this district"), "district-base", (("district", "${__value.raw}"),)
)
#: An entity's flag leads to its evidence; the page of sessions knows merchants, too.
TO_FLAGS: Final = Link(
    Text("查看该平台的标记", "Open the platform's flags"),
    "flags-appeals",
    (("platform", "${__data.fields.platform_id}"),),
)

PLATFORM: Final = Field("platform_id", Text("平台", "Platform"), width=110, link=TO_PLATFORM)
CATEGORY: Final = Field(
    "category",
    Text("品类", "Category"),
    width=130,
    labels=code_labels(codes.CATEGORIES),
    link=TO_CATEGORY,
)
DISTRICT: Final = Field(
    "district",
    Text("区", "District"),
    width=110,
    labels=code_labels(codes.DISTRICTS),
    link=TO_DISTRICT,
)
SCENARIO: Final = Field(
    "scenario", Text("场景", "Scenario"), width=120, labels=code_labels(codes.SCENARIOS)
)
SESSION: Final = Field("session_id", Text("场次", "Session"), width=110, link=TO_SESSION)
MERCHANT: Final = Field("merchant_pid", Text("商家", "Merchant"), width=110)
COMPLAINTS: Final = Field(
    "complaints", Text("投诉", "Complaints"), unit="locale", decimals=0, width=84
)
ORDERS: Final = Field("orders", Text("订单", "Orders"), unit="locale", decimals=0, width=90)
GMV: Final = Field("gmv_yuan", Text("成交额", "GMV"), unit="currencyCNY", decimals=0, width=110)
RATE: Final = Field("per_10000", Text("万单投诉", "Per 10,000"), unit="none", decimals=1, width=92)
VIEWERS: Final = Field("viewers", Text("观看", "Viewers"), unit="locale", decimals=0, width=90)
FLAG_FIELDS: Final = (
    Field("grade", Text("等级", "Grade"), width=96, labels=GRADES, badge=True),
    Field("state", Text("状态", "State"), width=76, labels=STATES),
    Field("onset", Text("开始", "Onset"), unit="dateTimeAsIso", width=104),
    Field("platform_id", Text("平台", "Platform"), width=84, link=TO_PLATFORM),
    Field("entity_type", Text("对象", "Level"), width=76, labels=ENTITY_TYPES),
    Field("entity", Text("编号", "Entity"), width=112, link=TO_FLAGS),
    Field("observed", Text("实际", "Observed"), unit="none", decimals=0, width=76),
    Field("expected", Text("预期", "Expected"), unit="none", decimals=2, width=76),
    Field("sentence", Text("说明", "What happened"), wrap=True),
    Field("flag_id", Text("标记编号", "Flag id"), hidden=True),
)
