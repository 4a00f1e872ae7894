"""What people see of the page: figures, axes and colours that can be read."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000


def module(page: Page, name: str, expression: str) -> Any:
    """An expression over what a module of the page exports, as `m`."""
    return page.evaluate(f"import('/static/js/{name}.js').then((m) => {expression})")


FIGURES = [
    # value, unit, decimals, words in Chinese
    (None, "locale", None, "未知"),
    (0, "locale", None, "0"),
    (-0.001, "s", 2, "0.00秒"),
    (0.0014, "none", None, "0.0014"),
    (80, "none", None, "80"),
    (1224220.37, "none", None, "1,224,220"),
    (12345678, "locale", None, "1,235万"),
    (1795700000000, "string", None, "1795700000000"),
    (0.999, "percentunit", None, "99.9%"),
    (5.4, "s", None, "5.4秒"),
    (3600, "s", 1, "60.0分钟"),
    (654321, "currencyCNY", None, "¥65.4万"),
    (1794240000000, "time:YYYY-MM-DD", None, "2026-11-10"),
]


def test_figures_are_as_people_write_them(open_page: Open) -> None:
    page = open_page("lang=zh")
    page.wait_for_selector(".panel")
    shown = [
        module(page, "format", f"m.figure({json.dumps(v)}, '{u}', {json.dumps(d) or 'undefined'})")
        if d is not None
        else module(page, "format", f"m.figure({json.dumps(v)}, '{u}')")
        for v, u, d, _ in FIGURES
    ]
    assert shown == [words for *_, words in FIGURES]


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        ([0.925, 0.95, 0.975, 1], "percentunit", ["92.5%", "95%", "97.5%", "100%"]),
        ([0, 1200, 2400, 3600], "s", ["0", "20分钟", "40分钟", "60分钟"]),
        ([0, 14400, 28800], "s", ["0", "4小时", "8小时"]),
        ([0, 2**24, 2**25], "bytes", ["0", "16 MiB", "32 MiB"]),
        ([0, 15000, 20000], "locale", ["0", "1.5万", "2万"]),
    ],
)
def test_an_axis_says_what_is_so(
    open_page: Open, values: list[float], unit: str, words: list[str]
) -> None:
    """Labels that are rounded are unequally far apart: 98%, 95%, 93%, 90%."""
    page = open_page("lang=zh")
    page.wait_for_selector(".panel")
    assert module(page, "format", f"m.axis({values}, '{unit}')") == words


def test_counts_have_no_halves(open_page: Open) -> None:
    page = open_page("lang=zh")
    page.wait_for_selector(".panel")
    assert min(module(page, "format", "m.axisSteps('locale', true)")) == 1
    assert 2.5 not in module(page, "format", "m.axisSteps('none', false)")


def test_no_two_lines_of_a_chart_have_one_colour(open_page: Open) -> None:
    """Names that would by themselves have the same: there are more of them than colours."""
    page = open_page("lang=zh")
    page.wait_for_selector(".panel")
    names = [f"base-{n}" for n in range(20)]
    module(page, "palette", f"m.known({names})")
    for some in (names[::8], names[1:9], names[3::2][:8]):
        slots = module(page, "palette", f"Object.fromEntries(m.slots({some}))")
        assert len(set(slots.values())) == len(some)


def answering(page: Page, panel: int, columns: list[dict[str, Any]], step_s: int = 60) -> None:
    """One panel is answered with these columns, the rest as ever."""

    def answered(route: Route) -> None:
        real = route.fetch()
        body = real.json()
        if real.ok and str(panel) in body["panels"]:
            end = body["to"]
            filled = [
                {**c, "values": [at_end(end, v) for v in c["values"]]} if c["type"] == "time" else c
                for c in columns
            ]
            rows = len(columns[0]["values"])
            body["panels"][str(panel)] |= {"columns": filled, "rows": rows, "step_s": step_s}
            body["panels"][str(panel)]["digest"] = "given"
        route.fulfill(response=real, json=body)

    page.route("**/api/query?*", answered)


def at_end(end: str, minutes: int) -> int:
    return round(datetime.fromisoformat(end).timestamp() * 1000) + minutes * MINUTE_MS


def time(*minutes: int) -> dict[str, Any]:
    return {"name": "time", "type": "time", "values": list(minutes)}


def number(name: str, *values: float | None) -> dict[str, Any]:
    return {"name": name, "type": "number", "values": list(values)}


def reopened(page: Page, query: str) -> None:
    page.goto(page.url.split("?")[0] + "?" + query)


def test_a_zero_of_a_minute_that_fills_is_unknown(open_page: Open) -> None:
    """Complaints came before viewers: nobody knows yet how many sessions are live."""
    page = open_page("lang=zh")
    answering(page, 2, [time(0), number("sessions", None), number("sessions_provisional", 0)])
    reopened(page, "lang=zh")
    expect(page.locator("#panel-2 .number")).to_have_text("未知")


def test_a_long_range_shows_the_closed_figure(open_page: Open) -> None:
    """Steps are half an hour there; the last closed one began longer ago than ten minutes."""
    page = open_page("lang=zh")
    columns = [
        time(-38, -8),
        number("completeness", 0.999, None),
        number("completeness_provisional", None, 0.526),
    ]
    answering(page, 7, columns, step_s=1800)
    reopened(page, "lang=zh&range=7d")
    expect(page.locator("#panel-7 .number")).to_have_text("99.9%")
    expect(page.locator("#panel-7 .chip")).to_have_count(0)


def test_grades_fit_their_tile(open_page: Open) -> None:
    """Three figures beside each other neither overlap nor leave the tile."""
    page = open_page("lang=en")
    answering(page, 8, [number(g, 188) for g in ("critical", "raised", "watch")])
    reopened(page, "lang=en")
    page.wait_for_selector("#panel-8[data-state=drawn]")
    boxes = page.evaluate(
        "() => [...document.querySelectorAll('#panel-8 .number')].map((n) => {"
        " const range = document.createRange(); range.selectNodeContents(n);"
        " const { left, right } = range.getBoundingClientRect(); return [left, right]; })"
    )
    edge = page.locator("#panel-8").bounding_box()
    assert edge is not None
    assert all(a[1] <= b[0] for a, b in pairwise(boxes)), boxes
    assert boxes[-1][1] <= edge["x"] + edge["width"]


def test_three_unknown_grades_are_one_word(open_page: Open) -> None:
    page = open_page("lang=en")
    answering(page, 8, [number(g, None) for g in ("critical", "raised", "watch")])
    reopened(page, "lang=en")
    expect(page.locator("#panel-8 .cover")).to_have_text("unknown")
    assert "0" not in page.locator("#panel-8").inner_text()
