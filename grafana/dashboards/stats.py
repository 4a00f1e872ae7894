"""The figures at the head of a dashboard: how far it is, six of the cells, open flags."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import flags_sql, labels, sql, status_sql
from grafana.dashboards.model import Field, Panel, Step
from grafana.dashboards.panels import number
from grafana.dashboards.text import Text, both, each

_CLOSED: Final = Text(
    "取最近一个已关闭的分钟；尚无已关闭的分钟时显示暂定值并注明。",
    "From the latest closed minute; before any has closed, the provisional figure, marked as such.",
)
COMPLETE_STEPS: Final = (
    Step(None, labels.VERMILLION),
    Step(0.95, labels.ORANGE),
    Step(0.99, labels.GREEN),
)


def as_of(panel_id: int) -> Panel:
    return Panel(
        id=panel_id,
        kind="stat",
        title=Text("数据截至", "Figures as of"),
        description=Text(
            "已关闭到哪一分钟（北京时间，分钟起点）。之后的分钟仍在接收数据，其数值为暂定。",
            "The latest closed minute (its start, Asia/Shanghai). Minutes after it are still "
            "filling, and their figures are provisional.",
        ),
        unit="dateTimeAsIso",
        sql=both(sql.AS_OF),
        pick="/^closed_minute$/",
    )


def figure(
    panel_id: int,
    field: str,
    title: Text,
    description: Text,
    unit: str,
    *,
    decimals: int | None = None,
    steps: tuple[Step, ...] = (),
) -> Panel:
    """The latest closed figure of the chosen cells with its course behind it."""
    query, about = both(sql.figures()), description + _CLOSED
    return number(
        panel_id, field, title, about, unit, query, decimals=decimals, steps=steps, graph=True
    )


def figures(first: int) -> tuple[Panel, ...]:
    """Six figures of the chosen cells, numbered from `first`."""
    return (
        figure(
            first,
            "sessions",
            Text("在播场次", "Active sessions"),
            Text("I01：一分钟内有数据的直播场次数。", "I01: sessions with a sample in one minute."),
            "locale",
        ),
        figure(
            first + 1,
            "viewers",
            Text("在线观看人数", "Viewers now"),
            Text("I02：各场次最新观看人数之和。", "I02: the sum of the latest viewer counts."),
            "locale",
        ),
        figure(
            first + 2,
            "orders_per_min",
            Text("每分钟订单", "Orders / min"),
            Text("I04：一分钟内付款订单数。", "I04: orders paid in one minute."),
            "locale",
        ),
        figure(
            first + 3,
            "gmv_yuan",
            Text("成交额（5 分钟）", "GMV, 5 minutes"),
            Text(
                "I05：最近五分钟付款金额，元。", "I05: amount paid in the last five minutes, yuan."
            ),
            "currencyCNY",
        ),
        figure(
            first + 4,
            "complaints_per_10000",
            Text("万单投诉（1 小时）", "Complaints/10k"),
            Text(
                "I11：10,000 ×（投诉 + 1）/（订单 + 1,000），最近一小时；加数使单量小时不致失真。",
                "I11: 10,000 x (complaints + 1) / (orders + 1,000) over one hour; the added terms "
                "keep it steady where orders are few.",
            ),
            "none",
            decimals=1,
        ),
        figure(
            first + 5,
            "completeness",
            Text("数据完整率", "Completeness"),
            Text(
                "I22：最近五分钟应到的场次分钟中实际收到的比例。",
                "I22: share of the session-minutes due in five minutes that arrived.",
            ),
            "percentunit",
            decimals=1,
            steps=COMPLETE_STEPS,
        ),
    )


def open_flags(panel_id: int) -> Panel:
    return Panel(
        id=panel_id,
        kind="stat",
        title=Text("未解除的标记", "Open flags"),
        description=Text(
            "到所选时段末尾仍未解除的预警标记，按等级。",
            "Flags not cleared by the end of the range, by grade.",
        ),
        unit="locale",
        sql=both(flags_sql.OPEN_FLAGS),
        fields=tuple(Field(g.code, g.text, color=g.color) for g in labels.GRADES),
    )


def status(panel_id: int) -> Panel:
    """Whether all is well, in one line: what a room sees first."""
    return Panel(
        id=panel_id,
        kind="stat",
        title=Text("总体状况", "Is all well?"),
        description=Text(
            "所选时段末尾的最坏情况。▲：有未解除的严重级标记，或有数据来源静默；◆：有升高级标记、"
            "缺批，或完整率低于 99%；●：以上均无；○：没有完整的数据，未知。不代表违法认定。",
            "The worst that is true at the end of the range. ▲: a critical flag is open or a "
            "source is silent; ◆: a raised flag, missing batches, or completeness under 99%; ●: "
            "none of these; ○: nothing complete came, unknown. Never a finding of wrongdoing.",
        ),
        unit="none",
        sql=each(status_sql.status),
        pick="/^status$/",
        labels=labels.STATUS,
    )
