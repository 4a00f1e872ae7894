"""City overview: the operations room's screen."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import complaints_sql, labels, panels, sql, stats, telemetry_sql
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, row
from grafana.dashboards.text import Text, both, each
from schemas import codes

_STATS: Final = stats.figures(2)
_SERIES: Final = (
    panels.lines(
        11,
        sql.mean("active_1m"),
        Text("在播场次（按平台）", "Active sessions by platform"),
        Text("I01，按平台，每分钟。", "I01 by platform, per minute."),
        "locale",
    ),
    panels.lines(
        12,
        sql.mean("viewers_1m"),
        Text("在线观看人数（按平台）", "Viewers by platform"),
        Text("I02，按平台，每分钟。", "I02 by platform, per minute."),
        "locale",
    ),
    panels.lines(
        13,
        sql.mean("orders_known"),
        Text("每分钟订单（按平台）", "Orders per minute by platform"),
        Text("I04，按平台，一分钟窗口。", "I04 by platform, one-minute window."),
        "locale",
    ),
    panels.lines(
        14,
        f"{sql.mean('paid_fen_5m')} / 100",
        Text("成交额（5 分钟，按平台）", "GMV by platform, 5 minutes"),
        Text("I05，按平台，五分钟窗口，元。", "I05 by platform, five-minute window, yuan."),
        "currencyCNY",
    ),
    panels.lines(
        15,
        sql.mean("complaints_known"),
        Text("每分钟投诉（按平台）", "Complaints/min by platform"),
        Text("按平台，一分钟窗口，件。", "By platform, one-minute window."),
        "none",
    ),
    panels.lines(
        16,
        sql.COMPLAINT_RATE,
        Text("万单投诉（1 小时，按平台）", "Complaints/10k by platform, 1 h"),
        Text(
            "I11，按平台：10,000 ×（投诉 + 1）/（订单 + 1,000）。",
            "I11 by platform: 10,000 x (complaints + 1) / (orders + 1,000).",
        ),
        "none",
        decimals=1,
    ),
    panels.lines(
        17,
        "sum(paid_fen_60m) / nullIf(sum(orders_60m), 0) / 100",
        Text("客单价（1 小时，按平台）", "Order value by platform, 1 h"),
        Text("I06，按平台：成交额 / 订单数，元。", "I06 by platform: GMV / orders, yuan."),
        "currencyCNY",
        decimals=1,
        minimum=None,
    ),
    panels.lines(
        18,
        "1000000 * sum(orders_5m) / nullIf(sum(viewer_milliminutes_5m), 0)",
        Text("千观看分钟订单（按平台）", "Orders per 1k viewer-min"),
        Text(
            "I09，按平台，五分钟窗口：1,000 × 订单 / 观看人分钟。",
            "I09 by platform, five minutes: 1,000 x orders / viewer-minutes.",
        ),
        "none",
        decimals=2,
    ),
)

WORST: Final = panels.table(
    22,
    both(complaints_sql.WORST_CELLS),
    Text("投诉最多的单元", "Cells with most complaints"),
    Text(
        "所选时段内按平台 × 品类 × 区统计。万单投诉含平滑加数，单量小时仅供参考。",
        "Platform x category x district over the range. The rate is smoothed as in I11.",
    ),
    (
        labels.PLATFORM,
        labels.CATEGORY,
        labels.DISTRICT,
        labels.COMPLAINTS,
        labels.ORDERS,
        labels.RATE,
    ),
)
SOURCES: Final = panels.table(
    23,
    both(telemetry_sql.SOURCES),
    Text("各来源数据完整性", "Telemetry completeness by source"),
    Text(
        "按来源累计（时段末尾前一天内的检查点）。缺口为序号证明缺失的批次；"
        "水位落后五分钟以上为静默：未知不当作零。",
        "Running totals by source, from checkpoints of the day before the end of the range. Gaps "
        "are batches that sequence numbers prove missing; a source whose watermark is five "
        "minutes behind is silent: unknown, not zero.",
    ),
    (
        labels.PLATFORM,
        Field("source", Text("来源", "Source"), width=140),
        Field("status", Text("状态", "Status"), width=104, labels=labels.TELEMETRY, badge=True),
        Field("received", Text("到达率", "Received"), unit="percentunit", decimals=2),
        Field("gaps", Text("缺批", "Missing"), unit="locale", decimals=0),
        Field("rows", Text("行数", "Rows"), unit="locale", decimals=0),
        Field("late_rows", Text("迟到", "Late"), unit="locale", decimals=0),
        Field("refused", Text("拒收", "Refused"), unit="locale", decimals=0),
        Field("duplicates", Text("重复", "Repeats"), unit="locale", decimals=0),
        Field("complete_to", Text("完整至", "Complete to"), unit="dateTimeAsIso"),
    ),
)
_BARS: Final = (
    panels.bars(
        31,
        Text("各区成交额", "GMV by district"),
        Text("所选时段付款金额，元。", "Amount paid over the range, yuan."),
        "currencyCNY",
        each(
            lambda lang: sql.ranked(
                "district", "sum(paid_fen_1m) / 100", sql.named("district", codes.DISTRICTS, lang)
            )
        ),
    ),
    panels.bars(
        32,
        Text("各品类成交额", "GMV by category"),
        Text("所选时段付款金额，元。", "Amount paid over the range, yuan."),
        "currencyCNY",
        each(
            lambda lang: sql.ranked(
                "category", "sum(paid_fen_1m) / 100", sql.named("category", codes.CATEGORIES, lang)
            )
        ),
    ),
)
_HEAT: Final = panels.heat(
    33,
    Text("各品类投诉热度", "Complaints by category over time"),
    Text(
        "每格为一段时间内一个品类的投诉件数；无数据为空白，不当作零。",
        "Each cell: complaints of a category in a step of time; blank where nothing is known.",
    ),
    "none",
    each(
        lambda lang: sql.cells_heat(
            "category", "sum(complaints_1m)", sql.named("category", codes.CATEGORIES, lang)
        )
    ),
)

DASHBOARD: Final = Dashboard(
    uid="city-overview",
    title=Text("全市概览", "City overview"),
    description=Text(
        "直播电商运行监测：全市滚动指标、预警标记与数据完整性。",
        "Live commerce in the city: rolling indicators, flags and telemetry completeness.",
    ),
    rows=(
        row(2, (24, stats.status(9))),
        row(3, (3, stats.as_of(1)), *((3, p) for p in _STATS), (3, stats.open_flags(8))),
        row(6, *((6, p) for p in _SERIES[:4])),
        row(8, (24, panels.flag_table(21))),
        row(6, *((6, p) for p in _SERIES[4:])),
        row(9, (7, _BARS[0]), (7, _BARS[1]), (10, _HEAT)),
        row(9, (10, WORST), (14, SOURCES)),
    ),
    variables=panels.WHO,
    annotations=(panels.FLAG_MARKS, MARKS),
)
