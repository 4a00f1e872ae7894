"""The process and its way to ClickHouse: limits, wrong settings, a taken port, an orderly end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from clickhouse_driver.errors import SocketTimeoutError

from grafana.screen.errors import ScreenError
from grafana.screen.metrics import Metrics
from grafana.screen.settings import ScreenSettings
from grafana.screen.warehouse import Warehouse
from tests.browser.conftest import DATABASE, Screen

pytestmark = pytest.mark.integration


def failure(warehouse: Any, sql: str, **settings: Any) -> ScreenError:
    chosen = {
        "host": warehouse.host,
        "port": warehouse.tcp_port,
        "user": "viewer",
        "password_file": warehouse.password_file("viewer"),
        "database": DATABASE,
        **settings,
    }
    reader = Warehouse(ScreenSettings(**chosen), Metrics())
    with pytest.raises(ScreenError) as caught:
        asyncio.run(reader.query(sql))
    reader.close()
    return caught.value


def test_a_query_has_little_time(warehouse: Any) -> None:
    began = time.monotonic()
    slow = failure(
        warehouse, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)", max_execution_time=1
    )
    assert slow.code == "too_slow"
    assert time.monotonic() - began < 4


def test_a_query_has_few_rows(warehouse: Any) -> None:
    many = failure(warehouse, "SELECT number FROM numbers(1000000)", max_result_rows=1000)
    assert many.code == "too_many_rows"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"user": "nobody"}, "no_access"),
        ({"database": "not_there"}, "not_ready"),
        ({"port": 1}, "clickhouse_away"),
    ],
)
def test_what_is_wrong_is_named(warehouse: Any, settings: dict[str, Any], code: str) -> None:
    assert failure(warehouse, "SELECT count() FROM v_flags", **settings).code == code


class Unanswering:
    """A driver whose server is silent: at once, or after it has taken the question."""

    def __init__(self, connects: bool) -> None:
        self.connects, self.last_query = connects, None

    def execute(self, *_: Any, **__: Any) -> None:
        self.last_query = object() if self.connects else None
        raise SocketTimeoutError

    def disconnect(self) -> None:
        pass


@pytest.mark.parametrize(("connects", "code"), [(True, "too_slow"), (False, "clickhouse_away")])
def test_a_server_with_other_work_is_slow_and_not_away(
    connects: bool, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slow query must not make every figure of the page unknown."""
    reader = Warehouse(ScreenSettings(), Metrics())
    monkeypatch.setattr(reader, "_connected", lambda: Unanswering(connects))
    with pytest.raises(ScreenError) as caught:
        asyncio.run(reader.query("SELECT 1"))
    reader.close()
    assert caught.value.code == code


def test_a_failed_query_does_not_spoil_the_next(warehouse: Any) -> None:
    chosen = ScreenSettings(
        host=warehouse.host,
        port=warehouse.tcp_port,
        user="viewer",
        password_file=warehouse.password_file("viewer"),
        database=DATABASE,
        threads=1,
    )
    reader = Warehouse(chosen, Metrics())

    async def scenario() -> None:
        for _ in range(3):
            with pytest.raises(ScreenError):
                await reader.query("SELECT throwIf(number = 100000) FROM numbers(200000)")
            assert (await reader.query("SELECT 7 AS v")).columns[0].values == [7]

    asyncio.run(scenario())
    reader.close()


def test_it_stops_in_order(warehouse: Any) -> None:
    running = Screen(warehouse)
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    assert "livewatch_screen_clickhouse_up 1.0" in httpx.get(f"{running.url}/metrics").text
    assert running.stop() == 0


def test_a_taken_port_is_one_sentence(screen: Screen) -> None:
    port = screen.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "grafana.screen.cli", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == [
        f"livewatch screen: cannot listen on 127.0.0.1:{port} (Address already in use): "
        "choose another with --port"
    ]
