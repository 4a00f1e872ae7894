"""The shapes of panel that the dashboards are made of."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import flags_sql, labels, sql
from grafana.dashboards.model import Annotation, Field, Label, Panel, Step, Variable
from grafana.dashboards.text import Text, both, each
from schemas import codes

DASHED: Final = Text("虚线为暂定值。", "Dashed: provisional.")


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
    graph: bool = False,
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
        graph=graph,
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
    interval: str = "1m",
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
        interval=interval,
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
    minimum: float | None = None,
    maximum: float | None = None,
    interval: str = "5m",
) -> Panel:
    """Columns `time`, `name` and `value`: a row of cells a name, coloured between the two ends."""
    return Panel(
        id=panel_id,
        kind="heatmap",
        title=title,
        description=description,
        unit=unit,
        sql=query,
        decimals=decimals,
        minimum=minimum,
        maximum=maximum,
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


def flag_table(panel_id: int) -> Panel:
    return table(
        panel_id,
        Text(flags_sql.flags("sentence_zh"), flags_sql.flags("sentence_en")),
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
    query=sql.PLATFORMS,
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
