"""A headless Chromium that opens every dashboard of a screen, counts panels and listens."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deploy.errors import StackError
from deploy.serving_check.ask import SESSIONS, Screen
from deploy.serving_check.day import Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
)  # fmt: skip
_DRAWN_S: Final = 90
#: How often a dashboard is opened where the screen said that ClickHouse was busy, and how long
#: it asks to be left alone.
_VISITS, _REST_S = 3, 2.0
_BUSY: Final = re.compile(r"status of 50[23]\b")
#: Why a panel shows no figures; empty where it does. Lines' or cells' colours and the axes: a
#: chart without figures has far fewer.
_FAULT: Final = """(panel, colours) => {
  const every = (query) => [...panel.querySelectorAll(query)];
  const ink = (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.subarray(i, i + 4);
      if (a > 200) seen.add((r >> 5) * 64 + (g >> 5) * 8 + (b >> 5));
    }
    return seen.size;
  };
  const charts = panel.matches('.stat') ? [] : every('canvas');
  const { state } = panel.dataset;
  if (state !== 'drawn') return `${state}: ${panel.querySelector('.cover').textContent}`;
  if (charts.some((canvas) => ink(canvas) < colours)) return 'an empty chart';
  if (every('tbody').some((body) => body.rows.length < 1)) return 'an empty table';
  if (every('.bars').some((list) => list.querySelectorAll('li').length < 2)) return 'no bars';
  if (every('.number').some((figure) => !/[0-9]/.test(figure.textContent))) return 'no figure';
  return every('canvas, tbody, .bars, .number').length > 0 ? '' : 'nothing';
}"""


def executable() -> str | None:
    """Debian's browser; Playwright's own download is not used."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises StackError where there is none."""
    try:
        from playwright.sync_api import sync_playwright  # a dependency of development
    except ImportError:
        raise StackError("Playwright is not installed: make setup") from None
    path = executable()
    if path is None:
        raise StackError("no Chromium (Debian, Ubuntu: apt install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, console: list[str], **context: Any) -> Iterator[Page]:
    """A page in a fresh profile; what the console says of errors goes to `console`."""
    fresh = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | context))
    page = fresh.new_page()
    page.set_default_timeout(60_000)
    page.on("console", lambda m: console.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: console.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(url) else console.append(r.url))
    yield page
    fresh.close()


def wait_drawn(page: Page) -> None:
    """Every panel in sight of a tall window shows figures. Raises Playwright's TimeoutError."""
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.panel')];"
        " return all.length > 0 && all.every((p) => p.dataset.state === 'drawn'); }",
        timeout=1000 * _DRAWN_S,
    )


def whole(page: Page) -> None:
    """A window as tall as the page, so that every panel is in sight."""
    page.wait_for_selector(".panel")
    width = page.evaluate("innerWidth")
    page.set_viewport_size(
        {"width": width, "height": page.evaluate("document.documentElement.scrollHeight")}
    )
    wait_drawn(page)


def undrawn(page: Page, colours: int = 3) -> dict[str, str]:
    """Panels without figures by their id, and why."""
    faults = {
        str(panel.get_attribute("data-panel")): panel.evaluate(_FAULT, colours)
        for panel in page.locator(".panel").element_handles()
    }
    return {name: fault for name, fault in faults.items() if fault}


@dataclass(frozen=True)
class Visit:
    """What a dashboard looked like when it had been given the time to draw."""

    panels: int
    undrawn: dict[str, str]
    console: list[str]

    @property
    def busy(self) -> bool:
        """Nothing is wrong but that ClickHouse had other work: a page asks again, and so do we."""
        return any(map(_BUSY.search, self.console)) and all(map(_BUSY.search, self.console))


def run(shown: Shown, langs: tuple[str, ...], say: Callable[[str], None]) -> dict[str, Any]:
    """Opens every dashboard in each language."""
    panels = faults = errors = again = 0
    with Screen(shown.url, shown.day.session) as screen, chromium() as browser:
        pages = [(board["uid"], lang) for board in screen.boards() for lang in langs]
        for uid, lang in pages:
            visits = list(_visits(browser, shown, uid, lang))
            last, again = visits[-1], again + len(visits) - 1
            panels, faults = panels + last.panels, faults + len(last.undrawn)
            errors += len(last.console)
            say(f"browser: {uid} {lang}: {last.panels - len(last.undrawn)} of {last.panels} drawn")
            for line in [*(f"panel {n}: {why}" for n, why in last.undrawn.items()), *last.console]:
                say(f"FAILED: {uid} {lang}: {line}")
    return {
        "browser_panels": panels,
        "browser_panels_drawn": panels - faults,
        "console_errors": errors,
        "opened_again": again,
    }


def _visits(browser: Browser, shown: Shown, uid: str, lang: str) -> Iterator[Visit]:
    """One; more where the screen said that ClickHouse was busy."""
    for _ in range(_VISITS):
        one = _visit(browser, shown, uid, lang)
        yield one
        if not one.busy:
            return
        time.sleep(_REST_S)


def _visit(browser: Browser, shown: Shown, uid: str, lang: str) -> Visit:
    from playwright.sync_api import TimeoutError as NeverError

    query = f"dashboard={uid}&lang={lang}&range=24h"
    if uid == SESSIONS:
        query += f"&var-session={shown.day.session}"
    console: list[str] = []
    with opened(browser, shown.url, console) as page:
        page.goto(f"{shown.url}/?{query}")
        with suppress(NeverError):  # what is not there after that is not drawn
            whole(page)
        # The pipeline's own charts have one line, and that a few seconds long.
        colours = 2 if uid == "pipeline-health" else 3
        return Visit(page.locator(".panel").count(), undrawn(page, colours), list(console))
