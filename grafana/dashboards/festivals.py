"""Festivals, first launches and fairs of the project's calendar, as annotations."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.labels import BLUE
from grafana.dashboards.model import Annotation
from grafana.dashboards.sql import ZONE, literal
from grafana.dashboards.text import Lang, Text, each
from schemas.codes.events import EVENTS


def days(lang: Lang) -> str:
    """Rows (time, timeEnd, text, tags) of the events that touch the range."""
    listed = ", ".join(
        f"({literal(event.zh if lang == 'zh' else event.en)}, '{first}', '{last}')"
        for event in EVENTS
        for first, last in event.spans
    )
    return f"""SELECT
    toDateTime(concat(e.2, ' 00:00:00'), {ZONE}) AS time,
    toDateTime(concat(e.3, ' 23:59:59'), {ZONE}) AS timeEnd,
    e.1 AS text, 'festival' AS tags
FROM (SELECT arrayJoin([{listed}]) AS e)
WHERE time <= $__toTime AND timeEnd >= $__fromTime
ORDER BY time, text"""


MARKS: Final = Annotation(
    Text("节庆、首发与展会", "Festivals, launches and fairs"), each(days), BLUE
)
