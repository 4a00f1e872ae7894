"""Platform: one platform's business, complaints, flags and telemetry."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import (
    complaints_sql,
    indicators_sql,
    labels,
    panels,
    sessions_sql,
    stats,
    telemetry_sql,
)
from grafana.dashboards.category_lines import by_category
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, Panel, row
from grafana.dashboards.text import Text, both, each

_SERIES: Final = (
    by_category(11, "sessions"),
    by_category(12, "orders"),
    by_category(13, "gmv"),
    by_category(14, "complaints"),
)
SOURCES: Final = panels.states(
    22,
    Text("各来源状态", "State of each source"),
    Text(
        "绿：完整；橙：序号证明有批次缺失；红：水位落后五分钟以上，数值未知。空白为无检查点。",
        "Green: complete; orange: sequence numbers prove batches missing; red: the watermark is "
        "five minutes behind, figures unknown. Blank: no checkpoint.",
    ),
    both(telemetry_sql.STATES),
    labels.SOURCE_STATES,
    series="source",
)
SESSIONS_NOW: Final = panels.table(
    24,
    both(sessions_sql.NOW),
    Text("观看最多的在播场次", "Most watched sessions"),
    Text(
        "最近一个已关闭的分钟；订单、成交额与投诉为此前一小时。点编号查看证据。",
        "At the latest closed minute; orders, GMV and complaints of the hour before it. The id "
        "leads to the evidence.",
    ),
    (
        labels.SESSION,
        labels.PLATFORM,
        labels.CATEGORY,
        labels.DISTRICT,
        labels.VIEWERS,
        labels.ORDERS,
        labels.GMV,
        labels.COMPLAINTS,
    ),
)


def merchants(panel_id: int, filed: str) -> Panel:
    return panels.table(
        panel_id,
        each(lambda lang: complaints_sql.by_merchant(lang, filed)),
        Text("投诉最多的商家", "Merchants with most complaints"),
        Text(
            "所选时段内原始投诉记录；“主要事由”为件数最多的投诉码。商家为平台侧假名。",
            "Complaints filed in the range; the main cause is the code with the most. A merchant "
            "is a pseudonym made at the platform.",
        ),
        (
            Field("platform_id", Text("平台", "Platform"), width=84, link=labels.TO_PLATFORM),
            labels.MERCHANT,
            labels.CATEGORY,
            labels.COMPLAINTS,
            Field("codes", Text("事由数", "Causes"), unit="none", decimals=0, hidden=True),
            Field("most", Text("主要事由", "Main cause"), width=120),
            Field("last_filed", Text("最近一件", "Latest"), unit="dateTimeAsIso", width=104),
            labels.SESSION,
        ),
    )


_COMPLETE: Final = panels.chart(
    25,
    Text("数据完整率（按平台）", "Completeness by platform"),
    Text(
        "I22：应到的场次分钟中实际收到的比例，已关闭的分钟。虚线为 99%。",
        "I22: share of the session-minutes due that arrived, closed minutes. Dashed: 99%.",
    ),
    "percentunit",
    both(telemetry_sql.COMPLETENESS),
    series="platform_id",
    steps=stats.COMPLETE_STEPS[2:],
    minimum=None,
    maximum=1,
)

_CARE: Final = (
    panels.chart(
        31,
        Text("审核覆盖率", "Review coverage"),
        Text(
            "I15：五分钟内有实时审核的在播场次比例；在播不足五场为未知。",
            "I15: share of live sessions with a review in five minutes; unknown under five.",
        ),
        "percentunit",
        both(indicators_sql.by_platform("I15", "5m", scale=100)),
        series="platform_id",
        decimals=1,
        maximum=1,
        interval="5m",
    ),
    panels.chart(
        32,
        Text("审核时延 95 分位", "Review latency p95"),
        Text(
            "I16：从画面出现到审核结果的 95 分位，本钟点；审核不足 20 次为未知。",
            "I16: from what was shown to the outcome, 95th percentile of the clock hour; unknown "
            "under 20 reviews.",
        ),
        "s",
        both(indicators_sql.by_platform("I16", "1h", "p95")),
        series="platform_id",
        decimals=1,
        interval="5m",
    ),
    panels.chart(
        33,
        Text("48 小时发货率", "Shipped within 48 h"),
        Text(
            "I18：满 48 小时的订单中按时发货的比例，七天；不足 20 单为未知。",
            "I18: of the orders whose 48 h ended, those shipped in time, seven days; unknown "
            "under 20.",
        ),
        "percentunit",
        both(indicators_sql.by_platform("I18", "7d", scale=100)),
        series="platform_id",
        decimals=1,
        maximum=1,
        interval="5m",
    ),
)
INDICATORS: Final = panels.table(
    34,
    each(indicators_sql.newest),
    Text("长窗口指标", "Indicators of long windows"),
    Text(
        "各指标在所选时段内最近一次的数值（定义见 docs/indicators.md）；量不足为未知，不当作零。",
        "Each indicator as last told in the range (docs/indicators.md says what it is); unknown, "
        "never zero, where the volume is too small.",
    ),
    (
        labels.PLATFORM,
        Field("indicator", Text("编号", "Id"), width=64),
        Field("name", Text("指标", "Indicator"), width=190),
        Field("part_name", Text("分项", "Part"), width=120, labels=labels.PARTS),
        Field("window", Text("窗口", "Window"), width=84, labels=labels.WINDOWS),
        Field("value", Text("数值", "Value"), unit="none", width=100),
        Field("unit", Text("单位", "Unit"), width=130),
        Field("volume", Text("样本量", "Volume"), unit="locale", decimals=0, width=90),
        Field("told_at", Text("时间", "As of"), unit="dateTimeAsIso", width=104),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="platform",
    title=Text("平台", "Platform"),
    description=Text(
        "单个平台的运行、投诉、预警与数据质量。",
        "One platform's business, complaints, flags and data quality.",
    ),
    rows=(
        row(3, (3, stats.as_of(1)), *((3, p) for p in stats.figures(2)), (3, stats.open_flags(8))),
        row(7, *((6, p) for p in _SERIES)),
        row(8, (24, panels.flag_table(21))),
        row(7, (12, SOURCES), (12, _COMPLETE)),
        row(7, *((8, p) for p in _CARE)),
        row(9, (24, INDICATORS)),
        row(9, (12, SESSIONS_NOW), (12, merchants(23, complaints_sql.ANY_FILED))),
    ),
    variables=panels.WHO,
    annotations=(panels.FLAG_MARKS, MARKS),
)
