"""A dashboard's annotations: what is marked over the time axis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from grafana.dashboards.text import Json, Lang
from grafana.screen import macros
from grafana.screen.cache import QueryCache
from grafana.screen.errors import AwayError, ScreenError
from grafana.screen.library import Library
from grafana.screen.timerange import TimeRange


class Marks:
    def __init__(self, library: Library, cache: QueryCache) -> None:
        self._library = library
        self._cache = cache

    async def over(
        self, uid: str, lang: Lang, span: TimeRange, values: Mapping[str, str]
    ) -> list[Json]:
        """Marks in the range, times in ms. One that cannot be read leaves figures as they are."""
        listed = self._library.annotations(uid, lang)
        found = await asyncio.gather(*(self._one(mark, span, values) for mark in listed))
        return [mark for marks in found for mark in marks]

    async def _one(self, mark: Json, span: TimeRange, values: Mapping[str, str]) -> list[Json]:
        sql = macros.expand(mark["target"]["rawSql"], macros.Context(span, 60, values))
        try:
            found = await self._cache.query(sql)
        except AwayError:
            raise
        except ScreenError:
            return []
        columns: dict[str, list[Any]] = {c.name: c.values for c in found.columns}
        rows = zip(
            columns["time"], columns["timeEnd"], columns["text"], columns["tags"], strict=True
        )
        return [
            {
                "name": mark["name"],
                "color": mark["iconColor"],
                "from": start,
                "to": end,
                "text": text,
                "span": tag == "festival",
            }
            for start, end, text, tag in rows
        ]
