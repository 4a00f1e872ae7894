"""Category and scenario: what is sold, and night economy, first launches, cross-border."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import indicators_sql, labels, panels, sessions_sql, sql, stats, sums
from grafana.dashboards.category_lines import by_category
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, Variable, row
from grafana.dashboards.text import Lang, Text, both, each
from pipelines.core.catalog import NIGHT_HOURS
from schemas import codes


def _category(lang: Lang) -> str:
    return sql.named("category", codes.CATEGORIES, lang)


_DUSK, _DAWN = NIGHT_HOURS
_NIGHT: Final = (
    panels.number(
        8,
        "night_gmv",
        Text("夜间成交占比", "Night GMV"),
        Text(
            f"I20：{_DUSK}:00 至次日 {_DAWN:02d}:00（北京时间）成交额占所选时段成交额的比例。",
            f"I20: share of the range's GMV that was paid from {_DUSK}:00 to {_DAWN:02d}:00, "
            "Asia/Shanghai.",
        ),
        "percentunit",
        both(sessions_sql.NIGHT),
        decimals=1,
    ),
    panels.number(
        9,
        "night_orders",
        Text("夜间订单占比", "Night orders"),
        Text(
            f"{_DUSK}:00 至次日 {_DAWN:02d}:00（北京时间）订单占所选时段订单的比例。",
            f"Share of the range's orders that were paid from {_DUSK}:00 to {_DAWN:02d}:00, "
            "Asia/Shanghai.",
        ),
        "percentunit",
        both(sessions_sql.NIGHT),
        decimals=1,
    ),
)
_LINES: Final = (
    by_category(11, "viewers"),
    by_category(12, "gmv"),
    by_category(13, "order_value"),
)
_CATEGORY_GMV: Final = panels.bars(
    14,
    Text("品类成交额", "GMV by category"),
    Text("所选时段付款金额，元。", "Amount paid over the range, yuan."),
    "currencyCNY",
    each(lambda lang: sql.ranked("category", "sum(paid_fen_1m) / 100", _category(lang))),
)
_CATEGORY_HEAT: Final = panels.heat(
    15,
    Text("品类订单热度", "Orders by category over time"),
    Text(
        "每格为一段时间内一个品类的订单数；空白为无数据。",
        "Each cell: orders of a category in a step of time; blank where nothing is known.",
    ),
    "locale",
    each(lambda lang: sql.cells_heat("category", "sum(orders_1m)", _category(lang))),
)
CATEGORIES: Final = sums.by_dimension(
    16,
    "category",
    Field(
        "name",
        Text("品类", "Category"),
        width=130,
        labels=labels.code_labels(codes.CATEGORIES),
        link=labels.TO_CATEGORY,
    ),
    Text("品类汇总", "Categories"),
    Text("点品类名只看该品类。", "A name leads to that category."),
)
SCENARIOS: Final = sums.by_tag(
    21,
    "scenario",
    Field("tag", Text("场景", "Scenario"), width=150, labels=labels.code_labels(codes.SCENARIOS)),
    Text("场景汇总", "Scenarios"),
    Text(
        "夜间经济（游秀市读娱食）、首发、跨境、会展、消费扶贫：所选时段内带标签场次的合计。",
        "Night economy, first launch, cross-border, exhibitions, poverty relief: totals of the "
        "sessions with that tag over the range.",
    ),
)
_SCENARIO_BARS: Final = panels.bars(
    22,
    Text("场景成交额", "GMV by scenario"),
    Text("带标签场次在所选时段的付款金额，元。", "Paid in sessions with the tag, yuan."),
    "currencyCNY",
    each(lambda lang: sessions_sql.tag_bars("scenario", lang)),
)
_SCENARIO_LINES: Final = panels.chart(
    23,
    Text("场景在线观看", "Viewers by scenario"),
    Text("最大的八个场景，各场次观看人数之和。", "The eight largest scenarios: viewers, summed."),
    "locale",
    each(lambda lang: sessions_sql.tag_lines("scenario", "viewers_1m", lang)),
    series="name",
)

_SHARES: Final = panels.bars(
    31,
    Text("场景与夜间成交占比（当日）", "Share of scenarios and night, the day"),
    Text(
        "I20：当日成交额中各场景与夜间的比例，取所选时段内最近一次；一场可有场景又在夜间。",
        "I20: of the day's GMV, as last told in the range. A sale may be of a scenario and of the "
        "night.",
    ),
    "percentunit",
    each(indicators_sql.tag_shares),
    decimals=1,
)
_AGENCIES: Final = panels.chart(
    32,
    Text("机构集中度 HHI（按平台）", "Concentration of agencies (HHI)"),
    Text(
        "I19：各 MCN 机构占有机构成交额比例的平方和 × 10,000，七天；10,000 为独家，"
        "不足三家为未知。",
        "I19: 10,000 x the sum of squared shares of agencies (MCN) in the GMV with an agency, "
        "seven days; 10,000 is a single one, unknown under three.",
    ),
    "none",
    both(indicators_sql.by_platform("I19", "7d", "HHI")),
    series="platform_id",
    decimals=0,
    interval="5m",
)
_ACTED_ON: Final = panels.bars(
    33,
    Text("千次审核处置", "Reviews acted on"),
    Text(
        "所选时段内每千次实时审核中警示或中断的次数，按品类。",
        "Of 1,000 real-time reviews of the range, those that warned or interrupted, by category.",
    ),
    "none",
    each(indicators_sql.acted_on),
    decimals=1,
)

DASHBOARD: Final = Dashboard(
    uid="category-scenario",
    title=Text("品类与场景", "Category and scenario"),
    description=Text(
        "品类结构、夜间经济、首发经济、跨境与会展。",
        "Categories, night economy, first launches, cross-border and exhibitions.",
    ),
    rows=(
        row(3, *((3, p) for p in (*stats.figures(2), *_NIGHT))),
        row(7, *((8, p) for p in _LINES)),
        row(9, (6, _CATEGORY_GMV), (10, _CATEGORY_HEAT), (8, CATEGORIES)),
        row(8, (6, _SCENARIO_BARS), (8, _SCENARIO_LINES), (10, SCENARIOS)),
        row(8, (8, _SHARES), (8, _AGENCIES), (8, _ACTED_ON)),
    ),
    variables=(
        *panels.WHO,
        Variable(
            "scenario",
            Text("场景", "Scenario"),
            "custom",
            labels.code_options(codes.SCENARIOS),
        ),
    ),
    annotations=(MARKS,),
)
