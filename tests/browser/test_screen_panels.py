"""Every panel's SQL on the real engine, and its figures against numpy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from clickhouse_driver.errors import ServerException

from grafana.dashboards.build import FOLDER
from tests.browser import data
from tests.browser.conftest import DATABASE, Screen

pytestmark = pytest.mark.integration

BOARD = json.loads((FOLDER / "city_overview.json").read_text("utf-8"))
KIND = {p["id"]: p["type"] for p in BOARD["panels"]}
CITY = [
    "sessions", "viewers", "orders_per_min", "gmv_yuan", "complaints_per_10000", "completeness",
]  # fmt: skip
STAT = ["time", *(c for name in CITY for c in (name, f"{name}_provisional"))]
SERIES = ["time", "platform_id", "value", "provisional"]
COLUMNS = {
    1: ["closed_minute", "latest_minute"],
    **dict.fromkeys(range(2, 8), STAT),
    8: ["critical", "raised", "watch"],
    **dict.fromkeys(range(11, 19), SERIES),
    21: ["grade", "state", "onset", "platform_id", "entity_type", "entity", "observed", "expected",
         "sentence", "flag_id"],
    22: ["platform_id", "category", "district", "complaints", "orders", "per_10000"],
    23: ["platform_id", "source", "status", "received", "gaps", "rows", "late_rows", "refused",
         "duplicates", "complete_to"],
}  # fmt: skip

Columns = dict[str, list[Any]]


@pytest.fixture(scope="module")
def ask(screen: Screen) -> Any:
    def asked(panel: int, **params: str) -> tuple[dict[str, Any], Columns]:
        query = {"dashboard": "city-overview", "panel": str(panel), **params}
        body = httpx.get(f"{screen.url}/api/query", params=query, timeout=20).json()
        result = body["panels"][str(panel)]
        assert result["status"] == "ok", result
        return body, {c["name"]: c["values"] for c in result["columns"]}

    return asked


def test_every_panel_is_known_here() -> None:
    assert COLUMNS.keys() == KIND.keys()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("panel", COLUMNS)
def test_a_panel_gives_its_columns_in_order(ask: Any, panel: int, lang: str) -> None:
    _, columns = ask(panel, lang=lang)
    assert list(columns) == COLUMNS[panel]
    assert all(len(values) > 0 for values in columns.values())
    if "time" in columns:
        assert columns["time"] == sorted(columns["time"])


@pytest.mark.parametrize("length", ["15m", "6h", "24h", "30d"])
@pytest.mark.parametrize("panel", COLUMNS)
def test_a_panel_answers_over_every_range(ask: Any, panel: int, length: str) -> None:
    _, columns = ask(panel, **{"from": f"latest-{length}"})
    assert list(columns) == COLUMNS[panel]


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def expected_city(city: data.City, cells: np.ndarray, minute: int) -> dict[str, float]:
    def total(name: str) -> float:
        kept = cells & city.present[minute]
        return float(city.figures[name][minute][kept].sum())

    return {
        "sessions": total("active_1m"),
        "viewers": total("viewers_1m"),
        "orders_per_min": total("orders_1m"),
        "gmv_yuan": total("paid_fen_5m") / 100,
        "complaints_per_10000": 1e4 * (total("complaints_60m") + 1) / (total("orders_60m") + 1000),
        "completeness": total("seen_5m") / total("expected_5m"),
    }


def last(values: list[Any]) -> Any:
    return next(v for v in reversed(values) if v is not None)


@pytest.mark.parametrize("name", CITY)
def test_city_figures_agree_with_numpy(ask: Any, city: data.City, name: str) -> None:
    _, columns = ask(2)
    everyone = np.ones(len(city.cells), bool)
    wanted = expected_city(city, everyone, city.last_closed)[name]
    assert last(columns[name]) == pytest.approx(wanted, rel=1e-9)
    newest = expected_city(city, everyone, len(city.minutes) - 2)[name]
    assert last(columns[f"{name}_provisional"]) == pytest.approx(newest, rel=1e-9)


def test_a_filter_narrows_the_figures(ask: Any, city: data.City) -> None:
    cells = np.array([c[0] == "platform-b" and c[1] == "jewellery" for c in city.cells])
    _, columns = ask(2, **{"var-platform": "platform-b", "var-category": "jewellery"})
    wanted = expected_city(city, cells, city.last_closed)
    for name in CITY:
        assert last(columns[name]) == pytest.approx(wanted[name], rel=1e-9)


def platform_value(city: data.City, panel: int, platform: str, minute: int) -> float | None:
    kept = city.of(platform) & city.present[minute]

    def total(name: str) -> float:
        return float(city.figures[name][minute][kept].sum())

    if not kept.any():
        return None
    return {
        11: lambda: total("active_1m"),
        12: lambda: total("viewers_1m"),
        13: lambda: total("orders_1m"),
        14: lambda: total("paid_fen_5m") / 100,
        15: lambda: total("complaints_1m"),
        16: lambda: 1e4 * (total("complaints_60m") + 1) / (total("orders_60m") + 1000),
        17: lambda: total("paid_fen_60m") / total("orders_60m") / 100,
        18: lambda: 1e6 * total("orders_5m") / total("viewer_milliminutes_5m"),
    }[panel]()


@pytest.mark.parametrize("panel", range(11, 19))
def test_every_point_of_every_line_agrees_with_numpy(ask: Any, city: data.City, panel: int) -> None:
    body, columns = ask(panel)
    at = {m: i for i, m in enumerate(city.minutes)}
    rows = list(zip(*(columns[c] for c in SERIES), strict=True))
    seen = set()
    for time, platform, value, provisional in rows:
        minute = at[moment(time)]
        seen.add((minute, platform))
        wanted = platform_value(city, panel, platform, minute)
        closed = minute <= city.last_closed
        assert value == (pytest.approx(wanted, rel=1e-9) if closed else None)
        # The dashed part starts at the last closed point, so that the line is whole.
        dashed = minute >= city.last_closed
        if dashed:
            assert provisional == pytest.approx(wanted, rel=1e-9)
        else:
            assert provisional is None
    start, end = (datetime.fromisoformat(body[k]) for k in ("from", "to"))
    shown = [i for i, m in enumerate(city.minutes) if start <= m <= end]
    there = {
        (i, p) for i in shown for p in data.PLATFORMS if platform_value(city, 11, p, i) is not None
    }
    # A minute that a platform did not report has no row: unknown, not zero.
    assert seen == there


def test_as_of_is_the_latest_closed_minute(ask: Any, city: data.City) -> None:
    _, columns = ask(1)
    assert moment(columns["closed_minute"][0]) == city.minutes[city.last_closed]
    assert moment(columns["latest_minute"][0]) == city.minutes[-2]


def test_flags_the_gravest_open_first(ask: Any) -> None:
    _, columns = ask(21, **{"from": "latest-24h"})
    rank = {"critical": 0, "raised": 1, "watch": 2}
    order = [
        (s != "open", rank[g]) for s, g in zip(columns["state"], columns["grade"], strict=True)
    ]
    assert order == sorted(order)
    assert len(order) == len(data.SPIKES)
    _, counts = ask(8)
    still = [s.grades[-1] for s in data.SPIKES if s.cleared is None]
    assert {g: counts[g][0] for g in rank} == {g: still.count(g) for g in rank}


@pytest.mark.parametrize(("lang", "word"), [("zh", "投诉"), ("en", "complaints")])
def test_the_sentence_is_in_the_language(ask: Any, lang: str, word: str) -> None:
    _, columns = ask(21, lang=lang)
    assert all(word in s for s in columns["sentence"])


def test_cells_with_most_complaints(ask: Any, city: data.City) -> None:
    _, columns = ask(22)
    window = slice(data.WARM_UP + data.SHOWN - 61, data.WARM_UP + data.SHOWN - 1)
    sums = city.figures["complaints_1m"][window].sum(axis=0)
    first = (columns["platform_id"][0], columns["category"][0], columns["district"][0])
    assert first == data.SPIKE_CELL == city.cells[int(sums.argmax())]
    assert columns["complaints"] == sorted(sums.tolist(), reverse=True)[:12]


def test_completeness_names_gaps_and_silence(ask: Any) -> None:
    _, columns = ask(23)
    status = dict(zip(columns["source"], columns["status"], strict=True))
    assert status == {
        f"{p}-gateway-{n}": (
            "gaps" if p == "platform-c" else "silent" if (p, n) == ("platform-d", 2) else "complete"
        )
        for p in data.PLATFORMS
        for n in (1, 2)
    }


def test_the_database_is_not_changed_by_looking(warehouse: Any) -> None:
    with (
        warehouse.client(database=DATABASE, user="viewer") as client,
        pytest.raises(ServerException, match="readonly"),
    ):
        client.execute("DROP TABLE flag_events")


def test_without_telemetry_everything_is_unknown_and_nothing_is_zero(ask: Any) -> None:
    """A range before the first sample: flags too are unknown there, not none."""
    silent = {"from": "latest-30d", "to": "latest-29d"}
    for panel in (1, 8):
        _, columns = ask(panel, **silent)
        assert all(values == [None] for values in columns.values())
    for panel in (2, 11, 22):
        _, columns = ask(panel, **silent)
        assert all(values == [] for values in columns.values())
