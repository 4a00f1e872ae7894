"""Every query that the committed dashboards run, with the plugin's macros expanded.

For tests and benches: `panels(span)` is what a Grafana, or the screen, sends to ClickHouse
when somebody opens each dashboard over that span.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from grafana.dashboards.text import Json, Lang
from grafana.screen import macros
from grafana.screen.library import Library
from grafana.screen.timerange import TimeRange, step_seconds

#: How far back a variable's values are looked for, by the screen as here.
LOOK_BACK: Final = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """One query: of a panel (its id), an annotation or a variable (its name)."""

    board: str
    what: str
    name: str
    kind: str
    sql: str = field(repr=False)
    step_s: int = 60


def panels(
    span: TimeRange,
    values: Mapping[str, str] | None = None,
    lang: Lang = "zh",
    library: Library | None = None,
) -> list[Asked]:
    """Panels that ask ClickHouse, over `span`, with `values` for the template variables.

    Variables without a value are All; `session`, which has no All, must be given to find
    rows in the session's dashboard.
    """
    shelf = library or Library.committed()
    return [
        _panel(board["uid"], panel, span, _values(board, values or {}))
        for board in _boards(shelf, lang)
        for panel in board["panels"]
        if "rawSql" in panel["targets"][0]
    ]


def others(
    span: TimeRange,
    values: Mapping[str, str] | None = None,
    lang: Lang = "zh",
    library: Library | None = None,
) -> list[Asked]:
    """Annotations and the queries of variables."""
    shelf = library or Library.committed()
    found: list[Asked] = []
    for board in _boards(shelf, lang):
        context = macros.Context(span, 60, _values(board, values or {}))
        for mark in board["annotations"].get("list", []):
            sql = macros.expand(mark["target"]["rawSql"], context)
            found.append(Asked(board["uid"], "annotation", mark["name"], "annotation", sql))
        back = macros.Context(span.back_to(LOOK_BACK), 60, {})
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                sql = macros.expand(variable["query"], back)
                found.append(Asked(board["uid"], "variable", variable["name"], "variable", sql))
    return found


def _boards(shelf: Library, lang: Lang) -> list[Json]:
    return [shelf.board(listed["uid"], lang) for listed in shelf.listing()]


def _values(board: Json, values: Mapping[str, str]) -> dict[str, str]:
    names = [v["name"] for v in board["templating"]["list"] if v["type"] != "datasource"]
    return {name: values.get(name, macros.ALL) for name in names}


def _panel(board: str, panel: Json, span: TimeRange, values: Mapping[str, str]) -> Asked:
    minimum = int(panel["interval"][:-1]) * {"s": 1, "m": 60, "h": 3600}[panel["interval"][-1]]
    step = step_seconds(span, panel["maxDataPoints"], minimum)
    sql = macros.expand(panel["targets"][0]["rawSql"], macros.Context(span, step, values))
    return Asked(board, "panel", str(panel["id"]), panel["type"], sql, step)
