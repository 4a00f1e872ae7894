"""The shapes of panel that the dashboards are made of."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import flags_sql, labels, sql
from grafana.dashboards.model import Annotation, Field, Label, Panel, Step, Variable
from grafana.dashboards.text import Text, both, each
from schemas import codes

DASHED: Final = Text("虚线为暂定值。", "Dashed: provisional.")
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
    return Panel(
        id=panel_id,
        kind="stat",
        title=title,
        description=description + _CLOSED,
        unit=unit,
        sql=both(sql.figures()),
        decimals=decimals,
        steps=steps,
        pick=f"/^{field}$/",
        graph=True,
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
        title=Text("进行中的预警", "Open flags"),
        description=Text(
            "到所选时段末尾仍未解除的预警标记，按等级。",
            "Flags not cleared by the end of the range, by grade.",
        ),
        unit="locale",
        sql=both(flags_sql.OPEN_FLAGS),
        fields=tuple(Field(g.code, g.text, color=g.color) for g in labels.GRADES),
    )


def number(
    panel_id: int,
    field: str,
    title: Text,
    description: Text,
    unit: str,
    query: Text,
    *,
    decimals: int | None = None,
    steps: tuple[Step, ...] = (),
) -> Panel:
    """One figure of a query that gives one row; panels with the same text share its run."""
    return Panel(
        id=panel_id,
        kind="stat",
        title=title,
        description=description,
        unit=unit,
        sql=query,
        decimals=decimals,
        steps=steps,
        pick=f"/^{field}$/",
    )


def lines(
    panel_id: int,
    value: str,
    title: Text,
    description: Text,
    unit: str,
    *,
    by: str = "platform_id",
    largest: str = "",
    decimals: int | None = None,
    minimum: float | None = 0,
) -> Panel:
    """One line a platform, category or district, dashed where figures are provisional."""
    names = {"category": codes.CATEGORIES, "district": codes.DISTRICTS}
    if by in names:
        query = each(lambda lang: sql.lines(value, by, largest, sql.named(by, names[by], lang)))
    else:
        query = both(sql.lines(value, by, largest))
    return Panel(
        id=panel_id,
        kind="timeseries",
        title=title,
        description=description + DASHED,
        unit=unit,
        sql=query,
        decimals=decimals,
        minimum=minimum,
        series=f"{by}_name" if by in names else by,
        provisional=True,
    )


def chart(
    panel_id: int,
    title: Text,
    description: Text,
    unit: str,
    query: Text,
    *,
    series: str = "",
    fields: tuple[Field, ...] = (),
    bars: bool = False,
    steps: tuple[Step, ...] = (),
    decimals: int | None = None,
    minimum: float | None = 0,
    maximum: float | None = None,
) -> Panel:
    return Panel(
        id=panel_id,
        kind="timeseries",
        title=title,
        description=description,
        unit=unit,
        sql=query,
        series=series,
        fields=fields,
        bars=bars,
        steps=steps,
        limit=bool(steps),
        decimals=decimals,
        minimum=minimum,
        maximum=maximum,
    )


def bars(
    panel_id: int,
    title: Text,
    description: Text,
    unit: str,
    query: Text,
    *,
    decimals: int | None = None,
) -> Panel:
    """Columns `name` and `value`, the largest first."""
    shown = (Field("name", title), Field("value", title))
    return Panel(
        id=panel_id,
        kind="barchart",
        title=title,
        description=description,
        unit=unit,
        sql=query,
        decimals=decimals,
        minimum=0,
        x="name",
        fields=shown,
    )


def heat(
    panel_id: int,
    title: Text,
    description: Text,
    unit: str,
    query: Text,
    *,
    decimals: int | None = None,
    interval: str = "5m",
) -> Panel:
    """Columns `time`, `name` and `value`: a row of cells a name."""
    return Panel(
        id=panel_id,
        kind="heatmap",
        title=title,
        description=description,
        unit=unit,
        sql=query,
        decimals=decimals,
        series="name",
        interval=interval,
    )


def states(
    panel_id: int,
    title: Text,
    description: Text,
    query: Text,
    shown: tuple[Label, ...],
    *,
    series: str,
) -> Panel:
    """Columns `time`, `series` and `value`, a number that `shown` gives a name and a colour."""
    return Panel(
        id=panel_id,
        kind="state-timeline",
        title=title,
        description=description,
        unit="none",
        sql=query,
        labels=shown,
        steps=tuple(Step(float(s.code) or None, s.color or labels.GREY) for s in shown),
        series=series,
    )


def table(
    panel_id: int, query: Text, title: Text, description: Text, fields: tuple[Field, ...]
) -> Panel:
    return Panel(
        id=panel_id,
        kind="table",
        title=title,
        description=description,
        unit="none",
        sql=query,
        fields=fields,
    )


def flag_table(panel_id: int, extra: str = "1 = 1") -> Panel:
    return table(
        panel_id,
        Text(flags_sql.flags("sentence_zh", extra), flags_sql.flags("sentence_en", extra)),
        Text("预警标记", "Flags"),
        Text(
            "所选时段内开始或仍在进行的预警标记。等级为证据强度：严重、升高、关注；不代表违法认定。",
            "Flags that began in the range or are still open. A grade is strength of evidence, "
            "never a finding of wrongdoing.",
        ),
        labels.FLAG_FIELDS,
    )


PLATFORM: Final = Variable(
    "platform",
    Text("平台", "Platform"),
    "query",
    query="SELECT DISTINCT platform_id FROM v_indicators_cell WHERE $__timeFilter(minute) "
    "ORDER BY platform_id",
)
SOURCE: Final = Variable("datasource", Text("数据源", "Data source"), "datasource")
WHO: Final = (
    SOURCE,
    PLATFORM,
    Variable("category", Text("品类", "Category"), "custom", labels.code_options(codes.CATEGORIES)),
    Variable("district", Text("区", "District"), "custom", labels.code_options(codes.DISTRICTS)),
)

FLAG_MARKS: Final = Annotation(
    Text("预警标记（升高、严重）", "Flags (raised, critical)"),
    each(flags_sql.marks),
    labels.VERMILLION,
)
