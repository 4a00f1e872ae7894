"""Figures of the pipeline: from a Prometheus, else from the workers' /metrics themselves."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx
from prometheus_client.parser import text_string_to_metric_families

from grafana.dashboards.text import Json
from grafana.screen import promql
from grafana.screen.errors import no_prometheus, prometheus_away
from grafana.screen.frames import Column, Frame
from grafana.screen.timerange import TimeRange

_EVERY_S: Final = 10.0
_KEPT: Final = 720
_TIMEOUT_S: Final = 4.0
_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")

Line = tuple[str, list[tuple[float, float | None]]]
"""(name, (seconds, value) in order of time)"""


class Metrics(Protocol):
    """Answers a panel's Prometheus targets over a span of the clock on the wall."""

    async def lines(self, target: Json, span: TimeRange, step_s: int) -> list[Line]: ...

    async def run(self) -> None: ...


async def ask(metrics: Metrics, targets: Sequence[Json], span: TimeRange, step_s: int) -> Frame:
    """Columns time, name and value, or for an instant query one column. Raises ScreenError."""
    found = [await metrics.lines(t, span, step_s) for t in targets]
    listed = [line for lines in found for line in lines]
    if all(t.get("instant") for t in targets):
        newest = [v for _, points in listed for _, v in points[-1:]]
        return Frame((Column("value", "number", newest),))
    rows = sorted((round(t * 1000), name, v) for name, points in listed for t, v in points)
    times, names, values = ([row[i] for row in rows] for i in range(3))
    return Frame(
        (
            Column("time", "time", times),
            Column("name", "string", names),
            Column("value", "number", values),
        )
    )


def legend(template: str, labels: dict[str, str]) -> str:
    return _LABEL.sub(lambda match: labels.get(match[1], ""), template)


class Nothing:
    """Neither is configured."""

    async def lines(self, target: Json, span: TimeRange, step_s: int) -> list[Line]:
        raise no_prometheus()

    async def run(self) -> None:
        return


@dataclass
class Prometheus:
    """A Prometheus server, by its HTTP API."""

    url: str

    async def lines(self, target: Json, span: TimeRange, step_s: int) -> list[Line]:
        instant = bool(target.get("instant"))
        asked: dict[str, Any] = {"query": target["expr"]}
        if instant:
            asked["time"] = span.end.timestamp()
        else:
            asked |= {
                "start": span.start.timestamp(),
                "end": span.end.timestamp(),
                "step": step_s,
            }
        path = "query" if instant else "query_range"
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = await client.get(f"{self.url}/api/v1/{path}", params=asked)
                answer.raise_for_status()
                result = answer.json()["data"]["result"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise prometheus_away() from error
        return [
            (
                legend(target["legendFormat"], one["metric"]),
                [_point(p) for p in ([one["value"]] if instant else one["values"])],
            )
            for one in result
        ]

    async def run(self) -> None:
        return


def _point(pair: Sequence[Any]) -> tuple[float, float | None]:
    value = float(pair[1])
    return float(pair[0]), value if value == value else None


class Workers:
    """Reads /metrics of each worker every ten seconds and remembers two hours."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._history: deque[promql.Snapshot] = deque(maxlen=_KEPT)
        self._answering = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
            while True:
                await self.scrape(client)
                await asyncio.sleep(_EVERY_S)

    async def scrape(self, client: httpx.AsyncClient) -> None:
        texts = await asyncio.gather(*(_text(client, url) for url in self._urls))
        self._answering = sum(text is not None for text in texts)
        merged: dict[tuple[str, promql.Labels], float] = {}
        for number, text in enumerate(texts):
            for family in text_string_to_metric_families(text or ""):
                for sample in family.samples:
                    labels = {**sample.labels, "instance": str(number)}
                    merged[sample.name, tuple(sorted(labels.items()))] = sample.value
        self._history.append((time.time(), merged))

    async def lines(self, target: Json, span: TimeRange, step_s: int) -> list[Line]:
        if not self._answering:
            raise prometheus_away()
        expression = promql.parse(target["expr"])
        history = list(self._history)
        first, last = span.start.timestamp(), span.end.timestamp()
        shown = [i for i, (at, _) in enumerate(history) if first <= at <= last + _EVERY_S]
        if target.get("instant"):
            shown = shown[-1:]
        found: dict[str, list[tuple[float, float | None]]] = {}
        for index in shown:
            for labels, value in promql.evaluate(expression, history, index).items():
                name = legend(target["legendFormat"], dict(labels))
                found.setdefault(name, []).append((history[index][0], value))
        return sorted(found.items())


async def _text(client: httpx.AsyncClient, url: str) -> str | None:
    try:
        answer = await client.get(url)
        answer.raise_for_status()
    except httpx.HTTPError:
        return None
    return answer.text


def chosen(prometheus: str, workers: str) -> Metrics:
    """By the settings: a Prometheus, the workers, or nothing."""
    if prometheus:
        return Prometheus(prometheus.rstrip("/"))
    urls = [url.strip() for url in workers.split(",") if url.strip()]
    return Workers(urls) if urls else Nothing()
