"""The three shapes of panel that the dashboards are made of."""

from __future__ import annotations

from typing import Final

from grafana.dashboards import fragments
from grafana.dashboards.model import Field, Grid, Json, Panel, Step, Text, both

PROVISIONAL: Final = Text("暂定", "provisional")

_LINE: Final[Json] = {
    "drawStyle": "line",
    "lineWidth": 2,
    "fillOpacity": 6,
    "showPoints": "never",
    # A minute without a row is unknown: the line breaks there and never falls to zero.
    "spanNulls": False,
    "axisPlacement": "auto",
    "lineStyle": {"fill": "solid"},
}
_DASHED: Final[Json] = {
    "matcher": {"id": "byRegexp", "options": "/^provisional/"},
    "properties": [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [4, 4]}},
        {"id": "custom.fillOpacity", "value": 0},
    ],
}


def city_stat(
    panel_id: int,
    field: str,
    title: Text,
    description: Text,
    unit: str,
    grid: Grid,
    *,
    decimals: int | None = None,
    steps: tuple[Step, ...] = (),
) -> Panel:
    """The latest closed figure of the city with its course behind it."""
    return Panel(
        id=panel_id,
        kind="stat",
        title=title,
        description=description,
        unit=unit,
        sql=both(fragments.city()),
        grid=grid,
        format="time_series",
        decimals=decimals,
        steps=steps,
        options=stat_options(f"/^{field}$/", graph=True),
    )


def stat_options(fields: str, *, graph: bool) -> Json:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": fields, "values": False},
        "graphMode": "area" if graph else "none",
        "colorMode": "value",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
    }


def platform_series(
    panel_id: int,
    value: str,
    title: Text,
    description: Text,
    unit: str,
    grid: Grid,
    *,
    decimals: int | None = None,
    minimum: float | None = 0,
) -> Panel:
    """One line a platform, dashed where figures are provisional."""
    return Panel(
        id=panel_id,
        kind="timeseries",
        title=title,
        description=description,
        unit=unit,
        sql=both(fragments.by_platform(value)),
        grid=grid,
        format="time_series",
        decimals=decimals,
        custom=_LINE,
        overrides=(_DASHED,),
        minimum=minimum,
        display_name="${__field.labels.platform_id}",
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def table(
    panel_id: int, sql: Text, title: Text, description: Text, grid: Grid, fields: tuple[Field, ...]
) -> Panel:
    return Panel(
        id=panel_id,
        kind="table",
        title=title,
        description=description,
        unit="none",
        sql=sql,
        grid=grid,
        format="table",
        fields=fields,
        custom={"align": "auto", "filterable": False},
        options={"showHeader": True, "cellHeight": "sm"},
    )
