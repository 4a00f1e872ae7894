"""The page in a real browser: it draws, it listens, and it says when it does not know."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.check.simulated_day.worker_metrics import worker_metrics
from deploy.serving_check.ask import SESSIONS
from deploy.serving_check.browser import opened, undrawn, wait_drawn, whole
from grafana.dashboards import build
from tests.browser.conftest import CityDay, Open, Screen, picture
from tests.browser.gate import Gate

pytestmark = pytest.mark.integration

#: pictures that the README shows
KEPT = {"session-detail"}


def number(page: Page, panel: int) -> str:
    return page.locator(f"#panel-{panel} .number").first.inner_text()


@pytest.mark.parametrize(
    ("board", "lang", "context"),
    [
        ("city-overview", "zh", {"color_scheme": "light"}),
        ("city-overview", "en", {"viewport": {"width": 820, "height": 1180}}),
        ("platform", "zh", {"color_scheme": "dark"}),
        ("district-base", "en", {"color_scheme": "light"}),
        ("category-scenario", "zh", {"color_scheme": "light"}),
        ("complaints", "zh", {"color_scheme": "dark"}),
        ("flags-appeals", "en", {"color_scheme": "dark"}),
        ("session-detail", "zh", {"color_scheme": "light"}),
        ("data-quality", "zh", {"color_scheme": "light"}),
    ],
)
def test_every_panel_draws_data(
    open_page: Open, city_day: CityDay, board: str, lang: str, context: dict[str, Any]
) -> None:
    page = open_page(address(city_day, board, lang), **context)
    whole(page)
    draws_data(page, board)
    kept = board if board in KEPT and "viewport" not in context else None
    picture(page, f"{board}-{lang}", kept=kept)


@pytest.mark.parametrize("board", ["city-overview", "session-detail", "flags-appeals"])
def test_a_phone_shows_it_all(open_page: Open, city_day: CityDay, board: str) -> None:
    page = open_page(address(city_day, board, "zh"), viewport={"width": 390, "height": 844})
    whole(page)
    draws_data(page, board)
    picture(page, f"phone-{board}")


def address(city_day: CityDay, board: str, lang: str) -> str:
    chosen = f"&var-session={city_day.day.session}" if board == SESSIONS else ""
    return f"dashboard={board}&lang={lang}&range=24h{chosen}"


def draws_data(page: Page, board: str, colours: int = 3) -> None:
    """Each panel has figures, and nothing is wider than the window."""
    (known,) = [b for b in build.DASHBOARDS if b.uid == board]
    assert page.locator(".panel").count() == len(known.panels)
    assert undrawn(page, colours) == {}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_pictures_for_the_readme(open_page: Open) -> None:
    page = open_page("lang=zh", color_scheme="light")
    page.wait_for_selector(".panel[data-state=drawn] .u-over")
    page.wait_for_timeout(800)
    picture(page, "screen", kept="screen")
    page = open_page("lang=en", color_scheme="dark")
    page.wait_for_selector(".panel[data-state=drawn] .u-over")
    page.wait_for_timeout(800)
    picture(page, "screen-en-dark", kept="screen-en-dark")


def test_nothing_overlaps_or_is_cut(open_page: Open) -> None:
    looked_at = (
        ("zh", "city-overview"), ("en", "city-overview"), ("en", "data-quality"), ("en", "platform")
    )  # fmt: skip
    for lang, board in looked_at:
        page = open_page(f"lang={lang}&dashboard={board}&range=24h")
        whole(page)
        cut = page.evaluate(
            "() => [...document.querySelectorAll("
            "'.panel:not(.headline) h2, .number, .under, .label, .tool')]"
            ".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"
        )
        assert cut == []
        wide = page.evaluate(
            "() => [...document.querySelectorAll('.scroll')]"
            ".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.ariaLabel)"
        )
        assert wide == []


def test_language_changes_everything_and_is_kept(open_page: Open) -> None:
    page = open_page("lang=zh")
    wait_for_figures(page)
    assert "收到" in page.locator("#panel-21 td[data-field=sentence]").first.inner_text()
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("#panel-21 h2")).to_have_text("Flags")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#panel-21 td[data-field=sentence]").first).to_contain_text("received")
    expect(page.locator("#panel-21 .badge").first).to_have_text("▲ Critical")
    left = page.evaluate("document.body.innerText.match(/[\\u4e00-\\u9fff]+/g)")
    assert left == ["中文"]
    page.goto(page.url.split("?")[0])
    expect(page.locator("#panel-21 h2")).to_have_text("Flags")


def wait_for_figures(page: Page) -> None:
    page.wait_for_selector("#panel-2[data-state=drawn]")
    page.wait_for_selector("#panel-21[data-state=drawn]")


def test_theme_changes_and_is_kept(open_page: Open) -> None:
    page = open_page("lang=zh", color_scheme="dark")
    wait_for_figures(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_range_filter_and_zoom(open_page: Open) -> None:
    page = open_page("lang=zh")
    wait_for_figures(page)
    everyone = number(page, 3)
    with page.expect_response(lambda r: "from=latest-15m" in r.url) as answer:
        page.get_by_text("15 分钟").click()
    assert answer.value.ok
    assert "range=15m" in page.url
    page.select_option("#var-platform", "p02")
    expect(page.locator("#panel-11 .key")).to_have_text(["p02"])
    assert number(page, 3) != everyone
    plot = page.locator("#panel-11 .u-over").bounding_box()
    assert plot is not None
    page.mouse.move(plot["x"] + 60, plot["y"] + 30)
    page.mouse.down()
    page.mouse.move(plot["x"] + 160, plot["y"] + 40, steps=6)
    page.mouse.up()
    expect(page.locator(".zoom")).to_contain_text("自选")
    assert "from=" in page.url
    page.locator(".zoom").click()
    expect(page.locator(".zoom")).to_have_count(0)
    page.reload()
    expect(page.locator("#var-platform")).to_have_value("p02")


def test_keyboard_alone_is_enough(open_page: Open) -> None:
    page = open_page("lang=en")
    wait_for_figures(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#range-60m").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#range-15m")).to_be_checked()
    expect(page.locator("#range-15m")).to_be_focused()
    page.locator("#panel-6 .info").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel-6-about")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel-6-about")).to_be_hidden()
    page.locator("#panel-12 .plot").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#panel-12 .tip")).to_contain_text("p01")
    page.locator("#panel-12 .key").first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#panel-12 .key").first).to_have_attribute("aria-pressed", "false")


def test_what_has_not_happened_is_not_called_unknown(open_page: Open) -> None:
    """Of the files of the ledger some are not acknowledged, and nobody appealed them."""
    page = open_page("lang=zh&dashboard=flags-appeals&range=24h")
    reach(page, "#panel-35")
    said = page.locator("#panel-35 td:is([data-field=acked_at], [data-field=appealed_at])")
    words = {text for text in said.all_inner_texts() if not re.search(r"\d", text)}
    assert words == {"尚未", "无"}


def test_it_refreshes_without_redrawing_what_is_the_same(open_page: Open) -> None:
    page = open_page("lang=zh")
    wait_for_figures(page)
    page.wait_for_timeout(500)
    page.evaluate(
        "() => { window.changes = 0; new MutationObserver((m) => { window.changes += m.length; })"
        ".observe(document.getElementById('panels'), { childList: true, subtree: true }); }"
    )
    with page.expect_response(lambda r: "/api/query" in r.url, timeout=90_000):
        pass
    with page.expect_response(lambda r: "/api/query" in r.url, timeout=90_000):
        pass
    assert page.evaluate("window.changes") == 0
    page.locator("#pause").click()
    asked: list[str] = []
    page.wait_for_timeout(500)
    page.on("request", lambda r: asked.append(r.url))
    page.wait_for_timeout(2600)
    assert asked == []


def test_pipeline_health_from_the_workers_themselves(chromium: Browser, warehouse: Any) -> None:
    console: list[str] = []
    with worker_metrics() as url:
        screen = Screen(warehouse, LIVEWATCH_SCREEN_WORKERS=url)
        try:
            with opened(chromium, screen.url, console) as page:
                page.goto(f"{screen.url}/?dashboard=pipeline-health&lang=zh")
                whole(page)
                # Some charts have one line, and that a few seconds long.
                draws_data(page, "pipeline-health", colours=2)
                picture(page, "pipeline-health-zh")
                expect(page.locator("#panel-5 .number")).to_have_text("5,400")
        finally:
            screen.stop()
    assert console == []


def test_pipeline_health_without_metrics_is_unknown(open_page: Open) -> None:
    page = open_page("dashboard=pipeline-health&lang=zh")
    expect(page.locator("#panel-11 .cover")).to_contain_text("未知")
    expect(page.locator("#panel-1 .cover")).to_contain_text("Prometheus")


def reach(page: Page, panel: str) -> None:
    """Down to a panel, which draws when it comes into view."""
    page.locator(panel).scroll_into_view_if_needed()
    page.wait_for_selector(f"{panel}[data-state=drawn]")


def test_a_link_drills_down_and_back(open_page: Open) -> None:
    page = open_page("lang=zh&range=24h")
    wait_for_figures(page)
    page.get_by_role("link", name="平台", exact=True).click()
    reach(page, "#panel-24")
    expect(page.locator("#title")).to_have_text("平台")
    assert "range=24h" in page.url
    session = page.locator("#panel-24 td[data-field=session_id] a").first
    full = session.locator("span").get_attribute("title")
    session.click()
    page.wait_for_selector("#panel-12[data-state=drawn]")
    assert f"var-session={full}" in page.url
    expect(page.locator("#var-session")).to_have_value(str(full))
    page.locator("#panel-11 td[data-field=platform_id] a").click()
    reach(page, "#panel-24")
    expect(page.locator("#var-platform")).to_have_value(re.compile("^p0[123]$"))
    page.go_back()
    page.wait_for_selector("#panel-12[data-state=drawn]")
    assert f"var-session={full}" in page.url


def test_a_hostile_address_is_answered_in_words(chromium: Browser, screen: Screen) -> None:
    console: list[str] = []
    with opened(chromium, screen.url, console) as page:
        page.goto(f"{screen.url}/?lang=zh&var-platform=%27%20OR%201%3D1%20--%3Cimg%20src%3Dx%3E")
        expect(page.locator("#banner")).to_contain_text("没有这个取值")
        expect(page.locator("#banner")).to_contain_text("not one of the values")
        expect(page.locator("#panel-2 .cover")).to_have_text("未知")
        page.select_option("#var-platform", "$__all")
        wait_for_figures(page)
        expect(page.locator("#banner")).to_be_hidden()
    assert all("400" in line for line in console)


def test_clickhouse_away_is_unknown_and_comes_back(chromium: Browser, warehouse: Any) -> None:
    gate = Gate(warehouse.host, warehouse.tcp_port)
    screen = Screen(warehouse, LIVEWATCH_CLICKHOUSE_PORT=str(gate.port))
    try:
        with opened(chromium, screen.url, []) as page:
            page.goto(f"{screen.url}/?lang=zh")
            whole(page)
            gate.shut()
            banner = page.locator("#banner")
            expect(banner).to_contain_text("连不上 ClickHouse")
            expect(banner).to_contain_text("ClickHouse cannot be reached")
            expect(page.locator(".panel:not([data-state=unknown])")).to_have_count(0)
            # No figure is left standing, and none has turned into a zero.
            assert not re.search(r"\d", page.locator("#panel-2").inner_text())
            picture(page, "screen-away")
            gate.open()
            expect(banner).to_be_hidden(timeout=60_000)
            wait_drawn(page)
    finally:
        screen.stop()
        gate.shut()
