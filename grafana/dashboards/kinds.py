"""How each kind of panel looks, by the SDK's builder of that kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as h

from grafana.dashboards.labels import BLUE
from grafana.dashboards.model import Kind, Panel


def _stat(panel: Panel) -> Any:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).fields(panel.pick).values(False)
    graph = c.BigValueGraphMode.AREA if panel.graph else c.BigValueGraphMode.NONE
    made = stat.Panel().reduce_options(reduce).graph_mode(graph)
    made.color_mode(c.BigValueColorMode.VALUE).text_mode(c.BigValueTextMode.AUTO)
    return made.color_scheme(_by_thresholds())


def _time_series(panel: Panel) -> Any:
    made = timeseries.Panel().line_width(2).span_nulls(False)
    made.show_points(c.VisibilityMode.NEVER).color_scheme(_palette())
    made.legend(_legend()).tooltip(_tooltip(c.TooltipDisplayMode.MULTI))
    if panel.bars:
        made.draw_style(c.GraphDrawStyle.BARS).fill_opacity(70)
        made.stacking(common.StackingConfig().mode(c.StackingMode.NORMAL).group("A"))
    else:
        made.draw_style(c.GraphDrawStyle.LINE).fill_opacity(6)
    if panel.series:
        made.display_name(f"${{__field.labels.{panel.series}}}")
    if panel.provisional:
        dash = {"fill": "dash", "dash": [4, 4]}
        made.override_by_regexp(
            "/^provisional/",
            [
                models.DynamicConfigValue(id_val="custom.lineStyle", value=dash),
                models.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
            ],
        )
    if panel.limit:
        style = common.GraphThresholdsStyleConfig().mode(c.GraphThresholdsStyleMode.DASHED)
        made.thresholds_style(style)
    return made


def _table(_: Panel) -> Any:
    return table.Panel().show_header(True).cell_height(c.TableCellHeight.SM)


def _bars(panel: Panel) -> Any:
    made = barchart.Panel().x_field(panel.x).orientation(c.VizOrientation.HORIZONTAL)
    made.show_value(c.VisibilityMode.ALWAYS).fill_opacity(80).line_width(0)
    hidden = common.VizLegendOptions().show_legend(False).display_mode(c.LegendDisplayMode.LIST)
    made.legend(hidden.placement(c.LegendPlacement.BOTTOM).calcs([]))
    one = sdk.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(BLUE)
    return made.color_scheme(one).tooltip(_tooltip(c.TooltipDisplayMode.SINGLE))


def _states(_: Panel) -> Any:
    made = statetimeline.Panel().show_value(c.VisibilityMode.NEVER).merge_values(True)
    made.row_height(0.8).legend(_legend()).color_scheme(_by_thresholds()).fill_opacity(85)
    return made.line_width(0)


def _heat(panel: Panel) -> Any:
    scale = heatmap.HeatmapColorOptions().mode(h.HeatmapColorMode.SCHEME).scheme("Cividis")
    # Cividis is made to look the same to people with and without colour blindness.
    if panel.minimum is not None and panel.maximum is not None:
        scale.min(panel.minimum).max(panel.maximum)
    made = heatmap.Panel().calculate(False).color(scale.steps(32)).cell_gap(1)
    made.mode(c.TooltipDisplayMode.SINGLE)
    made.cell_values(heatmap.CellValues().unit(panel.unit)).show_legend()
    # Grafana leaves zeros out unless told otherwise, and then they look like unknown.
    made.filter_values(heatmap.FilterValueRange().le(-1))
    if panel.series:
        made.display_name(f"${{__field.labels.{panel.series}}}")
    return made


def _by_thresholds() -> sdk.FieldColor:
    return sdk.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _palette() -> sdk.FieldColor:
    return sdk.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)


def _legend() -> common.VizLegendOptions:
    made = common.VizLegendOptions().display_mode(c.LegendDisplayMode.LIST).show_legend(True)
    return made.placement(c.LegendPlacement.BOTTOM).calcs([])


def _tooltip(mode: c.TooltipDisplayMode) -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(mode).sort(c.SortOrder.DESCENDING)


BUILDERS: Final[dict[Kind, Callable[[Panel], Any]]] = {
    "stat": _stat,
    "timeseries": _time_series,
    "table": _table,
    "barchart": _bars,
    "state-timeline": _states,
    "heatmap": _heat,
}
