"""Definitions become Grafana's classic dashboard JSON, through Grafana's Foundation SDK.

Needs the development dependencies; the screen and a real Grafana read the committed result.
"""

from __future__ import annotations

import json
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.dashboards import kinds
from grafana.dashboards.model import Annotation, Dashboard, Field, Label, Link, Panel, Variable
from grafana.dashboards.sources import CLICKHOUSE, PROMETHEUS, ClickHouseQuery, targets
from grafana.dashboards.text import UNKNOWN, Json, Lang, Text

SCHEMA_VERSION: Final = 41
ALL: Final = Text("全部", "All")
_OTHERS: Final = Text("其他仪表盘", "Other dashboards")


def render(board: Dashboard, lang: Lang) -> Json:
    """The dashboard as Grafana reads it."""
    made = (
        sdk.Dashboard(board.title.of(lang))
        .uid(uid(board.uid, lang))
        .description(board.description.of(lang))
        .tags(["livewatch", lang])
        .timezone("Asia/Shanghai")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .timepicker(sdk.TimePicker().refresh_intervals(["10s", "1m", "5m"]))
        .refresh(board.refresh)
        .version(1)
        .links([_navigation(lang)])
    )
    for x, y, w, h, panel in board.placed():
        made.with_panel(_panel(panel, lang).grid_pos(models.GridPos(h=h, w=w, x=x, y=y)))
    for variable in board.variables:
        made.with_variable(_variable(variable, lang))
    for annotation in board.annotations:
        made.annotation(_annotation(annotation, lang))
    built = made.build()
    built.schema_version = SCHEMA_VERSION
    body: Json = json.loads(json.dumps(built, cls=JSONEncoder))
    shown = body["annotations"].setdefault("list", [])
    for annotation, listed in zip(board.annotations, shown, strict=True):
        listed["target"] = _annotation_target(annotation, lang)
    return body


def uid(name: str, lang: Lang) -> str:
    return name if lang == "zh" else f"{name}-en"


def _navigation(lang: Lang) -> sdk.DashboardLink:
    return (
        sdk.DashboardLink(_OTHERS.of(lang))
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["livewatch", lang])
        .icon("external link")
        .include_vars(True)
        .keep_time(True)
    )


def _panel(panel: Panel, lang: Lang) -> Any:
    source = PROMETHEUS if panel.prom else CLICKHOUSE
    made = kinds.BUILDERS[panel.kind](panel)
    made.id(panel.id).title(panel.title.of(lang)).description(panel.description.of(lang))
    made.datasource(source).unit(panel.unit).no_value(UNKNOWN.of(lang))
    made.thresholds(_thresholds(panel)).max_data_points(400)
    # Indicators exist per minute: a finer step would only make holes.
    made.interval(panel.interval)
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.minimum is not None:
        made.min(panel.minimum)
    if panel.maximum is not None:
        made.max(panel.maximum)
    made.mappings(_mappings(panel.labels, lang))
    for field in panel.fields:
        made.override_by_name(field.name, _properties(field, lang))
    for target in targets(panel, lang):
        made.with_target(target)
    return made


def _thresholds(panel: Panel) -> sdk.ThresholdsConfig:
    steps = [models.Threshold(value=s.value, color=s.color) for s in panel.steps]
    base = models.Threshold(value=None, color="text")
    if not steps or steps[0].value is not None:
        steps.insert(0, base)
    return sdk.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mappings(labels: tuple[Label, ...], lang: Lang) -> list[models.ValueMap | models.RegexMap]:
    """Codes as one mapping, and each pattern as one of its own."""
    codes = tuple(label for label in labels if not label.code.startswith("/"))
    patterns = [_pattern(n, one) for n, one in enumerate(labels) if one.code.startswith("/")]
    return [*([_mapping(codes, lang)] if codes else []), *patterns]


def _pattern(index: int, label: Label) -> models.RegexMap:
    colored = models.ValueMappingResult(color=label.color, index=index)
    return models.RegexMap(
        options=models.DashboardRegexMapOptions(pattern=label.code, result=colored)
    )


def _mapping(labels: tuple[Label, ...], lang: Lang) -> models.ValueMap:
    shown = {
        label.code: models.ValueMappingResult(
            text=label.text.of(lang), color=label.color, index=index
        )
        for index, label in enumerate(labels)
    }
    return models.ValueMap(options=shown)


def _properties(field: Field, lang: Lang) -> list[models.DynamicConfigValue]:
    cell: Json | None = None
    if field.badge:
        cell = {"type": "color-background", "mode": "basic"}
    if field.wrap:
        cell = {"type": "auto", "wrapText": True}
    fixed = {"mode": "fixed", "fixedColor": field.color} if field.color else None
    wanted: Json = {
        "displayName": field.title.of(lang),
        "unit": field.unit,
        "decimals": field.decimals,
        "custom.width": field.width,
        "mappings": _mappings(field.labels, lang) or None,
        "custom.cellOptions": cell,
        "custom.hidden": field.hidden or None,
        "color": fixed,
        "noValue": field.absent.of(lang) if field.absent else None,
        "links": [_data_link(field.link, lang)] if field.link else None,
    }
    return [
        models.DynamicConfigValue(id_val=name, value=value)
        for name, value in wanted.items()
        if value is not None
    ]


def _data_link(link: Link, lang: Lang) -> Json:
    chosen = "".join(f"&var-{name}={value}" for name, value in link.variables)
    url = f"/d/{uid(link.board, lang)}?${{__url_time_range}}{chosen}"
    return {"title": link.title.of(lang), "url": url, "targetBlank": False}


def _variable(variable: Variable, lang: Lang) -> Any:
    label = variable.title.of(lang)
    if variable.kind == "datasource":
        kind = PROMETHEUS.type_val if variable.name == "prometheus" else CLICKHOUSE.type_val
        return sdk.DatasourceVariable(variable.name).label(label).type(kind or "")
    every = models.VariableOption(text=ALL.of(lang), value="$__all", selected=True)
    made: Any
    if variable.kind == "query":
        made = sdk.QueryVariable(variable.name).query(variable.query).datasource(CLICKHOUSE)
        made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        made.sort(models.VariableSort.DISABLED)
    else:
        options = [
            models.VariableOption(text=text.of(lang), value=code, selected=False)
            for code, text in variable.options
        ]
        # Grafana parses `text : value` pairs from the query string of a custom variable.
        pairs = ", ".join(f"{o.text} : {o.value}" for o in options)
        made = sdk.CustomVariable(variable.name).values(pairs)
        made.options([every, *options] if variable.all else options)
    if variable.all:
        made.current(every)
    # Only what is listed: a value that somebody types would reach the query.
    return made.label(label).multi(False).include_all(variable.all).allow_custom_value(False)


def _annotation(annotation: Annotation, lang: Lang) -> sdk.AnnotationQuery:
    return (
        sdk.AnnotationQuery()
        .name(annotation.name.of(lang))
        .datasource(CLICKHOUSE)
        .enable(True)
        .icon_color(annotation.color)
    )


def _annotation_target(annotation: Annotation, lang: Lang) -> Json:
    """The SDK's class knows Grafana's own annotations only; the plugin's are a query each."""
    return ClickHouseQuery(annotation.sql.of(lang), over_time=False, ref_id="Anno").to_json()
