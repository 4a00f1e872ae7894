"""Data completeness and detector quality: what the figures are worth."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import labels, panels, stats, telemetry_sql
from grafana.dashboards.boards.city_overview import SOURCES as SOURCE_TABLE
from grafana.dashboards.boards.platform import SOURCES as SOURCE_STATES
from grafana.dashboards.model import Dashboard, Field, Step, row
from grafana.dashboards.text import Text, both

_QUALITY: Final = both(telemetry_sql.QUALITY)
_LOST: Final = both(telemetry_sql.LOST)
_BUDGET: Final = both(telemetry_sql.BUDGET)
_ONE_WAY: Final = (
    Step(None, labels.GREEN),
    Step(0.001, labels.ORANGE),
    Step(0.01, labels.VERMILLION),
)
_BOUND: Final = Text(
    "F01 日均报警数，尚未区分真假，故为误报率的上界。",
    "F01 alerts a day. Which were false is not told apart, so this bounds the false-alert rate.",
)
_STATS: Final = (
    panels.number(
        1,
        "completeness",
        Text("数据完整率", "Completeness"),
        Text(
            "I22：所选时段应到的场次分钟中实际收到的比例。",
            "I22: share of the session-minutes due over the range that arrived.",
        ),
        "percentunit",
        _QUALITY,
        decimals=2,
        steps=stats.COMPLETE_STEPS,
    ),
    panels.number(
        2,
        "lag_s",
        Text("到达延迟 95 分位", "Lag p95"),
        Text(
            "I22：从事件到进入 Kafka 的延迟，各单元 95 分位的 95 分位。",
            "I22: from event to Kafka, the 95th percentile of the cells' p95.",
        ),
        "s",
        _QUALITY,
        decimals=1,
    ),
    panels.number(
        3,
        "gap_share",
        Text("缺批比例", "Missing batches"),
        Text("序号证明缺失的批次比例。", "Share of batches that sequence numbers prove missing."),
        "percentunit",
        _LOST,
        decimals=2,
        steps=_ONE_WAY,
    ),
    panels.number(
        4,
        "late_share",
        Text("迟到比例", "Late rows"),
        Text("分钟关闭之后才到的行的比例。", "Share of rows that came after their minute closed."),
        "percentunit",
        _LOST,
        decimals=2,
    ),
    panels.number(
        5,
        "refused_share",
        Text("拒收比例", "Refused rows"),
        Text("进入死信主题的行的比例。", "Share of rows sent to the dead-letter topic."),
        "percentunit",
        _LOST,
        decimals=2,
        steps=_ONE_WAY,
    ),
    panels.number(
        6,
        "duplicate_share",
        Text("重复比例", "Repeats"),
        Text("重发后被去重的批次比例。", "Share of batches received again and suppressed."),
        "percentunit",
        _LOST,
        decimals=2,
    ),
    panels.number(
        7,
        "raised_per_day",
        Text("日均升高级以上", "Raised+ a day"),
        _BOUND + Text("预算为每日 10 起。", "The budget is 10 a day."),
        "none",
        _BUDGET,
        decimals=1,
        steps=(Step(None, labels.GREEN), Step(10, labels.ORANGE)),
    ),
    panels.number(
        8,
        "critical_per_day",
        Text("日均严重级", "Critical a day"),
        _BOUND + Text("预算为每日 1 起。", "The budget is 1 a day."),
        "none",
        _BUDGET,
        decimals=1,
        steps=(Step(None, labels.GREEN), Step(1, labels.ORANGE)),
    ),
)
_COMPLETE: Final = panels.chart(
    11,
    Text("完整率（按平台）", "Completeness by platform"),
    Text(
        "应到的场次分钟中实际收到的比例，已关闭的分钟。虚线为 99%。",
        "Share of the session-minutes due that arrived, closed minutes. Dashed: 99%.",
    ),
    "percentunit",
    both(telemetry_sql.COMPLETENESS),
    series="platform_id",
    steps=stats.COMPLETE_STEPS[2:],
    minimum=None,
    maximum=1,
)
_LAG: Final = panels.chart(
    12,
    Text("到达延迟 95 分位（5 分钟）", "Lag p95, 5 minutes"),
    Text(
        "从事件到进入 Kafka，各平台最差单元；取所在区间的上界，超过最大区间按其上界计。",
        "From event to Kafka, the platform's worst cell: the upper edge of its bucket; what is "
        "over the largest bucket counts as that.",
    ),
    "s",
    both(telemetry_sql.LAG),
    series="platform_id",
    decimals=1,
)
_GAPS: Final = panels.chart(
    13,
    Text("缺批比例（5 分钟）", "Missing batches, 5 minutes"),
    Text("各平台最差来源。", "The platform's worst source."),
    "percentunit",
    both(telemetry_sql.rate("gap_share")),
    series="platform_id",
    decimals=2,
    interval="5m",
)
_LATE: Final = panels.chart(
    14,
    Text("迟到比例（5 分钟）", "Late rows, 5 minutes"),
    Text("各平台最差来源。", "The platform's worst source."),
    "percentunit",
    both(telemetry_sql.rate("late_share")),
    series="platform_id",
    decimals=2,
    interval="5m",
)
_HEAT: Final = panels.heat(
    15,
    Text("完整率热度", "Completeness over time"),
    Text(
        "每格为一段时间内一个平台的完整率，90% 及以下同色；空白为完全没有数据。",
        "Each cell: completeness of a platform in a step of time, one colour at 90% and under; "
        "blank: nothing came at all.",
    ),
    "percentunit",
    both(telemetry_sql.HEAT),
    decimals=1,
    minimum=0.9,
    maximum=1,
)
SKEW: Final = panels.table(
    31,
    both(telemetry_sql.SKEW),
    Text("来源时钟偏差", "Clock skew by source"),
    Text(
        "来源时钟减去代理时钟，秒；为正表示来源时钟超前。含网络时间。",
        "The source's clock minus the broker's, seconds; above 0 it is ahead. Network included.",
    ),
    (
        labels.PLATFORM,
        Field("source", Text("来源", "Source"), width=130),
        Field("skew_low_s", Text("最低", "Lowest"), unit="s", decimals=2),
        Field("skew_high_s", Text("最高", "Highest"), unit="s", decimals=2),
    ),
)
DAILY: Final = panels.table(
    32,
    both(telemetry_sql.DAILY),
    Text("每日报警", "Alerts by day"),
    Text(
        "F01，时段末尾前 30 天；预算：升高每日 10 起，严重每日 1 起。",
        "F01, 30 days up to the end of the range; budget: raised 10 a day, critical 1.",
    ),
    (
        Field("day", Text("日期", "Day"), unit="time:YYYY-MM-DD", width=110),
        Field("grade", Text("等级", "Grade"), labels=labels.GRADES, badge=True, width=100),
        Field("flags", Text("件数", "Alerts"), unit="locale", decimals=0),
        Field("muted_flags", Text("静音", "Muted"), unit="locale", decimals=0),
        Field("minutes_to_flag", Text("发现用时", "Time to flag"), unit="m", decimals=1),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="data-quality",
    title=Text("数据完整性与检测质量", "Data completeness and detector quality"),
    description=Text(
        "数据到没到、准不准，检测器每天报警多少。",
        "Whether the telemetry came and how sound it is; how many alerts the detector raises.",
    ),
    rows=(
        row(3, *((3, p) for p in _STATS)),
        row(7, (12, _COMPLETE), (12, _LAG)),
        row(7, (14, SOURCE_STATES), (10, _HEAT)),
        row(6, (12, _GAPS), (12, _LATE)),
        row(6, (24, SOURCE_TABLE)),
        row(7, (12, SKEW), (12, DAILY)),
    ),
    variables=panels.WHO,
)
