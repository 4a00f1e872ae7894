"""District and base: where in the city the business is, and the live-commerce bases."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import complaints_sql, labels, panels, sessions_sql, sql, stats, sums
from grafana.dashboards.festivals import MARKS
from grafana.dashboards.model import Dashboard, Field, Variable, row
from grafana.dashboards.text import Lang, Text, both, each
from schemas import codes


def _district(lang: Lang) -> str:
    return sql.named("district", codes.DISTRICTS, lang)


_BARS: Final = (
    panels.bars(
        11,
        Text("各区成交额", "GMV by district"),
        Text("所选时段付款金额，元。", "Amount paid over the range, yuan."),
        "currencyCNY",
        each(lambda lang: sql.ranked("district", "sum(paid_fen_1m) / 100", _district(lang), 17)),
    ),
    panels.bars(
        12,
        Text("各区投诉", "Complaints by district"),
        Text("所选时段投诉件数。", "Complaints over the range."),
        "locale",
        each(lambda lang: sql.ranked("district", "sum(complaints_1m)", _district(lang), 17)),
    ),
)
_HEAT: Final = panels.heat(
    13,
    Text("各区观看热度", "Viewers by district over time"),
    Text(
        "每格为一段时间内一个区的平均在线观看人数；空白为无数据。",
        "Each cell: mean viewers of a district in a step of time; blank where nothing is known.",
    ),
    "locale",
    each(lambda lang: sql.mean_heat("district", "sum(viewers_1m)", _district(lang))),
)
DISTRICTS: Final = sums.by_dimension(
    14,
    "district",
    Field(
        "name",
        Text("区", "District"),
        width=120,
        labels=labels.code_labels(codes.DISTRICTS),
        link=labels.TO_DISTRICT,
    ),
    Text("各区汇总", "Districts"),
    Text("点区名只看该区。", "A name leads to that district."),
)
BASES: Final = sums.by_tag(
    21,
    "base_id",
    Field("tag", Text("基地", "Base"), width=140),
    Text("直播基地", "Live-commerce bases"),
    Text(
        "所选时段内在各基地开播的场次；峰值为单场每分钟观看人数的最大值。",
        "Sessions on air from each base over the range; the peak is of a single session.",
    ),
)
_BASE_LINES: Final = (
    panels.chart(
        22,
        Text("基地在线观看", "Viewers by base"),
        Text("最大的八个基地，各场次观看人数之和。", "The eight largest bases: viewers, summed."),
        "locale",
        each(lambda lang: sessions_sql.tag_lines("base_id", "viewers_1m", lang)),
        series="name",
    ),
    panels.chart(
        23,
        Text("基地每分钟订单", "Orders per minute by base"),
        Text("最大的八个基地，每分钟付款订单。", "The eight largest bases: orders paid a minute."),
        "locale",
        each(lambda lang: sessions_sql.tag_lines("base_id", "orders_1m", lang)),
        series="name",
    ),
)
_WORST: Final = panels.table(
    24,
    both(complaints_sql.WORST_CELLS),
    Text("投诉最多的单元", "Cells with most complaints"),
    Text("平台 × 品类 × 区，所选时段。", "Platform x category x district over the range."),
    (
        labels.PLATFORM,
        labels.CATEGORY,
        labels.DISTRICT,
        labels.COMPLAINTS,
        labels.ORDERS,
        labels.RATE,
    ),
)

DASHBOARD: Final = Dashboard(
    uid="district-base",
    title=Text("区与基地", "District and base"),
    description=Text(
        "各区与直播基地的运行、成交与投诉。",
        "Business and complaints by district and by live-commerce base.",
    ),
    rows=(
        row(3, *((4, p) for p in stats.figures(2))),
        row(10, (6, _BARS[0]), (6, _BARS[1]), (12, _HEAT)),
        row(9, (12, DISTRICTS), (12, BASES)),
        row(7, (12, _BASE_LINES[0]), (12, _BASE_LINES[1])),
        row(8, (24, _WORST)),
    ),
    variables=(
        *panels.WHO,
        Variable(
            "base",
            Text("基地", "Base"),
            "query",
            query="SELECT DISTINCT base_id FROM v_sessions WHERE base_id != '' "
            "AND first_seen <= $__toTime ORDER BY base_id",
        ),
    ),
    annotations=(MARKS,),
)
