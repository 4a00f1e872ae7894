"""Answers a page: the figures of the panels it shows, all over the same range."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from grafana.dashboards.text import Lang
from grafana.screen import macros, prometheus, timerange, variables
from grafana.screen.cache import QueryCache
from grafana.screen.errors import AwayError, BadRequestError, ScreenError
from grafana.screen.latest import Latest
from grafana.screen.library import Library, Query
from grafana.screen.marks import Marks
from grafana.screen.prometheus import Metrics
from grafana.screen.timerange import TimeRange

DEFAULT_FROM: Final = "latest-60m"
DEFAULT_TO: Final = "latest"
_MOST_PANELS: Final = 60
# A range that ends this long ago is one of the data's clock, or of history.
_PRESENT: Final = timedelta(minutes=2)


class Panels:
    """The screen's read side, apart from HTTP."""

    def __init__(self, library: Library, cache: QueryCache, metrics: Metrics) -> None:
        self._library = library
        self._cache = cache
        self._metrics = metrics
        self._latest = Latest(cache)
        self._marks = Marks(library, cache)

    async def _span(self, asked: Mapping[str, str]) -> tuple[TimeRange, datetime | None]:
        """The range asked for, and the newest moment of the data where it hangs on that."""
        start, end = asked.get("from", DEFAULT_FROM), asked.get("to", DEFAULT_TO)
        latest = await self._latest.moment() if timerange.needs_latest(start, end) else None
        return timerange.resolve(start, end, datetime.now(UTC), latest), latest

    async def figures(
        self, uid: str, lang: Lang, ids: Sequence[str], asked: Mapping[str, str]
    ) -> dict[str, Any]:
        """Every asked panel's columns, or why there are none. Raises ScreenError when all fail."""
        if not 0 < len(ids) <= _MOST_PANELS:
            raise BadRequestError(
                "bad_panels",
                f"请给出 1 到 {_MOST_PANELS} 个图表编号。",
                f"Ask for 1 to {_MOST_PANELS} panels.",
            )
        queries = [self._library.query(uid, lang, panel) for panel in ids]
        span, latest = await self._span(asked)
        listed = self._library.variables(uid, lang)
        values = await variables.chosen(listed, asked, span, self._cache)
        marks, *results = await asyncio.gather(
            self._marks.over(uid, lang, span, values),
            *(self._one(q, span, values) for q in queries),
        )
        return {
            "from": _utc(span.start),
            "to": _utc(span.end),
            "latest": _utc(latest) if latest else None,
            "marks": marks,
            "panels": {str(q.panel): r for q, r in zip(queries, results, strict=True)},
        }

    async def choices(
        self, uid: str, lang: Lang, asked: Mapping[str, str]
    ) -> dict[str, variables.Options]:
        """What may be chosen for each template variable."""
        listed = self._library.variables(uid, lang)
        span, _ = await self._span(asked)
        return {v["name"]: await variables.options(v, span, self._cache) for v in listed}

    async def _one(self, query: Query, span: TimeRange, values: dict[str, str]) -> dict[str, Any]:
        step = timerange.step_seconds(span, query.max_points, query.min_step_s)
        if query.prom:
            return await self._measured(query, span, step)
        sql = macros.expand(query.sql, macros.Context(span, step, values))
        try:
            found = await self._cache.query(sql)
        except AwayError:
            raise
        except ScreenError as error:
            return {"status": "error", "error": error.body(), "digest": error.code}
        return {**found.body, "step_s": step}

    async def _measured(self, query: Query, span: TimeRange, step: int) -> dict[str, Any]:
        """The pipeline's own figures: they follow the clock on the wall, not the data."""
        now = datetime.now(UTC)
        if span.end < now - _PRESENT:
            span = TimeRange(now - (span.end - span.start), now)
        try:
            found = await prometheus.ask(self._metrics, query.prom, span, step)
        except ScreenError as error:
            return {"status": "error", "error": error.body(), "digest": error.code}
        own = {"from": _utc(span.start), "to": _utc(span.end)}
        return {**found.body, "step_s": step, "span": own}


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
