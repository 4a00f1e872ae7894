"""The page in a real browser: it draws, it listens, and it says when it does not know."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from grafana.dashboards import build
from tests.browser.conftest import Open, Screen, opened, picture, wait_drawn, whole
from tests.browser.gate import Gate

pytestmark = pytest.mark.integration

PANELS = len(build.DASHBOARDS[0].panels)
INK = """(canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.subarray(i, i + 4);
    if (a > 200) seen.add((r >> 5) * 64 + (g >> 5) * 8 + (b >> 5));
  }
  return seen.size;
}"""


def number(page: Page, panel: int) -> str:
    return page.locator(f"#panel-{panel} .number").first.inner_text()


@pytest.mark.parametrize(
    ("name", "query", "context"),
    [
        ("zh-dark", "lang=zh", {"color_scheme": "dark"}),
        ("en-light", "lang=en", {"color_scheme": "light"}),
        ("zh-light-phone", "lang=zh", {"viewport": {"width": 390, "height": 844}}),
        ("en-dark-tablet", "lang=en", {"viewport": {"width": 820, "height": 1180}}),
    ],
)
def test_every_panel_draws_data(
    open_page: Open, name: str, query: str, context: dict[str, Any]
) -> None:
    page = open_page(query, **context)
    whole(page)
    assert page.locator(".panel").count() == PANELS
    for canvas in page.locator(".timeseries canvas").all():
        # Four platforms' colours and the axes: an empty chart has far fewer.
        assert canvas.evaluate(INK) >= 5
    for table in page.locator(".panel.table tbody").all():
        assert table.locator("tr").count() >= 5
    for value in page.locator(".stat .number").all_inner_texts():
        assert re.search(r"\d", value), value
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"screen-{name}")


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
    for lang in ("zh", "en"):
        page = open_page(f"lang={lang}")
        whole(page)
        cut = page.evaluate(
            "() => [...document.querySelectorAll('h2, .number, .under, .label, .tool')]"
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
    assert page.locator("#panel-21 td[data-field=sentence]").first.inner_text().startswith("商家")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("#panel-21 h2")).to_have_text("Flags")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#panel-21 td[data-field=sentence]").first).to_contain_text("Merchant")
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
    page.select_option("#var-platform", "platform-b")
    expect(page.locator("#panel-11 .key")).to_have_text(["platform-b"])
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
    expect(page.locator("#var-platform")).to_have_value("platform-b")


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
    expect(page.locator("#panel-12 .tip")).to_contain_text("platform-a")
    page.locator("#panel-12 .key").first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#panel-12 .key").first).to_have_attribute("aria-pressed", "false")


def test_it_refreshes_without_redrawing_what_is_the_same(open_page: Open) -> None:
    page = open_page("lang=zh")
    wait_for_figures(page)
    page.wait_for_timeout(500)
    page.evaluate(
        "() => { window.changes = 0; new MutationObserver((m) => { window.changes += m.length; })"
        ".observe(document.getElementById('panels'), { childList: true, subtree: true }); }"
    )
    with page.expect_response(lambda r: "/api/query" in r.url):
        pass
    with page.expect_response(lambda r: "/api/query" in r.url):
        pass
    assert page.evaluate("window.changes") == 0
    page.locator("#pause").click()
    asked: list[str] = []
    page.wait_for_timeout(500)
    page.on("request", lambda r: asked.append(r.url))
    page.wait_for_timeout(2600)
    assert asked == []


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
            expect(banner).to_contain_text("连不上 ClickHouse", timeout=15_000)
            expect(banner).to_contain_text("ClickHouse cannot be reached")
            expect(page.locator(".panel:not([data-state=unknown])")).to_have_count(0)
            # No figure is left standing, and none has turned into a zero.
            assert not re.search(r"\d", page.locator("#panel-2").inner_text())
            picture(page, "screen-away")
            gate.open()
            expect(banner).to_be_hidden(timeout=20_000)
            wait_drawn(page)
    finally:
        screen.stop()
        gate.shut()
