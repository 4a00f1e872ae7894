"""A screen over a filled warehouse, and a headless Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.warehouse import migrate
from tests.browser import data

DATABASE = "screen_test"
OUT = Path(__file__).parents[2] / "out"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
#: set to 1 to refresh the pictures of the README
REFRESH = "LIVEWATCH_REFRESH_IMAGES"
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
)  # fmt: skip


class Screen:
    """`livewatch screen` as its own process."""

    def __init__(self, clickhouse: Any, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grafana.screen.cli", "--port", "0", *arguments],
            env={
                **os.environ,
                "LIVEWATCH_CLICKHOUSE_HOST": clickhouse.host,
                "LIVEWATCH_CLICKHOUSE_PORT": str(clickhouse.tcp_port),
                "LIVEWATCH_CLICKHOUSE_USER": "viewer",
                "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE": str(clickhouse.password_file("viewer")),
                "LIVEWATCH_CLICKHOUSE_DATABASE": DATABASE,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removeprefix("screen: ").strip().rstrip("/")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()


@pytest.fixture(scope="session")
def city() -> data.City:
    return data.build(data.last_evening())


@pytest.fixture(scope="session")
def warehouse(clickhouse: Any, city: data.City) -> Iterator[Any]:
    """The server, with the simulated city in a database of its own."""
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
        steps = migrate.plan(migrate.load(), 0, None)
        migrate.run(admin, DATABASE, steps)
    with clickhouse.client(database=DATABASE) as client:
        data.load(client, city)
    yield clickhouse
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")


@pytest.fixture(scope="session")
def screen(warehouse: Any) -> Iterator[Screen]:
    running = Screen(warehouse)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of one module only: Playwright keeps an event loop running in the thread that it is in."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


Open = Callable[..., Page]


@contextmanager
def opened(browser: Browser, url: str, console: list[str], **context: Any) -> Iterator[Page]:
    """A page in a fresh profile; what the console says of errors goes to `console`."""
    fresh = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | context))
    page = fresh.new_page()
    page.on("console", lambda m: console.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: console.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(url) else console.append(r.url))
    yield page
    fresh.close()


@pytest.fixture
def open_page(chromium: Browser, screen: Screen) -> Iterator[Open]:
    """Opens the screen; at the end the console must have stayed silent."""
    console: list[str] = []
    stack = []

    def open_one(query: str = "", **context: Any) -> Page:
        manager = opened(chromium, screen.url, console, **context)
        page = manager.__enter__()
        stack.append(manager)
        page.goto(f"{screen.url}/?{query}")
        return page

    yield open_one
    for manager in stack:
        manager.__exit__(None, None, None)
    assert console == []


def wait_drawn(page: Page) -> None:
    """Every panel in sight of a tall window shows figures."""
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.panel')];"
        " return all.length > 0 && all.every((p) => p.dataset.state === 'drawn'); }",
        timeout=20_000,
    )


def whole(page: Page) -> None:
    """A window as tall as the page, so that every panel is in sight."""
    page.wait_for_selector(".panel")
    width = page.evaluate("innerWidth")
    page.set_viewport_size(
        {"width": width, "height": page.evaluate("document.documentElement.scrollHeight")}
    )
    wait_drawn(page)


def picture(page: Page, name: str, *, kept: str | None = None) -> None:
    OUT.mkdir(exist_ok=True)
    page.screenshot(path=OUT / f"{name}.png")
    if kept and os.environ.get(REFRESH) == "1":
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{kept}.png")
