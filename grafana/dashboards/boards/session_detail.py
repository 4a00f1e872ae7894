"""Session detail: the evidence of one live session, down to the batches that brought it."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import indicators_sql, labels, panels, sessions_sql
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, Variable, row
from grafana.dashboards.text import Text, both, each
from schemas import codes

_SUMMARY: Final = both(sessions_sql.SUMMARY)
_STATS: Final = (
    panels.number(
        1,
        "peak_viewers",
        Text("峰值观看", "Peak viewers"),
        Text("I03：所选时段内的最大观看人数。", "I03: the highest viewer count of the range."),
        "locale",
        _SUMMARY,
    ),
    panels.number(
        2,
        "unique_viewers",
        Text("累计观众", "Unique viewers"),
        Text("自开播以来的独立观众数。", "Unique viewers since the session began."),
        "locale",
        _SUMMARY,
    ),
    panels.number(
        3,
        "orders",
        Text("订单", "Orders"),
        Text("所选时段付款订单数。", "Orders paid over the range."),
        "locale",
        _SUMMARY,
    ),
    panels.number(
        4,
        "gmv_yuan",
        Text("成交额", "GMV"),
        Text("所选时段付款金额，元。", "Amount paid over the range, yuan."),
        "currencyCNY",
        _SUMMARY,
    ),
    panels.number(
        5,
        "conversion",
        Text("转化率", "Conversion"),
        Text("I07：订单 / 独立观众。", "I07: orders / unique viewers."),
        "percentunit",
        _SUMMARY,
        decimals=2,
    ),
    panels.number(
        6,
        "refund_share",
        Text("退款比例", "Refund share"),
        Text(
            "所选时段退款订单 / 付款订单；不按订单批次归属。",
            "Refunded / paid orders of the range, not by order cohort.",
        ),
        "percentunit",
        _SUMMARY,
        decimals=1,
    ),
    panels.number(
        7,
        "complaints",
        Text("投诉", "Complaints"),
        Text("所选时段投诉件数。", "Complaints filed over the range."),
        "locale",
        _SUMMARY,
    ),
)
DIMENSIONS: Final = panels.table(
    11,
    both(sessions_sql.DIMENSIONS),
    Text("场次信息", "The session"),
    Text(
        "平台最近一次申报的维度；人与商家均为平台侧假名。",
        "Its dimensions as the platform last told them; people and merchants are pseudonyms.",
    ),
    (
        Field("platform_id", Text("平台", "Platform"), link=labels.TO_PLATFORM),
        labels.CATEGORY,
        labels.DISTRICT,
        labels.SCENARIO,
        Field("base_id", Text("基地", "Base")),
        labels.MERCHANT,
        Field("streamer_pid", Text("主播", "Streamer"), width=110),
        Field("mcn_pid", Text("机构", "Agency"), width=110),
        Field("room_pid", Text("直播间", "Room"), width=110),
        Field("first_seen", Text("首次数据", "First seen"), unit="dateTimeAsIso", width=110),
    ),
)
_VIEWERS: Final = panels.chart(
    12,
    Text("观看人数", "Viewers"),
    Text(
        "原始样本：在线人数的均值，与累计独立观众。未知处断开，不落到零。",
        "Raw samples: mean viewers, and unique viewers so far. Broken where unknown, never zero.",
    ),
    "locale",
    both(sessions_sql.SAMPLES),
    fields=(
        Field("value", Text("在线", "Viewers")),
        Field("unique_so_far", Text("累计", "Unique so far")),
    ),
)
_REACTIONS: Final = panels.chart(
    13,
    Text("点击与互动", "Clicks and interactions"),
    Text("原始样本，每段时间合计。", "Raw samples, summed over each step."),
    "locale",
    both(sessions_sql.REACTIONS),
    fields=(
        Field("product_clicks", Text("商品点击", "Product clicks")),
        Field("all_interactions", Text("互动", "Interactions")),
    ),
)
_SALES: Final = panels.chart(
    14,
    Text("订单与退款", "Orders and refunds"),
    Text("原始样本，每段时间合计。", "Raw samples, summed over each step."),
    "locale",
    both(sessions_sql.SALES),
    fields=(
        Field("paid_orders", Text("付款订单", "Paid orders")),
        Field("refunded_orders", Text("退款订单", "Refunded orders")),
    ),
)
_MONEY: Final = panels.chart(
    15,
    Text("成交与退款金额", "Paid and refunded"),
    Text("原始样本，每段时间合计，元。", "Raw samples, summed over each step, yuan."),
    "currencyCNY",
    both(sessions_sql.MONEY),
    fields=(
        Field("paid_yuan", Text("付款", "Paid")),
        Field("refunded_yuan", Text("退款", "Refunded")),
    ),
)
_HEARD: Final = panels.states(
    16,
    Text("样本到达", "Samples received"),
    Text(
        "绿：按时；橙：迟到（只进入结算数）；红：观看人数未知。空白：没有样本。",
        "Green: on time; orange: late (in settled figures only); red: viewers unknown. Blank: no "
        "sample.",
    ),
    each(sessions_sql.heard),
    labels.SAMPLE_STATES,
    series="name",
)
_REVIEWS: Final = panels.chart(
    19,
    Text("实时审核", "Real-time reviews"),
    Text(
        "每段时间的审核次数，按结果叠加；没有审核的时段空白。",
        "Reviews in each step of time by what they led to, stacked; blank where there was none.",
    ),
    "locale",
    each(indicators_sql.of_session),
    series="name",
    bars=True,
)
FLAGS: Final = panels.table(
    17,
    Text(sessions_sql.session_flags("sentence_zh"), sessions_sql.session_flags("sentence_en")),
    Text("相关标记", "Flags of the session, its merchant and its streamer"),
    Text(
        "该场次、其商家与主播的预警标记；不代表违法认定。",
        "A flag is a hint, never a finding of wrongdoing.",
    ),
    tuple(f for f in labels.FLAG_FIELDS if f.name != "platform_id"),
)
EVIDENCE: Final = panels.table(
    18,
    both(sessions_sql.EVIDENCE),
    Text("投诉记录（证据）", "Complaints, row by row (evidence)"),
    Text(
        "每行可追溯到 Kafka 中的批次：来源、纪元、分区、批号、行号；重发不改变身份。",
        "Each row can be traced to its batch in Kafka by source, epoch, partition, sequence and "
        "row; a resend does not change its identity.",
    ),
    (
        Field("event_time", Text("时间", "Time"), unit="dateTimeAsIso", width=104),
        Field("code", Text("事由", "Code"), width=130, labels=labels.code_labels(codes.COMPLAINTS)),
        Field(
            "channel", Text("渠道", "Channel"), width=110, labels=labels.code_labels(codes.CHANNELS)
        ),
        Field("complaints", Text("件数", "Count"), unit="none", decimals=0, width=64),
        Field("late", Text("迟到", "Late"), unit="none", labels=labels.YES_NO, width=64),
        Field("source", Text("来源", "Source"), width=110),
        Field("epoch", Text("纪元", "Epoch"), unit="string"),
        Field("kafka_partition", Text("分区", "Partition"), unit="string"),
        Field("sequence", Text("批号", "Sequence"), unit="string"),
        Field("row", Text("行号", "Row"), unit="string"),
        Field("kafka_offset", Text("位点", "Offset"), unit="string"),
        Field("broker_time", Text("到达", "Received"), unit="dateTimeAsIso", width=104),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="session-detail",
    title=Text("场次证据", "Session detail"),
    description=Text(
        "单个直播场次的原始样本、相关预警与可追溯的投诉记录。",
        "One live session: raw samples, flags that concern it, and complaints that can be traced.",
    ),
    rows=(
        row(
            3,
            *((3, p) for p in _STATS[:2]),
            (3, _STATS[2]),
            (4, _STATS[3]),
            (4, _STATS[4]),
            (4, _STATS[5]),
            (3, _STATS[6]),
        ),
        row(3, (24, DIMENSIONS)),
        row(7, (12, _VIEWERS), (12, _REACTIONS)),
        row(7, (12, _SALES), (12, _MONEY)),
        row(5, (12, _HEARD), (12, _REVIEWS)),
        row(5, (24, FLAGS)),
        row(8, (24, EVIDENCE)),
    ),
    variables=(
        panels.SOURCE,
        Variable(
            "session", Text("场次", "Session"), "query", query=sessions_sql.CHOICES, all=False
        ),
    ),
    annotations=(MARKS,),
)
