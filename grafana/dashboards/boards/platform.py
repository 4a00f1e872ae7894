"""Platform: one platform's business, complaints, flags and telemetry."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import complaints_sql, labels, panels, sessions_sql, telemetry_sql
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, Panel, row
from grafana.dashboards.text import Text, both, each

_LARGEST: Final = Text(
    "所选时段内最大的八个品类，每分钟。", "The eight largest categories of the range, per minute."
)
_SERIES: Final = (
    panels.lines(
        11,
        "sum(active_1m)",
        Text("在播场次（按品类）", "Active sessions by category"),
        Text("I01。", "I01.") + _LARGEST,
        "locale",
        by="category",
        largest="sum(active_1m)",
    ),
    panels.lines(
        12,
        "sum(orders_1m)",
        Text("每分钟订单（按品类）", "Orders per minute by category"),
        Text("I04。", "I04.") + _LARGEST,
        "locale",
        by="category",
        largest="sum(orders_1m)",
    ),
    panels.lines(
        13,
        "sum(paid_fen_5m) / 100",
        Text("成交额（5 分钟，按品类）", "GMV, 5 minutes, by category"),
        Text("I05，元。", "I05, yuan.") + _LARGEST,
        "currencyCNY",
        by="category",
        largest="sum(paid_fen_1m)",
    ),
    panels.lines(
        14,
        "10000 * (sum(complaints_60m) + 1) / (sum(orders_60m) + 1000)",
        Text("万单投诉（1 小时，按品类）", "Complaints/10k by category"),
        Text("I11，含平滑加数。", "I11, smoothed.") + _LARGEST,
        "none",
        by="category",
        largest="sum(complaints_1m)",
        decimals=1,
    ),
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
    Text("数据完整率", "Completeness"),
    Text(
        "I22：应到的场次分钟中实际收到的比例，已关闭的分钟。虚线为 99%。",
        "I22: share of the session-minutes due that arrived, closed minutes. Dashed: 99%.",
    ),
    "percentunit",
    both(telemetry_sql.COMPLETENESS),
    series="platform_id",
    steps=panels.COMPLETE_STEPS[2:],
    minimum=None,
    maximum=1,
)

DASHBOARD: Final = Dashboard(
    uid="platform",
    title=Text("平台", "Platform"),
    description=Text(
        "单个平台的运行、投诉、预警与数据质量。",
        "One platform's business, complaints, flags and data quality.",
    ),
    rows=(
        row(
            3, (3, panels.as_of(1)), *((3, p) for p in panels.figures(2)), (3, panels.open_flags(8))
        ),
        row(7, *((6, p) for p in _SERIES)),
        row(8, (24, panels.flag_table(21))),
        row(7, (12, SOURCES), (12, _COMPLETE)),
        row(9, (12, SESSIONS_NOW), (12, merchants(23, complaints_sql.ANY_FILED))),
    ),
    variables=panels.WHO,
    annotations=(panels.FLAG_MARKS, MARKS),
)
