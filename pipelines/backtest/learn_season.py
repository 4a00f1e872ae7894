"""`livewatch seasons`: what hours and events do to complaints per order, from history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from clickhouse_driver import errors as driver_errors

from pipelines.backtest.read import InputError
from pipelines.cli import settings
from pipelines.core.detect import ExposurePolicy, ExposureState, close_exposure, hour_of_week
from pipelines.core.detect.exposure import HOURS_PER_WEEK
from pipelines.core.detect.season import CITY, shanghai
from pipelines.errors import CommandError
from pipelines.season import LEAST, MOST, SeasonFile
from pipelines.warehouse.client import connect
from schemas.codes.events import EVENTS, exposure_factor

app = typer.Typer(help="Seasonal factors of the complaint spike from history.")
Floats = npt.NDArray[np.float64]
Row = tuple[int, str, str, int, int]
"""(hour since the epoch, platform, category, complaints, orders)"""
HOUR_MS = 3_600_000
SHRINK = 20.0
"""Complaints that a factor has to have been expected to count as much as what it is drawn to."""
LEAST_DAYS = 7
_HOURLY = ExposurePolicy(half_life_bins=1.0)  # the same hour as the detector's, in bins of an hour
_ROWS = """
SELECT intDiv(toUnixTimestamp(hour), 3600) AS h, platform_id, category, sum(complaints),
    sum(orders) FROM v_settled_hour_cell WHERE hour >= %(first)s AND hour < %(last)s
GROUP BY h, platform_id, category ORDER BY h"""


def learn(rows: Iterable[Row]) -> SeasonFile:
    """Factors from settled hours. Raises InputError where there are too few ordinary days.

    Ordinary days, without a festival, give the hours of the week; what they leave of the days of
    an event is its factor. Every ratio is drawn to the wider one: a group's to the city's, an hour
    of the week's to that of the day.
    """
    history = _History.of(rows)
    if history.ordinary.sum() < LEAST_DAYS * 24:
        raise InputError(f"the history must have {LEAST_DAYS} days without a festival")
    expected = history.expected()
    city = _week(history, expected, np.ones(len(history.groups), bool), np.ones(HOURS_PER_WEEK))
    hours = {CITY: city}
    for name in history.names():
        hours[name] = _week(history, expected, history.of_name(name), city)
    events = _events(history, expected * hours[CITY][history.week][:, None])
    first, last = (datetime.fromtimestamp(3600 * h, UTC).isoformat() for h in history.span)
    return SeasonFile(first, last, {n: np.round(w, 4).tolist() for n, w in hours.items()}, events)


class _History:
    """Complaints and lagged orders [hour, group], and which hours are of ordinary days."""

    def __init__(self, groups: list[tuple[str, str]], first: int, counts: Floats, orders: Floats):
        self.groups, self.counts = groups, counts
        hours = first + np.arange(len(counts))
        self.span = (first, first + len(counts))
        self.week = np.array([hour_of_week(int(h) * HOUR_MS) for h in hours])
        self.days = [shanghai(int(h) * HOUR_MS) for h in hours]
        self.ordinary = np.array([exposure_factor(day) == 1.0 for day in self.days])
        pool = ExposureState.empty(len(groups), warm=True)
        self.exposure = np.array([close_exposure(pool, slice(None), o, _HOURLY) for o in orders])

    @classmethod
    def of(cls, rows: Iterable[Row]) -> _History:
        some = list(rows)
        if not some:
            raise InputError("the history is empty")
        groups = sorted({(platform, category) for _, platform, category, _, _ in some})
        place = {group: i for i, group in enumerate(groups)}
        first, last = min(r[0] for r in some), max(r[0] for r in some)
        counts, orders = (np.zeros((last - first + 1, len(groups))) for _ in range(2))
        for hour, platform, category, complaints, sold in some:
            at = (hour - first, place[platform, category])
            counts[at] += complaints
            orders[at] += sold
        return cls(groups, first, counts, orders)

    def expected(self) -> Floats:
        """Complaints [hour, group] by each group's own rate on ordinary days."""
        some = self.ordinary
        rate = self.counts[some].sum(axis=0) / np.maximum(self.exposure[some].sum(axis=0), 1.0)
        return np.asarray(rate * self.exposure, np.float64)

    def names(self) -> list[str]:
        """What has factors of its own: platforms, categories, and both together."""
        both = {f"{platform}/{category}" for platform, category in self.groups}
        return sorted(both | {p for p, _ in self.groups} | {c for _, c in self.groups})

    def of_name(self, name: str) -> npt.NDArray[np.bool_]:
        """Groups [group] that belong to a name."""
        return np.array([name in (p, c, f"{p}/{c}") for p, c in self.groups])


def _week(
    history: _History, expected: Floats, some: npt.NDArray[np.bool_], prior: Floats
) -> Floats:
    """[168] factors of the groups `some`, drawn to their hours of the day and those to `prior`."""
    at, week = history.ordinary, history.week
    seen = history.counts[:, some].sum(axis=1)[at]
    usual = expected[:, some].sum(axis=1)[at] * prior[week[at]]
    hour = week[at] % 24
    daily = _ratio(np.bincount(hour, seen, 24), np.bincount(hour, usual, 24))
    base = prior * np.tile(daily, 7)
    usual = usual * daily[hour]
    rest = _ratio(
        np.bincount(week[at], seen, HOURS_PER_WEEK), np.bincount(week[at], usual, HOURS_PER_WEEK)
    )
    return np.clip(base * rest, LEAST, MOST)


def _events(history: _History, expected: Floats) -> dict[str, float]:
    """Factor of each event that took place in the history and brings more exposure."""
    seen, usual = history.counts.sum(axis=1), expected.sum(axis=1)
    found = {}
    for event in EVENTS:
        on = np.array([event.on(day) for day in history.days])
        if on.any() and event.factor is not None:
            ratio = _ratio(seen[on].sum(keepdims=True), usual[on].sum(keepdims=True))
            found[event.id] = round(float(np.clip(ratio[0], LEAST, MOST)), 4)
    return found


def _ratio(seen: npt.NDArray[Any], usual: npt.NDArray[Any]) -> Floats:
    return np.asarray((seen + SHRINK) / (usual + SHRINK), np.float64)


def from_warehouse(client: Any, first: int, last: int) -> list[Row]:
    """Settled hours from `first` to before `last`, hours since the epoch."""
    found = client.execute(_ROWS, {"first": first * 3600, "last": last * 3600})
    return [(int(h), p, c, int(n), int(o)) for h, p, c, n, o in found]


@app.command()
def seasons(
    out: Annotated[Path, typer.Option(help="The file for the workers.")] = Path("season.json"),
    days: Annotated[int, typer.Option(min=LEAST_DAYS, help="Days to learn from.")] = 400,
) -> None:
    """Learn what hours of the week and events do to complaints per order.

    From the settled hours of the warehouse, by platform and category. Workers load OUT at their
    start (LIVEWATCH_SEASON_FILE). With a year of history the festivals have factors, too.

        livewatch seasons --days 400 --out /etc/livewatch/season.json
    """
    now = int(datetime.now(UTC).timestamp()) // 3600
    try:
        made = learn(from_warehouse(connect(settings()), now - 24 * days, now))
        out.write_text(made.to_json(), "utf-8")
    except (driver_errors.Error, EOFError) as error:
        raise CommandError(f"seasons: ClickHouse: {str(error).splitlines()[0]}") from None
    except (InputError, OSError) as error:
        raise CommandError(f"seasons: {error}", 2) from None
    told = {"first": made.first, "last": made.last, "groups": len(made.hours)}
    typer.echo(json.dumps(told | {"events": made.events, "out": str(out)}))
