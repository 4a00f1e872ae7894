"""A screen over a filled warehouse, and a headless Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from grafana.screen import frames
from grafana.screen.timerange import TimeRange
from pipelines.warehouse import migrate
from schemas.telemetry import SampleType
from tests.browser import day as days

DATABASE = "screen_test"
# A machine that runs everything at once is slow; a figure that never comes is what fails.
expect.set_options(timeout=30_000)
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


@dataclass(frozen=True)
class CityDay:
    """The server with the simulated day in it, and a reader with the viewer's rights."""

    server: Any
    day: days.Day
    reader: Any

    def ask(self, sql: str) -> frames.Frame:
        columns, types = self.reader.execute(sql, columnar=True, with_column_types=True)
        return frames.frame(types, columns)

    @property
    def span(self) -> TimeRange:
        """The whole day, to the last second of its last closed minute."""
        end = self.day.closed_through + timedelta(minutes=1, seconds=-1)
        return TimeRange(self.day.start, end)

    @property
    def hour(self) -> TimeRange:
        """Its last 60 closed minutes."""
        return TimeRange(self.day.closed_through - timedelta(minutes=59), self.span.end)

    @property
    def session(self) -> str:
        """The session with the most complaints."""
        raw = self.day.raw[SampleType.COMPLAINTS]
        ids, where = np.unique(raw["session_id"], return_inverse=True)
        return str(ids[np.argmax(np.bincount(where, raw["complaints"]))])


@pytest.fixture(scope="session")
def city_day(clickhouse: Any) -> Iterator[CityDay]:
    """The simulated day in a database of its own, built once."""
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
        migrate.run(admin, DATABASE, migrate.plan(migrate.load(), 0, None))
    with clickhouse.client(database=DATABASE) as client:
        day = days.build(client, days.whole_day())
    with clickhouse.client(database=DATABASE, user="viewer") as reader:
        yield CityDay(clickhouse, day, reader)
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")


@pytest.fixture(scope="session")
def warehouse(city_day: CityDay) -> Any:
    """The server that the day is in."""
    return city_day.server


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
    page.set_default_timeout(60_000)
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
        timeout=90_000,
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
