"""What people see of the page: figures and axes that can be read, and a page for everybody."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from deploy.serving_check.browser import opened
from tests.browser.conftest import Open, Screen

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000
PHONE = {"width": 390, "height": 844}
TABLET = {"width": 820, "height": 1180}


def settled(page: Page) -> None:
    """A window as tall as the page, and every panel has its figures or says why it has none."""
    page.wait_for_selector(".panel")
    width = page.evaluate("innerWidth")
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator(".panel[data-state=waiting]")).to_have_count(0)


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


@pytest.mark.parametrize(
    ("board", "lang", "context"),
    [
        ("city-overview", "zh", {"color_scheme": "light"}),
        ("city-overview", "en", {"color_scheme": "dark", "viewport": PHONE}),
        ("platform", "en", {"color_scheme": "dark"}),
        ("district-base", "zh", {"color_scheme": "light", "viewport": TABLET}),
        ("category-scenario", "zh", {"color_scheme": "dark"}),
        ("complaints", "en", {"color_scheme": "light"}),
        ("flags-appeals", "zh", {"color_scheme": "light"}),
        ("session-detail", "en", {"color_scheme": "dark"}),
        ("data-quality", "zh", {"color_scheme": "light"}),
    ],
)  # fmt: skip
def test_nothing_keeps_anybody_out(
    open_page: Open, board: str, lang: str, context: dict[str, Any]
) -> None:
    """axe's rules of WCAG 2.2 AA and its good practice: contrast, names, sizes, landmarks."""
    page = open_page(f"lang={lang}&dashboard={board}&range=24h", **context)
    settled(page)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], n["html"][:200]) for v in found for n in v["nodes"]] == []


def test_tab_reaches_everything_once_and_shows_where_it_is(open_page: Open) -> None:
    page = open_page("lang=en&dashboard=complaints")
    settled(page)
    page.locator("#pause").click()
    wanted = page.evaluate(
        "() => [...document.querySelectorAll('a[href], button, select, input, [tabindex=\"0\"]')]"
        ".filter((e) => e.checkVisibility() && !(e.type === 'radio' && !e.checked)).length"
    )
    seen: list[str] = []
    # All the way round: past the last one the focus leaves the page, and comes back at its start.
    for _ in range(wanted + 2):
        page.keyboard.press("Tab")
        where = page.evaluate(
            "() => { const e = document.activeElement; if (e === document.body) return null;"
            " e.dataset.seen = Number(e.dataset.seen || 0) + 1;"
            " const shown = e.type === 'radio' ? e.nextElementSibling : e;"
            " return getComputedStyle(shown).outlineStyle; }"
        )
        if where is not None:
            seen.append(where)
        if len(seen) == wanted:
            break
    assert len(seen) == wanted
    assert set(seen) == {"solid"}
    assert page.locator("[data-seen]:not([data-seen='1'])").count() == 0


def test_the_keyboard_zooms_too(open_page: Open) -> None:
    page = open_page("lang=en")
    page.wait_for_selector("#panel-12[data-state=drawn]")
    page.locator("#panel-12 .plot").focus()
    page.keyboard.press("End")
    for _ in range(12):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator(".zoom")).to_contain_text("Zoomed")
    span = [int(part) for part in page.url.split("from=")[1].replace("to=", "").split("&")[:2]]
    assert span[1] - span[0] == pytest.approx(12 * MINUTE_MS, abs=2 * MINUTE_MS)


def test_who_wants_no_motion_gets_none(open_page: Open) -> None:
    motion = "getComputedStyle(document.querySelector('.mark')).animationName"
    assert open_page("lang=zh", reduced_motion="reduce").evaluate(motion) == "none"
    assert open_page("lang=zh", reduced_motion="no-preference").evaluate(motion) == "breathe"


def test_on_paper_every_panel_is_there_and_nothing_to_press(open_page: Open) -> None:
    page = open_page("lang=zh&dashboard=data-quality&range=24h", color_scheme="dark")
    page.wait_for_selector(".panel[data-state=drawn]")
    page.evaluate("() => { window.print = () => { window.printed = true; }; }")
    page.locator("#print").click()
    page.wait_for_function("() => window.printed", timeout=60_000)
    assert page.locator(".panel[data-state=waiting]").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("html").get_attribute("data-theme") == "light"
    for hidden in (".tools", ".boards", ".controls"):
        expect(page.locator(hidden)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_long_table_is_short_on_a_phone_until_asked(open_page: Open) -> None:
    page = open_page("lang=zh&dashboard=complaints&range=24h", viewport=PHONE)
    settled(page)
    rows = page.locator("#panel-21 tbody tr")
    assert rows.count() > 8
    expect(page.locator("#panel-21 tbody tr:visible")).to_have_count(8)
    page.locator("#panel-21 .more").click()
    expect(page.locator("#panel-21 tbody tr:visible")).to_have_count(rows.count())


def test_from_a_dashboard_that_does_not_exist_there_is_a_way_on(
    chromium: Browser, screen: Screen
) -> None:
    console: list[str] = []
    with opened(chromium, screen.url, console) as page:
        page.goto(f"{screen.url}/?lang=zh&dashboard=nothing")
        expect(page.locator("#banner")).to_contain_text("没有这个仪表盘")
        page.get_by_role("link", name="全市概览").click()
        page.wait_for_selector("#panel-2[data-state=drawn]")
        expect(page.locator("#banner")).to_be_hidden()
    assert all("404" in line for line in console)


def test_a_session_that_ended_leads_to_the_login(open_page: Open) -> None:
    page = open_page("lang=zh")
    page.wait_for_selector(".panel")
    page.route("**/login", lambda route: route.fulfill(body="log in"))
    page.evaluate("window.fetch = async () => new Response('{}', { status: 401 })")
    page.wait_for_url("**/login")
