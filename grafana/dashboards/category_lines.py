"""Lines by category, which several dashboards draw: each figure is said here once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from grafana.dashboards import panels, sql
from grafana.dashboards.model import Panel
from grafana.dashboards.text import Text

Name = Literal["sessions", "viewers", "orders", "gmv", "order_value", "complaints"]
_LARGEST: Final = Text("所选时段内最大的八个品类。", "The eight largest categories of the range.")


@dataclass(frozen=True)
class Figure:
    """`value` of the cells of a point; `largest` ranks the categories over the range."""

    value: str
    largest: str
    title: Text
    about: Text
    unit: str = "locale"
    decimals: int | None = None


_FIGURES: Final[dict[Name, Figure]] = {
    "sessions": Figure(
        sql.mean("active_1m"),
        "sum(active_1m)",
        Text("在播场次（按品类）", "Active sessions by category"),
        Text("I01。", "I01."),
    ),
    "viewers": Figure(
        sql.mean("viewers_1m"),
        "sum(viewers_1m)",
        Text("在线观看（按品类）", "Viewers by category"),
        Text("I02。", "I02."),
    ),
    "orders": Figure(
        sql.mean("orders_known"),
        "sum(orders_1m)",
        Text("每分钟订单（按品类）", "Orders per minute by category"),
        Text("I04。", "I04."),
    ),
    "gmv": Figure(
        f"{sql.mean('paid_fen_5m')} / 100",
        "sum(paid_fen_1m)",
        Text("成交额（5 分钟，按品类）", "GMV, 5 minutes, by category"),
        Text("I05，元。", "I05, yuan."),
        "currencyCNY",
    ),
    "order_value": Figure(
        "sum(paid_fen_60m) / nullIf(sum(orders_60m), 0) / 100",
        "sum(orders_1m)",
        Text("客单价（1 小时，按品类）", "Order value by category, 1 h"),
        Text("I06，元。", "I06, yuan."),
        "currencyCNY",
        1,
    ),
    "complaints": Figure(
        sql.COMPLAINT_RATE,
        "sum(complaints_1m)",
        Text("万单投诉（1 小时，按品类）", "Complaints/10k by category"),
        Text("I11，一小时，含平滑加数。", "I11 over one hour, smoothed."),
        "none",
        1,
    ),
}


def by_category(panel_id: int, name: Name) -> Panel:
    """A line for each of the eight categories that are largest by the figure."""
    one = _FIGURES[name]
    return panels.lines(
        panel_id,
        one.value,
        one.title,
        one.about + _LARGEST,
        one.unit,
        by="category",
        largest=one.largest,
        decimals=one.decimals,
    )
