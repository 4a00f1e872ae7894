"""Typed builders for Grafana's classic dashboard JSON.

A definition is written once with both languages beside each other; `to_json(lang)` gives
the dashboard as Grafana reads it. The committed JSON is what Grafana provisions and what
the local screen draws: there is no second description of a panel anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Lang = Literal["zh", "en"]
LANGS: Final[tuple[Lang, ...]] = ("zh", "en")
Json = dict[str, Any]

#: The data source is a variable, so that one file serves every organisation.
DATASOURCE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
PLUGIN_VERSION: Final = "4.20.0"


@dataclass(frozen=True)
class Text:
    """The same words in Chinese and in English."""

    zh: str
    en: str

    def of(self, lang: Lang) -> str:
        return self.zh if lang == "zh" else self.en


def both(text: str) -> Text:
    """Text that is the same in both languages (an id, a number, SQL)."""
    return Text(text, text)


UNKNOWN: Final = Text("未知", "unknown")


@dataclass(frozen=True)
class Grid:
    """Position on Grafana's grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int

    def to_json(self) -> Json:
        return {"x": self.x, "y": self.y, "w": self.w, "h": self.h}


@dataclass(frozen=True)
class Label:
    """What a code shows as. The text carries a shape where the colour carries a meaning."""

    code: str
    text: Text
    color: str | None = None


@dataclass(frozen=True)
class Field:
    """How one column shows: its name in both languages, unit, width, labels of its codes."""

    name: str
    title: Text
    unit: str | None = None
    decimals: int | None = None
    width: int | None = None
    labels: tuple[Label, ...] = ()
    badge: bool = False
    wrap: bool = False
    hidden: bool = False

    def to_json(self, lang: Lang) -> Json:
        properties: list[Json] = [{"id": "displayName", "value": self.title.of(lang)}]
        if self.unit is not None:
            properties.append({"id": "unit", "value": self.unit})
        if self.decimals is not None:
            properties.append({"id": "decimals", "value": self.decimals})
        if self.width is not None:
            properties.append({"id": "custom.width", "value": self.width})
        if self.labels:
            properties.append({"id": "mappings", "value": [value_mapping(self.labels, lang)]})
        if self.badge:
            cell: Json = {"type": "color-background", "mode": "basic"}
            properties.append({"id": "custom.cellOptions", "value": cell})
        if self.wrap:
            cell = {"type": "auto", "wrapText": True}
            properties.append({"id": "custom.cellOptions", "value": cell})
        if self.hidden:
            properties.append({"id": "custom.hidden", "value": True})
        matcher = {"id": "byName", "options": self.name}
        return {"matcher": matcher, "properties": properties}


def value_mapping(labels: tuple[Label, ...], lang: Lang) -> Json:
    options: Json = {}
    for index, label in enumerate(labels):
        option: Json = {"text": label.text.of(lang), "index": index}
        if label.color is not None:
            option["color"] = label.color
        options[label.code] = option
    return {"type": "value", "options": options}


@dataclass(frozen=True)
class Step:
    """From `value` on (None: from the start) the figure has this colour."""

    value: float | None
    color: str


@dataclass(frozen=True)
class Panel:
    """One panel. `sql` is Text because a sentence column differs by language."""

    id: int
    kind: Literal["stat", "timeseries", "table"]
    title: Text
    description: Text
    unit: str
    sql: Text
    grid: Grid
    format: Literal["time_series", "table"]
    decimals: int | None = None
    fields: tuple[Field, ...] = ()
    overrides: tuple[Json, ...] = ()
    steps: tuple[Step, ...] = ()
    custom: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    display_name: str | None = None
    minimum: float | None = None

    def to_json(self, lang: Lang) -> Json:
        return {
            "id": self.id,
            "type": self.kind,
            "title": self.title.of(lang),
            "description": self.description.of(lang),
            "datasource": DATASOURCE,
            "gridPos": self.grid.to_json(),
            # Indicators exist per minute: a finer step would only make holes.
            "interval": "1m",
            "maxDataPoints": 400,
            "targets": [self._target(lang)],
            "fieldConfig": {
                "defaults": self._defaults(lang),
                "overrides": [*(f.to_json(lang) for f in self.fields), *self.overrides],
            },
            "options": self.options,
        }

    def _target(self, lang: Lang) -> Json:
        series = self.format == "time_series"
        return {
            "refId": "A",
            "datasource": DATASOURCE,
            "editorType": "sql",
            "rawSql": self.sql.of(lang),
            "format": 0 if series else 1,
            "queryType": "timeseries" if series else "table",
            "pluginVersion": PLUGIN_VERSION,
        }

    def _defaults(self, lang: Lang) -> Json:
        steps = self.steps or (Step(None, "text"),)
        defaults: Json = {
            "unit": self.unit,
            "noValue": UNKNOWN.of(lang),
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "mappings": [],
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": s.value, "color": s.color} for s in steps],
            },
            "custom": self.custom,
        }
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        if self.minimum is not None:
            defaults["min"] = self.minimum
        if self.display_name is not None:
            defaults["displayName"] = self.display_name
        return defaults


@dataclass(frozen=True)
class Dashboard:
    """A dashboard in both languages; the English one has its own uid and file."""

    uid: str
    title: Text
    description: Text
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    tags: tuple[str, ...] = ("livewatch",)

    def to_json(self, lang: Lang) -> Json:
        return {
            "id": None,
            "uid": self.uid if lang == "zh" else f"{self.uid}-en",
            "title": self.title.of(lang),
            "description": self.description.of(lang),
            "tags": [*self.tags, lang],
            "schemaVersion": 41,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "Asia/Shanghai",
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {"refresh_intervals": ["2s", "10s", "1m", "5m"]},
            "refresh": "10s",
            "fiscalYearStartMonth": 0,
            "links": [],
            "annotations": {"list": []},
            "templating": {"list": [v.to_json(lang) for v in self.variables]},
            "panels": [p.to_json(lang) for p in self.panels],
        }


@dataclass(frozen=True)
class Variable:
    """A template variable: the data source, a closed list of codes, or a query's values."""

    name: str
    title: Text
    kind: Literal["datasource", "custom", "query"]
    options: tuple[tuple[str, Text], ...] = ()
    query: str = ""

    def to_json(self, lang: Lang) -> Json:
        common: Json = {
            "name": self.name,
            "label": self.title.of(lang),
            "type": self.kind,
            "hide": 0,
        }
        if self.kind == "datasource":
            return common | {"query": DATASOURCE["type"], "refresh": 1, "multi": False}
        every: Json = {"text": Text("全部", "All").of(lang), "value": "$__all"}
        common |= {"includeAll": True, "multi": False, "current": every}
        if self.kind == "query":
            return common | {"datasource": DATASOURCE, "query": self.query, "refresh": 2, "sort": 1}
        options = [{"text": t.of(lang), "value": code} for code, t in self.options]
        # Grafana parses `text : value` pairs from the query string of a custom variable.
        query = ", ".join(f"{o['text']} : {o['value']}" for o in options)
        return common | {"query": query, "options": [every, *options]}
