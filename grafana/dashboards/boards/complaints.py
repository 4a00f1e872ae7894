"""Complaints: by code, channel and merchant."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import clocks_sql, complaints_sql, labels, panels, sql, stats
from grafana.dashboards.boards.city_overview import WORST
from grafana.dashboards.boards.platform import merchants
from grafana.dashboards.category_lines import by_category
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.labels import code_options
from grafana.dashboards.model import Dashboard, Field, Variable, row
from grafana.dashboards.text import Text, both, each
from schemas import codes

_SUMMARY: Final = both(complaints_sql.SUMMARY)
_STATS: Final = (
    stats.as_of(1),
    panels.number(
        2,
        "complaints",
        Text("投诉件数", "Complaints"),
        Text("所选时段、所选事由与渠道。", "Over the range, for the chosen codes and channels."),
        "locale",
        _SUMMARY,
    ),
    panels.number(
        3,
        "per_10000",
        Text("万单投诉", "Per 10,000 orders"),
        Text(
            "10,000 ×（投诉 + 1）/（订单 + 1,000），所选时段。",
            "10,000 x (complaints + 1) / (orders + 1,000) over the range.",
        ),
        "none",
        _SUMMARY,
        decimals=1,
    ),
    panels.number(
        4,
        "public_share",
        Text("公共渠道占比", "Public channels"),
        Text(
            "经 12315 或消保委提出的投诉所占比例。",
            "Share filed with the 12315 hotline or the consumer council.",
        ),
        "percentunit",
        _SUMMARY,
        decimals=1,
    ),
    panels.number(
        5,
        "safety",
        Text("安全类", "Safety"),
        Text("C06、C0601：安全与食品安全类投诉。", "C06 and C0601: safety and food safety."),
        "locale",
        _SUMMARY,
    ),
    stats.open_flags(6),
)
_RATE: Final = by_category(11, "complaints")
_DAY: Final = panels.lines(
    12,
    f"10000 * ({sql.mean('complaints_24h')} + 1) / ({sql.mean('orders_24h')} + 1000)",
    Text("万单投诉（24 小时，按平台）", "Complaints / 10k orders by platform, 24 h"),
    Text("I11，最近 24 个钟点，含当前钟点。", "I11 over 24 clock hours, the present one included."),
    "none",
    decimals=1,
)
_CHANNELS: Final = panels.chart(
    13,
    Text("投诉（按渠道）", "Complaints by channel"),
    Text("每段时间的件数，叠加。", "Count in each step of time, stacked."),
    "none",
    each(lambda lang: complaints_sql.over_time("channel", lang)),
    series="name",
    bars=True,
)
_BARS: Final = (
    panels.bars(
        14,
        Text("按事由", "By code"),
        Text("所选时段件数；事由为本项目投诉码表。", "Over the range, by this project's codes."),
        "locale",
        each(lambda lang: complaints_sql.bars("code", lang)),
    ),
    panels.bars(
        15,
        Text("按渠道", "By channel"),
        Text("所选时段件数。", "Count over the range."),
        "locale",
        each(lambda lang: complaints_sql.bars("channel", lang)),
    ),
)
_HEAT: Final = panels.heat(
    16,
    Text("事由热度", "Codes over time"),
    Text(
        "每格为一段时间内一种事由的件数；空白为没有投诉。",
        "Each cell: complaints of one code in a step of time; blank: none was filed.",
    ),
    "locale",
    each(lambda lang: complaints_sql.over_time("code", lang)),
)

_HANDLED: Final = both(clocks_sql.HANDLED)
_CLOCKS: Final = (
    panels.number(
        31,
        "p50_h",
        Text("首次回应中位数", "First answer, median"),
        Text(
            "I13：从提出到首次回应，小时，中位数；平台未报为未知。",
            "I13: hours from filing to the first answer, median; unknown where not told.",
        ),
        "h",
        _HANDLED,
        decimals=1,
    ),
    panels.number(
        32,
        "p95_h",
        Text("首次回应 95 分位", "First answer, p95"),
        Text(
            "I13：从提出到首次回应，小时，95 分位。",
            "I13: hours from filing to the first answer, 95th percentile.",
        ),
        "h",
        _HANDLED,
        decimals=1,
    ),
    panels.number(
        33,
        "resolved_share",
        Text("解决率", "Resolved"),
        Text("I14：已办结投诉中得到解决的比例。", "I14: share of the closed that were resolved."),
        "percentunit",
        _HANDLED,
        decimals=1,
    ),
)
_RESPONSE: Final = panels.chart(
    34,
    Text("首次回应 95 分位（按平台）", "First answer p95 by platform"),
    Text(
        "I13，按回应发生的时间；没有回应的时段断开。",
        "I13, by when the answers were given; broken where none was.",
    ),
    "h",
    both(clocks_sql.RESPONSE),
    series="platform_id",
    decimals=1,
)
HANDLING: Final = panels.table(
    35,
    both(clocks_sql.BY_PLATFORM),
    Text("投诉处理（按平台）", "Handling by platform"),
    Text(
        "所选时段内提出、回应、办结与解决的件数。",
        "Filed, answered, closed and resolved over the range.",
    ),
    (
        labels.PLATFORM,
        labels.COMPLAINTS,
        Field("answered", Text("已回应", "Answered"), unit="locale", decimals=0),
        Field("closed_complaints", Text("已办结", "Closed"), unit="locale", decimals=0),
        Field("resolved_complaints", Text("已解决", "Resolved"), unit="locale", decimals=0),
        Field("resolved_share", Text("解决率", "Share"), unit="percentunit", decimals=1),
        Field("p50_h", Text("中位数", "Median"), unit="h", decimals=1),
        Field("p95_h", Text("95 分位", "p95"), unit="h", decimals=1),
    ),
)

DASHBOARD: Final = Dashboard(
    uid="complaints",
    title=Text("投诉", "Complaints"),
    description=Text(
        "投诉的事由、渠道、商家与万单投诉率。",
        "Complaints by code, channel and merchant, and per 10,000 orders.",
    ),
    rows=(
        row(3, *((4, p) for p in _STATS)),
        row(7, (8, _CHANNELS), (8, _RATE), (8, _DAY)),
        row(9, (7, _BARS[0]), (5, _BARS[1]), (12, _HEAT)),
        row(3, *((8, p) for p in _CLOCKS)),
        row(7, (10, _RESPONSE), (14, HANDLING)),
        row(9, (14, merchants(21, complaints_sql.FILED)), (10, WORST)),
    ),
    variables=(
        *panels.WHO,
        Variable("code", Text("事由", "Code"), "custom", code_options(codes.COMPLAINTS)),
        Variable("channel", Text("渠道", "Channel"), "custom", code_options(codes.CHANNELS)),
    ),
    annotations=(panels.FLAG_MARKS, MARKS),
)
