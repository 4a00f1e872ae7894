"""What the API does when its parts fail: no stack trace, and no answer that is not on record."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from pipelines.accounts.book import Account, Accounts
from pipelines.accounts.proof import Proofs, new_token
from pipelines.api.app import create
from pipelines.api.audit import Access, UnauditedError
from pipelines.api.limits import Limits
from pipelines.api.state import Api, WarehouseAwayError
from pipelines.core.ledger.book import Book, BrokenChainError
from pipelines.core.ledger.entry import Draft, Entry
from pipelines.core.ledger.roles import Role
from pipelines.ledger.errors import LedgerAwayError
from pipelines.settings import Settings
from tests.unit.ledger.world import RULES, START, opened, write

TOKEN, KEPT = new_token(START, 1)
LIN = Account(name="lin", role=Role.COMMISSION, created_ms=START, tokens=(KEPT,))


class Ledger:
    """A chain in memory, which may be away or broken."""

    def __init__(self) -> None:
        self.book = Book()
        self.broken: BrokenChainError | None = None
        self.away = False
        write(self.book, [opened("f1"), opened("f2", "p02")])

    async def catch_up(self) -> None:
        if self.away:
            raise LedgerAwayError("away")

    async def append(self, build: Any) -> list[Entry]:
        if self.broken is not None:
            raise self.broken
        await self.catch_up()
        drafts: list[Draft] = build(self.book)
        return write(self.book, drafts)


class Audit:
    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self.away = False

    async def record(self, access: Access) -> None:
        if self.away:
            raise UnauditedError
        self.kept.append(asdict(access))


class Parts:
    """The API over parts in memory. ClickHouse is away throughout."""

    def __init__(self, rate: float = 1000) -> None:
        self.ledger, self.audit = Ledger(), Audit()
        clock = lambda: START  # noqa: E731
        self.api = Api(
            Settings(proxy_address="127.0.0.1"), self.ledger,  # type: ignore[arg-type]
            Proofs(lambda: Accounts(accounts=(LIN,)), clock), self.audit,  # type: ignore[arg-type]
            RULES, Limits(rate, 2 * rate), Limits(0.1, 2), clock, "a secret of the proxy",
        )  # fmt: skip

        async def away(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
            raise WarehouseAwayError

        self.api.query = away  # type: ignore[method-assign]
        self.app = create(self.api)

    def ask(self, method: str, path: str, client: str = "127.0.0.1", **more: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                return await http.request(method, path, **more)

        return asyncio.run(go())


AUTH = {"authorization": f"Bearer {TOKEN}"}


def test_without_clickhouse_the_files_are_there_and_the_figures_unknown() -> None:
    answer = Parts().ask("GET", "/v1/flags", headers=AUTH)
    assert [(f["flag_id"], f["figures"]) for f in answer.json()["flags"]] == [
        ("f2", None), ("f1", None),
    ]  # fmt: skip


def test_pages_go_on_where_the_one_before_ended() -> None:
    parts = Parts()
    first = parts.ask("GET", "/v1/flags?limit=1", headers=AUTH).json()
    second = parts.ask("GET", f"/v1/flags?limit=1&before={first['next']}", headers=AUTH).json()
    assert [first["flags"][0]["flag_id"], second["flags"][0]["flag_id"]] == ["f2", "f1"]
    assert second["next"] is None


def test_what_cannot_be_recorded_is_not_answered() -> None:
    parts = Parts()
    parts.audit.away = True
    answer = parts.ask("GET", "/v1/flags/f1", headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit")
    assert "merchant" not in answer.text


@pytest.mark.parametrize("broken", [True, False])
def test_a_ledger_that_is_away_or_broken(broken: bool) -> None:
    parts = Parts()
    parts.ledger.away = not broken
    parts.ledger.broken = BrokenChainError(1, "changed") if broken else None
    answer = parts.ask("POST", "/v1/flags/f1/ack", headers=AUTH)
    code = "chain_broken" if broken else "ledger"
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    assert parts.ask("GET", "/readyz").status_code == (503 if broken else 200)


def test_an_error_of_ours_is_on_record_and_told_to_nobody() -> None:
    parts = Parts()
    parts.ledger.book.files["f1"] = None  # type: ignore[assignment]
    answer = parts.ask("GET", "/v1/flags", headers=AUTH)
    assert answer.json() == {"error": {"code": "internal", "message": "cannot be answered"}}
    assert parts.audit.kept[0]["http_status"] == 500


def test_the_proxys_word_counts_from_the_proxy_alone() -> None:
    parts = Parts()
    right = {"x-livewatch-account": "lin", "x-livewatch-proxy-secret": "a secret of the proxy"}
    assert parts.ask("GET", "/v1/me", headers=right).json()["account"] == "lin"
    assert parts.audit.kept[-1]["via"] == "proxy"
    for client, headers in (
        ("10.0.0.9", right),
        ("127.0.0.1", right | {"x-livewatch-proxy-secret": "another"}),
        ("127.0.0.1", right | {"x-livewatch-account": "nobody"}),
        ("127.0.0.1", {"x-livewatch-account": "lin"} | AUTH),
    ):
        assert parts.ask("GET", "/v1/me", client, headers=headers).status_code == 401


def test_who_asks_too_fast_waits() -> None:
    parts = Parts(rate=1)
    answers = [parts.ask("GET", "/v1/me", headers=AUTH) for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_wrong_passwords_are_few() -> None:
    parts = Parts()
    codes = [parts.ask("GET", "/v1/me", auth=("lin", f"wrong {n}")).status_code for n in range(4)]
    assert codes[0] == 401
    assert codes[-1] == 429
    assert parts.ask("GET", "/v1/me", headers=AUTH).status_code == 200


def test_a_body_has_a_bound() -> None:
    answer = Parts().ask("POST", "/v1/flags/f1/ack", headers=AUTH, content=b"x" * 200_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_what_is_no_flag_and_no_field_is_not_repeated() -> None:
    parts = Parts()
    path = "/v1/flags/F01:13812345678/ack"
    answer = parts.ask("POST", path, headers=AUTH, json={"why": "seen"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_flag")
    assert "13812345678" not in answer.text
    assert parts.audit.kept[-1]["asked_flag"] == ""
    answer = parts.ask("POST", "/v1/flags/f1/ack", headers=AUTH, json={"13812345678": 1})
    assert answer.status_code == 422
    assert "13812345678" not in answer.text
