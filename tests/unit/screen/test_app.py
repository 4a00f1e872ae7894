"""The HTTP side with a warehouse that answers from a list: refusals, sharing, headers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from grafana.screen import app as screen_app
from grafana.screen import frames
from grafana.screen.cache import QueryCache
from grafana.screen.cli import screen
from grafana.screen.errors import AwayError, QueryError, too_slow
from grafana.screen.library import Library, UnknownDashboardVersionError
from grafana.screen.serve import StartError, require_login, require_record
from grafana.screen.settings import ScreenSettings, ServeSettings

Answer = Callable[[str], frames.Frame]
LATEST_MS = 1794398400000


def figures(sql: str) -> frames.Frame:
    if "maxOrNull(minute) AS latest" in sql and "closed_minute" not in sql:
        return frames.Frame((frames.Column("latest", "time", [LATEST_MS]),))
    if "all_closed FROM v_indicators_cell" in sql:
        newest = frames.Column("minute", "time", [LATEST_MS])
        return frames.Frame((newest, frames.Column("all_closed", "number", [0])))
    if "AS timeEnd" in sql:
        names = ("time", "timeEnd", "text", "tags")
        return frames.Frame(tuple(frames.Column(name, "string", []) for name in names))
    if "DISTINCT platform_id" in sql:
        return frames.Frame((frames.Column("platform_id", "string", ["douhuo", "haiyun"]),))
    return frames.Frame((frames.Column("v", "number", [1]),))


class FakeWarehouse:
    def __init__(self, *_: Any) -> None:
        self.answer: Answer = figures
        self.asked: list[str] = []

    async def query(self, sql: str) -> frames.Frame:
        self.asked.append(sql)
        return self.answer(sql)

    def close(self) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeWarehouse:
    warehouse = FakeWarehouse()
    monkeypatch.setattr(screen_app, "Warehouse", lambda *_: warehouse)
    return warehouse


class Browser:
    """Calls the application in this process, on one event loop."""

    def __init__(self, application: Starlette, runner: asyncio.Runner) -> None:
        transport = httpx.ASGITransport(application)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        self._runner = runner

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.get(path, **options))

    def post(self, path: str) -> httpx.Response:
        return self._runner.run(self._client.post(path))


@pytest.fixture
def client(fake: FakeWarehouse) -> Iterator[Browser]:
    with asyncio.Runner() as runner:
        yield Browser(screen_app.build(ScreenSettings()), runner)


def ask(client: Browser, **params: Any) -> httpx.Response:
    return client.get("/api/query", params={"dashboard": "city-overview", "panel": 2, **params})


def test_a_panel_is_answered_over_the_range_that_follows_the_data(client: Browser) -> None:
    body = ask(client).json()
    # The newest minute is still open, so the range ends with the one before.
    assert (body["from"], body["to"]) == ("2026-11-11T10:59:59Z", "2026-11-11T11:59:59Z")
    assert body["panels"]["2"]["columns"] == [{"name": "v", "type": "number", "values": [1]}]


def test_panels_that_share_a_query_run_it_once(client: Browser, fake: FakeWarehouse) -> None:
    ask(client, panel=[2, 3, 4, 5, 6, 7])
    assert len([sql for sql in fake.asked if "sessions_provisional" in sql]) == 1


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"dashboard": "nothing"}, 404, "unknown_dashboard"),
        ({"panel": 999}, 404, "unknown_panel"),
        ({"panel": "2 UNION SELECT 1"}, 404, "unknown_panel"),
        ({"panel": []}, 400, "bad_panels"),
        ({"lang": "fr"}, 400, "unknown_language"),
        ({"from": "now", "to": "now"}, 400, "empty_range"),
        ({"from": "now-3650d", "to": "now"}, 400, "range_too_long"),
        ({"from": "soon"}, 400, "bad_time"),
        ({"var-platform": "' OR 1=1 --"}, 400, "unknown_value"),
        ({"var-platform": "x" * 100_00}, 400, "unknown_value"),
        ({"var-category": "food'"}, 400, "unknown_value"),
        ({"var-district": "999998"}, 400, "unknown_value"),
        ({"var-sql": "SELECT 1"}, 400, "unknown_variable"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    client: Browser, fake: FakeWarehouse, params: dict[str, Any], status: int, code: str
) -> None:
    response = ask(client, **params)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["zh"].endswith("。")
    assert error["en"].endswith(".")
    for value in params.values():
        if len(str(value)) > 8:
            assert str(value) not in response.text
            assert not any(str(value) in sql for sql in fake.asked)


def test_a_known_value_reaches_the_query_as_a_literal(client: Browser, fake: FakeWarehouse) -> None:
    ask(client, **{"var-platform": "haiyun", "var-category": "food"})
    (asked,) = [sql for sql in fake.asked if "sessions_provisional" in sql]
    assert "platform_id IN ('haiyun')" in asked
    assert "category IN ('food')" in asked
    assert "1=1" in asked


def test_away_is_said_in_both_languages_and_recovers(client: Browser, fake: FakeWarehouse) -> None:
    def away(_: str) -> frames.Frame:
        raise AwayError

    fake.answer = away
    response = ask(client)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert "未知" in response.json()["error"]["zh"]
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    fake.answer = figures
    assert ask(client).status_code == 200
    assert client.get("/readyz").status_code == 200


def test_one_panel_that_fails_leaves_the_others(client: Browser, fake: FakeWarehouse) -> None:
    def flags_are_slow(sql: str) -> frames.Frame:
        if "v_flags" in sql:
            raise too_slow(5)
        return figures(sql)

    fake.answer = flags_are_slow
    panels = ask(client, panel=[2, 21]).json()["panels"]
    assert panels["2"]["status"] == "ok"
    assert panels["21"]["error"]["code"] == "too_slow"


def test_choices_and_dashboards(client: Browser) -> None:
    listed = client.get("/api/dashboards").json()["dashboards"]
    assert len(listed) == 9
    assert listed[0] == {
        "uid": "city-overview",
        "title": {"zh": "全市概览", "en": "City overview"},
    }
    choices = client.get("/api/dashboards/city-overview/variables?lang=en").json()
    assert [o["value"] for o in choices["platform"]] == ["$__all", "douhuo", "haiyun"]
    assert {"text": "Food", "value": "food"} in choices["category"]
    board = client.get("/api/dashboards/city-overview?lang=en").json()
    assert board["title"] == "City overview"


def test_headers_keep_the_page_to_itself(client: Browser) -> None:
    for path in ("/", "/api/dashboards", "/static/js/main.js", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_another_host_name_is_refused(client: Browser) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/api/query").status_code == 405


def test_files_outside_the_static_folder_stay_there(client: Browser) -> None:
    assert client.get("/static/..%2f..%2fapp.py").status_code == 404
    assert client.get("/static/js/../../app.py").status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org", ""])  # noqa: S104
def test_other_hosts_are_refused_without_a_login(host: str) -> None:
    with pytest.raises(StartError, match="--accounts"):
        require_login(host, ServeSettings())
    with pytest.raises(StartError, match="there are no accounts"):
        require_login(host, ServeSettings(accounts=Path("/nowhere/accounts.json")))


def test_named_accounts_do_not_look_without_a_record() -> None:
    with pytest.raises(StartError, match="LIVEWATCH_SCREEN_AUDIT"):
        require_record(ServeSettings(accounts=Path("accounts.json")))
    require_record(ServeSettings(accounts=Path("accounts.json"), audit="127.0.0.1:9092"))
    require_record(ServeSettings())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_accepted(host: str) -> None:
    require_login(host, ServeSettings())


def test_a_setting_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEWATCH_CLICKHOUSE_PORT", "many")
    with pytest.raises(SystemExit) as stopped:
        screen()
    assert stopped.value.code == 1
    assert "LIVEWATCH_CLICKHOUSE_PORT" in capsys.readouterr().err


def test_a_dashboard_of_an_unknown_version_is_refused() -> None:
    board = {"uid": "new", "schemaVersion": 99}
    with pytest.raises(UnknownDashboardVersionError, match="schemaVersion 99"):
        Library({"zh/new.json": board, "en/new.json": board})


def test_the_cache_shares_a_run_and_forgets_failures() -> None:
    async def scenario() -> None:
        runs = 0

        async def run(_: str) -> frames.Frame:
            nonlocal runs
            runs += 1
            await asyncio.sleep(0)
            if runs == 1:
                raise QueryError("x", "x", "x")
            return figures("")

        cache = QueryCache(run, ttl_s=60)
        both = await asyncio.gather(cache.query("q"), cache.query("q"), return_exceptions=True)
        assert runs == 1
        assert all(isinstance(r, QueryError) for r in both)
        await cache.query("q")
        await cache.query("q")
        assert runs == 2

    asyncio.run(scenario())
