"""A page for everybody: by keyboard, by ear, on a phone, on paper, and with a way on."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

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
