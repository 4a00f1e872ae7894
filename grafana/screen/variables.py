"""What a reader may choose for the template variables, and whether a choice is one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from grafana.dashboards.text import Json
from grafana.screen import macros
from grafana.screen.cache import QueryCache
from grafana.screen.errors import BadRequestError
from grafana.screen.timerange import TimeRange

PREFIX: Final = "var-"
_LONGEST: Final = 64
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# A platform that is silent in the chosen quarter of an hour is still a platform.
_LOOK_BACK: Final = timedelta(days=1)

Options = list[dict[str, str]]


async def options(variable: Json, span: TimeRange, cache: QueryCache) -> Options:
    """The values to choose from, "All" first: a closed list, or what the warehouse knows."""
    if variable["type"] == "custom":
        return [{"text": o["text"], "value": o["value"]} for o in variable["options"]]
    context = macros.Context(span.back_to(_LOOK_BACK), 60, {})
    found = await cache.query(macros.expand(variable["query"], context))
    values = [v for v in found.columns[0].values if v is not None] if found.columns else []
    current = variable.get("current", {})
    every = [{"text": current["text"], "value": macros.ALL}] if variable["includeAll"] else []
    return [*every, *({"text": v, "value": v} for v in values)]


async def chosen(
    variables: list[Json], asked: Mapping[str, str], span: TimeRange, cache: QueryCache
) -> dict[str, str]:
    """Validated values by name. Raises BadRequestError, which never repeats the value."""
    names = {v["name"] for v in variables}
    if any(k.startswith(PREFIX) and k.removeprefix(PREFIX) not in names for k in asked):
        raise BadRequestError("unknown_variable", "没有这个筛选项。", "There is no such variable.")
    return {v["name"]: await _one(v, asked, span, cache) for v in variables}


async def _one(variable: Json, asked: Mapping[str, str], span: TimeRange, cache: QueryCache) -> str:
    value = asked.get(PREFIX + variable["name"], macros.ALL)
    if value == macros.ALL:
        if variable["includeAll"]:
            return value
        # A session, where none is chosen: the first that there is to choose from.
        listed = await options(variable, span, cache)
        return listed[0]["value"] if listed else ""
    if not variable["includeAll"] and _ID.fullmatch(value):
        # A link leads to any session, also one that is not among those listed.
        return value
    if len(value) <= _LONGEST:
        allowed: list[Any] = await options(variable, span, cache)
        if any(o["value"] == value for o in allowed):
            return value
    label = variable["label"]
    raise BadRequestError(
        "unknown_value",
        f"“{label}”没有这个取值。",
        f"That is not one of the values of “{label}”.",
    )
