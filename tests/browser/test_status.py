"""The first line of the city overview, at moments of the day that are well known."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from deploy.check.simulated_day.events import flag_events
from grafana.dashboards import catalogue
from grafana.screen.timerange import TimeRange
from tests.browser.conftest import CityDay

pytestmark = pytest.mark.integration


def told(city_day: CityDay, hour: float, lang: Any = "zh", **values: str) -> tuple[int, str]:
    """State and words where the range ends at an hour of the day."""
    end = city_day.day.start + timedelta(hours=hour)
    span = TimeRange(end - timedelta(hours=1), end)
    (one,) = [
        asked
        for asked in catalogue.panels(span, {"session": city_day.day.session, **values}, lang)
        if asked.board.removesuffix("-en") == "city-overview" and asked.name == "9"
    ]
    state, words = city_day.ask(one.sql).columns
    return state.values[0], words.values[0]


def still_open(city_day: CityDay) -> Counter[str]:
    """Flags that were never cleared, by the grade that they reached."""
    newest = {event["flag_id"]: event for event in flag_events(city_day.day)}
    return Counter(e["grade"] for e in newest.values() if e["event"] != "cleared")


def test_what_is_open_at_the_end_of_the_day_is_counted(city_day: CityDay) -> None:
    counted = still_open(city_day)
    state, words = told(city_day, 23.9)
    assert state == 2
    assert words.startswith("▲ 立即查看：")
    assert f"{counted['critical']} 个严重级标记未解除" in words
    assert f"{counted['raised']} 个升高级标记未解除" in words
    assert "数据完整率 " in words
    english = told(city_day, 23.9, "en")[1]
    assert english.startswith("▲ Look now: ")
    assert f"{counted['critical']} critical flag(s) open" in english


def test_a_source_that_is_silent_is_an_alarm(city_day: CityDay) -> None:
    """p03 sends nothing from 16:00 to 16:25."""
    state, words = told(city_day, 16.35)
    assert state == 2
    assert "1 个数据来源静默，其数值未知" in words
    assert "静默" not in told(city_day, 16.35, platform="p01")[1]


def test_where_nothing_came_it_is_unknown_and_not_well(city_day: CityDay) -> None:
    state, words = told(city_day, -3)
    assert (state, words[:4]) == (3, "○ 未知")
    assert "不是零" in words


def test_a_quiet_hour_is_well(city_day: CityDay) -> None:
    """p01 before its first flag has all that it sent."""
    mine = [e["onset"] for e in flag_events(city_day.day) if e["platform_id"] == "p01"]
    before = (min(mine) - city_day.day.start) / timedelta(hours=1) - 0.1
    state, words = told(city_day, before, platform="p01")
    assert (state, words[:4]) == (0, "● 平稳")
    assert "数据完整率 " in words
