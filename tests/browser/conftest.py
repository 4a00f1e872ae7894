"""A screen over a filled warehouse, and a headless Chromium to look at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.check.simulated_day import day as days
from deploy.serving_check import browser
from deploy.serving_check.screen_process import ScreenProcess
from grafana.screen import frames
from pipelines.warehouse import migrate

DATABASE = "screen_test"
# A machine that runs everything at once is slow; a figure that never comes is what fails.
expect.set_options(timeout=30_000)
OUT = Path(__file__).parents[2] / "out"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
#: set to 1 to refresh the pictures of the README
REFRESH = "LIVEWATCH_REFRESH_IMAGES"


class Screen(ScreenProcess):
    """A screen over the simulated day in the tests' ClickHouse."""

    def __init__(self, clickhouse: Any, *arguments: str, **environment: str) -> None:
        settings = {
            "LIVEWATCH_CLICKHOUSE_HOST": clickhouse.host,
            "LIVEWATCH_CLICKHOUSE_PORT": str(clickhouse.tcp_port),
            "LIVEWATCH_CLICKHOUSE_USER": "viewer",
            "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE": str(clickhouse.password_file("viewer")),
            "LIVEWATCH_CLICKHOUSE_DATABASE": DATABASE,
        }
        log = clickhouse.log.with_name("screen.log")
        super().__init__(log, settings | environment, *arguments)


@dataclass(frozen=True)
class CityDay:
    """The server with the simulated day in it, and a reader with the viewer's rights."""

    server: Any
    day: days.Day
    reader: Any

    def ask(self, sql: str) -> frames.Frame:
        columns, types = self.reader.execute(sql, columnar=True, with_column_types=True)
        return frames.frame(types, columns)


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
    if browser.executable() is None:
        pytest.skip("no chromium on this machine: apt-get install chromium fonts-noto-cjk")
    with browser.chromium() as running:
        yield running


Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, screen: Screen) -> Iterator[Open]:
    """Opens the screen; at the end the console must have stayed silent."""
    console: list[str] = []
    stack = []

    def open_one(query: str = "", **context: Any) -> Page:
        manager = browser.opened(chromium, screen.url, console, **context)
        page = manager.__enter__()
        stack.append(manager)
        page.goto(f"{screen.url}/?{query}")
        return page

    yield open_one
    for manager in stack:
        manager.__exit__(None, None, None)
    assert console == []


def picture(page: Page, name: str, *, kept: str | None = None) -> None:
    OUT.mkdir(exist_ok=True)
    page.screenshot(path=OUT / f"{name}.png")
    if kept and os.environ.get(REFRESH) == "1":
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{kept}.png")
