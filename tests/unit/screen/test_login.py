"""The login in front of the screen: nothing without it, roles that see all, few guesses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from grafana.screen.login import COOKIE, Login, form
from grafana.screen.records import Records
from pipelines.accounts.book import Account, Accounts
from pipelines.accounts.proof import SESSION_MS, Proofs
from pipelines.api.audit import Access, UnauditedError
from pipelines.core.ledger.roles import Role

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
HASH = QUICK.hash(PASSWORD)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Kept:
    """Takes records, or, `away`, does not."""

    def __init__(self) -> None:
        self.accesses: list[Access] = []
        self.away = False

    async def record(self, access: Access) -> None:
        if self.away:
            raise UnauditedError
        self.accesses.append(access)

    def told(self) -> list[tuple[str, str, int]]:
        return [(a.account, a.route.removeprefix("screen:"), a.http_status) for a in self.accesses]


class Visitor:
    """A browser without redirects, on one event loop."""

    def __init__(self, accounts: Accounts) -> None:
        self.clock = Clock()
        self.accounts = accounts
        self.kept = Kept()
        kept: Any = self.kept
        records = Records(kept, self.now_ms)

        async def page(_: Any) -> PlainTextResponse:
            return PlainTextResponse("figures")

        paths = ("/", "/api/query", "/static/js/main.js", "/healthz")
        app = Starlette(routes=[Route(p, page) for p in paths])
        proofs = Proofs(lambda: self.accounts, self.now_ms, QUICK)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(Login(app, proofs, self.clock, records)),
            base_url="http://screen",
        )
        self._runner = asyncio.Runner()

    def now_ms(self) -> int:
        return round(self.clock() * 1000)

    def get(self, path: str) -> httpx.Response:
        return self._runner.run(self._client.get(path))

    def post(
        self, path: str, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        return self._runner.run(self._client.post(path, data=fields, headers=headers))

    def at_once(self, times: int, **fields: str) -> list[int]:
        """Status codes of a form sent many times together, sorted."""

        async def sent() -> list[httpx.Response]:
            one = self._client.post
            return await asyncio.gather(*(one("/login", data=fields) for _ in range(times)))

        return sorted(answer.status_code for answer in self._runner.run(sent()))

    def enter(self, account: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/login", account=account, password=password)

    def close(self) -> None:
        self._runner.close()


def account(name: str, role: Role, **more: Any) -> Account:
    return Account(name=name, role=role, password=HASH, created_ms=0, **more)


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    listed = (
        account("lin", Role.COMMISSION),
        account("gone", Role.COMMISSION, disabled=True),
        account("shop", Role.PLATFORM, platform_id="p01"),
        account("minhang", Role.DISTRICT_BUREAU, district="310112"),
        account("club", Role.ASSOCIATION),
    )
    found = Visitor(Accounts(accounts=listed))
    yield found
    found.close()


def test_nothing_is_shown_without_a_login(visitor: Visitor) -> None:
    assert visitor.get("/").status_code == 303
    assert visitor.get("/").headers["location"] == "/login"
    refused = visitor.get("/api/query")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "not_logged_in")
    assert visitor.get("/healthz").text == "figures"
    assert "密码" in visitor.get("/login").text


def test_who_sees_the_whole_city_may_enter_and_leave(visitor: Visitor) -> None:
    entered = visitor.enter("lin")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert visitor.get("/api/query").text == "figures"
    visitor.post("/logout")
    assert visitor.get("/api/query").status_code == 401


@pytest.mark.parametrize("name", ["shop", "minhang", "club"])
def test_who_may_see_a_part_only_does_not_enter(visitor: Visitor, name: str) -> None:
    refused = visitor.enter(name)
    assert refused.status_code == 403
    assert COOKIE not in refused.headers.get("set-cookie", "")
    assert visitor.get("/api/query").status_code == 401


@pytest.mark.parametrize(
    ("name", "password"),
    [("lin", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("<script>", "<script>")],
)
def test_a_wrong_try_says_the_same_whatever_was_wrong(
    visitor: Visitor, name: str, password: str
) -> None:
    refused = visitor.enter(name, password)
    assert refused.status_code == 401
    assert refused.text == form("wrong")


def test_guessing_is_slowed_down_and_forgiven(visitor: Visitor) -> None:
    codes = [visitor.enter("lin", f"guess {n}").status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert visitor.enter("lin").status_code == 429
    visitor.clock.seconds += 120
    assert visitor.enter("lin").status_code == 303


def test_guesses_sent_all_at_once_are_no_more_than_one_by_one(visitor: Visitor) -> None:
    codes = visitor.at_once(30, account="lin", password="wrong")
    assert codes == [401] * 10 + [429] * 20


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://other.screen"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_another_site_s_page_can_log_nobody_in_or_out(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    refused = visitor.post("/login", headers, account="lin", password=PASSWORD)
    assert (refused.status_code, refused.headers.get("set-cookie")) == (403, None)
    visitor.enter("lin")
    assert visitor.post("/logout", headers).status_code == 403
    assert visitor.get("/api/query").text == "figures"


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "same-origin", "origin": "http://screen"}, {"origin": "http://screen"}],
)
def test_the_page_s_own_form_logs_in(visitor: Visitor, headers: dict[str, str]) -> None:
    assert visitor.post("/login", headers, account="lin", password=PASSWORD).status_code == 303


def test_a_session_ends_by_itself_and_with_its_account(visitor: Visitor) -> None:
    visitor.enter("lin")
    visitor.accounts = Accounts(accounts=(account("lin", Role.TAX),))
    assert visitor.get("/").status_code == 303
    visitor.accounts = Accounts(accounts=(account("lin", Role.COMMISSION),))
    assert visitor.get("/").status_code == 200
    visitor.clock.seconds += SESSION_MS / 1000
    assert visitor.get("/").status_code == 303


def test_a_body_that_is_too_long_is_not_read_as_a_password(visitor: Visitor) -> None:
    assert visitor.enter("lin", "x" * 10_000).status_code == 413


def test_logins_and_what_is_looked_at_are_on_record(visitor: Visitor) -> None:
    visitor.get("/api/query?dashboard=complaints")  # shown to nobody
    visitor.enter("lin", "wrong")
    visitor.enter("shop")
    visitor.enter("lin")
    visitor.get("/")
    visitor.get("/static/js/main.js")
    visitor.get("/api/query?dashboard=complaints&panel=1&var-session=abc")
    visitor.get("/api/query?dashboard=13800138000'")
    visitor.post("/logout")
    assert visitor.kept.told() == [
        ("", "/login", 401), ("shop", "/login", 403), ("lin", "/login", 303), ("lin", "/", 200),
        ("lin", "/api/query/complaints", 200), ("lin", "other", 200), ("lin", "/logout", 303),
    ]  # fmt: skip


def test_a_page_that_refreshes_is_on_record_once_a_minute(visitor: Visitor) -> None:
    visitor.enter("lin")
    for _ in range(70):
        visitor.get("/api/query?dashboard=complaints")
        visitor.clock.seconds += 2
    assert len(visitor.kept.accesses) == 1 + 3


def test_what_cannot_be_recorded_is_not_shown(visitor: Visitor) -> None:
    visitor.enter("lin")
    visitor.kept.away = True
    refused = visitor.get("/api/query")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_recorded")
    assert "set-cookie" not in visitor.enter("lin").headers
    visitor.kept.away = False
    assert visitor.get("/api/query").text == "figures"
