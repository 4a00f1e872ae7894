"""City overview: the operations room's screen."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import fragments, labels
from grafana.dashboards.model import Dashboard, Field, Grid, Panel, Step, Text, Variable, both
from grafana.dashboards.panels import city_stat, platform_series, stat_options, table
from schemas import codes

_CLOSED: Final = Text(
    "取最近一个已关闭的分钟；尚无已关闭的分钟时显示暂定值并注明。",
    "From the latest closed minute; before any has closed, the provisional figure, marked as such.",
)


def _closed(zh: str, en: str) -> Text:
    return Text(zh + _CLOSED.zh, f"{en} {_CLOSED.en}")


_DASH: Final = Text("虚线为暂定值。", "Dashed: provisional.")


def _dash(zh: str, en: str) -> Text:
    return Text(zh + _DASH.zh, f"{en} {_DASH.en}")


STATS: Final = (
    Panel(
        id=1,
        kind="stat",
        grid=Grid(0, 0, 3, 3),
        format="table",
        unit="dateTimeAsIso",
        title=Text("数据截至", "Figures as of"),
        description=Text(
            "已关闭到哪一分钟（北京时间，分钟起点）。之后的分钟仍在接收数据，其数值为暂定。",
            "The latest closed minute (its start, Asia/Shanghai). Minutes after it are still "
            "filling, and their figures are provisional.",
        ),
        sql=both(fragments.AS_OF),
        options=stat_options("/^closed_minute$/", graph=False),
    ),
    city_stat(
        2,
        "sessions",
        Text("在播场次", "Active sessions"),
        _closed("I01：一分钟内有数据的直播场次数。", "I01: sessions with a sample in one minute."),
        "locale",
        Grid(3, 0, 3, 3),
    ),
    city_stat(
        3,
        "viewers",
        Text("在线观看人数", "Viewers now"),
        _closed("I02：各场次最新观看人数之和。", "I02: the sum of the latest viewer counts."),
        "locale",
        Grid(6, 0, 3, 3),
    ),
    city_stat(
        4,
        "orders_per_min",
        Text("每分钟订单", "Orders / min"),
        _closed("I04：一分钟内付款订单数。", "I04: orders paid in one minute."),
        "locale",
        Grid(9, 0, 3, 3),
    ),
    city_stat(
        5,
        "gmv_yuan",
        Text("成交额（5 分钟）", "GMV, 5 minutes"),
        _closed(
            "I05：最近五分钟付款金额，元。", "I05: amount paid in the last five minutes, yuan."
        ),
        "currencyCNY",
        Grid(12, 0, 3, 3),
    ),
    city_stat(
        6,
        "complaints_per_10000",
        Text("万单投诉（1 小时）", "Complaints/10k"),
        _closed(
            "I11：10,000 ×（投诉 + 1）/（订单 + 1,000），最近一小时；加数使单量小时不致失真。",
            "I11: 10,000 x (complaints + 1) / (orders + 1,000) over one hour; the added terms keep "
            "it steady where orders are few.",
        ),
        "none",
        Grid(15, 0, 3, 3),
        decimals=1,
    ),
    city_stat(
        7,
        "completeness",
        Text("数据完整率", "Completeness"),
        _closed(
            "I22：最近五分钟应到的场次分钟中实际收到的比例。",
            "I22: share of the session-minutes due in five minutes that arrived.",
        ),
        "percentunit",
        Grid(18, 0, 3, 3),
        decimals=1,
        steps=(
            Step(None, labels.VERMILLION),
            Step(0.95, labels.ORANGE),
            Step(0.99, labels.GREEN),
        ),
    ),
    Panel(
        id=8,
        kind="stat",
        grid=Grid(21, 0, 3, 3),
        format="table",
        unit="locale",
        title=Text("进行中的预警", "Open flags"),
        description=Text(
            "到所选时段末尾仍未解除的预警标记，按等级。",
            "Flags not cleared by the end of the range, by grade.",
        ),
        sql=both(fragments.OPEN_FLAGS),
        options=stat_options("", graph=False),
        fields=tuple(Field(g.code, g.text) for g in labels.GRADES),
        overrides=tuple(
            {
                "matcher": {"id": "byName", "options": g.code},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": g.color}}],
            }
            for g in labels.GRADES
        ),
    ),
)

SERIES: Final = (
    platform_series(
        11,
        "sum(active_1m)",
        Text("在播场次", "Active sessions"),
        _dash("I01，按平台，每分钟。", "I01 by platform, per minute."),
        "locale",
        Grid(0, 3, 6, 6),
    ),
    platform_series(
        12,
        "sum(viewers_1m)",
        Text("在线观看人数", "Viewers"),
        _dash("I02，按平台，每分钟。", "I02 by platform, per minute."),
        "locale",
        Grid(6, 3, 6, 6),
    ),
    platform_series(
        13,
        "sum(orders_1m)",
        Text("每分钟订单", "Orders per minute"),
        _dash("I04，按平台，一分钟窗口。", "I04 by platform, one-minute window."),
        "locale",
        Grid(12, 3, 6, 6),
    ),
    platform_series(
        14,
        "sum(paid_fen_5m) / 100",
        Text("成交额（5 分钟）", "GMV, 5 minutes"),
        _dash("I05，按平台，五分钟窗口，元。", "I05 by platform, five-minute window, yuan."),
        "currencyCNY",
        Grid(18, 3, 6, 6),
    ),
    platform_series(
        15,
        "sum(complaints_1m)",
        Text("每分钟投诉", "Complaints per minute"),
        _dash("按平台，一分钟窗口，件。", "By platform, one-minute window."),
        "none",
        Grid(0, 17, 6, 6),
    ),
    platform_series(
        16,
        "10000 * (sum(complaints_60m) + 1) / (sum(orders_60m) + 1000)",
        Text("万单投诉（1 小时）", "Complaints / 10k orders, 1 h"),
        _dash(
            "I11，按平台：10,000 ×（投诉 + 1）/（订单 + 1,000）。",
            "I11 by platform: 10,000 x (complaints + 1) / (orders + 1,000).",
        ),
        "none",
        Grid(6, 17, 6, 6),
        decimals=1,
    ),
    platform_series(
        17,
        "sum(paid_fen_60m) / nullIf(sum(orders_60m), 0) / 100",
        Text("客单价（1 小时）", "Order value, 1 h"),
        _dash("I06，按平台：成交额 / 订单数，元。", "I06 by platform: GMV / orders, yuan."),
        "currencyCNY",
        Grid(12, 17, 6, 6),
        decimals=1,
        minimum=None,
    ),
    platform_series(
        18,
        "1000000 * sum(orders_5m) / nullIf(sum(viewer_milliminutes_5m), 0)",
        Text("千观看分钟订单", "Orders / 1k viewer-min"),
        _dash(
            "I09，按平台，五分钟窗口：1,000 × 订单 / 观看人分钟。",
            "I09 by platform, five minutes: 1,000 x orders / viewer-minutes.",
        ),
        "none",
        Grid(18, 17, 6, 6),
        decimals=2,
    ),
)

FLAGS: Final = table(
    21,
    Text(fragments.flags("sentence_zh"), fragments.flags("sentence_en")),
    Text("预警标记", "Flags"),
    Text(
        "所选时段内开始或仍在进行的预警标记。等级为证据强度：严重、升高、关注；不代表违法认定。",
        "Flags that began in the range or are still open. A grade is strength of evidence, never a "
        "finding of wrongdoing.",
    ),
    Grid(0, 9, 24, 8),
    (
        Field("grade", Text("等级", "Grade"), width=96, labels=labels.GRADES, badge=True),
        Field("state", Text("状态", "State"), width=76, labels=labels.STATES),
        Field("onset", Text("开始", "Onset"), unit="dateTimeAsIso", width=104),
        Field("platform_id", Text("平台", "Platform"), width=84),
        Field("entity_type", Text("对象", "Level"), width=76, labels=labels.ENTITY_TYPES),
        Field("entity", Text("编号", "Entity"), width=112),
        Field("observed", Text("实际", "Observed"), unit="none", decimals=0, width=76),
        Field("expected", Text("预期", "Expected"), unit="none", decimals=1, width=76),
        Field("sentence", Text("说明", "What happened"), wrap=True),
        Field("flag_id", Text("标记编号", "Flag id"), hidden=True),
    ),
)
WORST: Final = table(
    22,
    both(fragments.WORST_CELLS),
    Text("投诉最多的单元", "Cells with most complaints"),
    Text(
        "所选时段内按平台 × 品类 × 区统计。万单投诉含平滑加数，单量小时仅供参考。",
        "Platform x category x district over the range. The rate is smoothed as in I11.",
    ),
    Grid(0, 23, 9, 9),
    (
        Field("platform_id", Text("平台", "Platform"), width=84),
        labels.CATEGORY,
        labels.DISTRICT,
        Field("complaints", Text("投诉", "Complaints"), unit="locale", decimals=0, width=76),
        Field("orders", Text("订单", "Orders"), unit="locale", decimals=0, width=84),
        Field("per_10000", Text("万单投诉", "Per 10,000"), unit="none", decimals=1, width=84),
    ),
)
COMPLETENESS: Final = table(
    23,
    both(fragments.COMPLETENESS),
    Text("各来源数据完整性", "Telemetry completeness by source"),
    Text(
        "按来源累计（时段末尾前一天内的检查点）。缺口为序号证明缺失的批次；"
        "水位落后五分钟以上为静默：未知不当作零。",
        "Running totals by source, from checkpoints of the day before the end of the range. Gaps "
        "are batches that sequence numbers prove missing; a source whose watermark is five "
        "minutes behind is silent: unknown, not zero.",
    ),
    Grid(9, 23, 15, 9),
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

VARIABLES: Final = (
    Variable("datasource", Text("数据源", "Data source"), "datasource"),
    Variable(
        "platform",
        Text("平台", "Platform"),
        "query",
        query="SELECT DISTINCT platform_id FROM v_indicators_cell WHERE $__timeFilter(minute) "
        "ORDER BY platform_id",
    ),
    Variable("category", Text("品类", "Category"), "custom", labels.code_options(codes.CATEGORIES)),
    Variable("district", Text("区", "District"), "custom", labels.code_options(codes.DISTRICTS)),
)

DASHBOARD: Final = Dashboard(
    uid="city-overview",
    title=Text("全市概览", "City overview"),
    description=Text(
        "直播电商运行监测：全市滚动指标、预警标记与数据完整性。",
        "Live commerce in the city: rolling indicators, flags and telemetry completeness.",
    ),
    panels=(*STATS, *SERIES[:4], FLAGS, *SERIES[4:], WORST, COMPLETENESS),
    variables=VARIABLES,
)
