"""The file of accounts, and who is let in."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from pipelines.accounts.book import Account, Accounts, Current, changing, load
from pipelines.accounts.command import app
from pipelines.accounts.errors import AccountError
from pipelines.accounts.proof import SESSION_MS, Proofs, new_token
from pipelines.api.limits import Limits
from pipelines.core.ledger.roles import Role

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
WORD = "correct horse battery"
NOW = 1_772_596_800_000


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


def account(name: str = "lin", **more: Any) -> Account:
    given = {"name": name, "role": Role.COMMISSION, "password": QUICK.hash(WORD), "created_ms": NOW}
    return Account(**(given | more))


def proofs(*some: Account) -> tuple[Proofs, list[Account], Clock]:
    held, clock = list(some), Clock()
    return Proofs(lambda: Accounts(accounts=tuple(held)), clock, QUICK), held, clock


def test_a_password_lets_in_its_account_alone() -> None:
    check, _, clock = proofs(account(), account("wei", password=QUICK.hash("another password")))
    actor = check.check_password("lin", WORD)
    assert actor is not None
    assert actor.account == "lin"
    for _ in range(2):  # a remembered proof is as strict
        assert check.check_password("lin", WORD) == actor
        assert check.check_password("lin", WORD + " ") is None
        assert check.check_password("wei", WORD) is None
        assert check.check_password("nobody", WORD) is None
        assert check.check_password("", "") is None
    clock.now += 61_000
    assert check.check_password("lin", WORD) == actor


def test_a_new_password_and_a_disabled_account_hold_at_once() -> None:
    check, held, _ = proofs(account())
    assert check.check_password("lin", WORD)
    held[0] = account(password=QUICK.hash("a new password!"))
    assert check.check_password("lin", WORD) is None
    assert check.check_password("lin", "a new password!")
    secret = check.open_session(held[0].actor())
    held[0] = account(disabled=True)
    assert check.check_password("lin", "a new password!") is None
    assert check.check_session(secret) is None
    assert check.check_proxy("lin") is None


def test_an_account_without_a_password_has_none() -> None:
    check, _, _ = proofs(account(password=None))
    assert check.check_password("lin", "") is None
    assert check.check_proxy("lin") is not None


def test_a_token_until_it_expires() -> None:
    token, kept = new_token(NOW, 1)
    assert token.split("_", 2)[2] not in kept.model_dump_json()
    check, held, clock = proofs(account(tokens=(kept,)))
    assert check.check_token(token) == held[0].actor()
    for wrong in ("", "lw", "lw__", token[:-1], token + "x", token.replace(kept.id, "0" * 16)):
        assert check.check_token(wrong) is None
    clock.now += 86_400_000 - 1
    assert check.check_token(token)
    clock.now += 1
    assert check.check_token(token) is None


def test_a_session_until_it_ends() -> None:
    check, held, clock = proofs(account())
    secret = check.open_session(held[0].actor())
    assert check.check_session(secret) == held[0].actor()
    assert check.check_session(secret[:-1]) is None
    clock.now += SESSION_MS
    assert check.check_session(secret) is None
    other = check.open_session(held[0].actor())
    check.close_session(other)
    assert check.check_session(other) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"role": "platform"}, "bound to a platform_id"),
        ({"platform_id": "p01"}, "bound to a platform_id"),
        ({"role": "district_bureau"}, "bound to a district"),
        ({"role": "district_bureau", "district": "999999"}, "is no district"),
        ({"role": "mayor"}, "Input should be"),
        ({"password": "in the clear"}, "must be an argon2id hash"),
        ({"name": "Lin "}, "should match pattern"),
        ({"nickname": "x"}, "Extra inputs"),
    ],
)
def test_a_wrong_file_lets_nobody_in_and_says_why(
    more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "accounts.json"
    raw = json.loads(account().model_dump_json()) | more
    path.write_text(json.dumps({"version": 1, "accounts": [raw]}))
    path.chmod(0o600)
    with pytest.raises(AccountError, match=said) as error:
        load(path)
    assert "in the clear" not in str(error.value)


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    with changing(path) as change:
        change.accounts = change.accounts.with_account(account())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    current = Current(path)
    assert current().get("lin")
    path.chmod(0o640)
    path.write_text(path.read_text() + " ")
    with pytest.raises(AccountError, match="chmod 600"):
        current()


def test_nothing_is_written_when_a_change_fails(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    with changing(path) as change:
        change.accounts = change.accounts.with_account(account())
    before = path.read_bytes()

    def change_then_fail() -> None:
        with changing(path) as change:
            change.accounts = change.accounts.with_account(account("wei"))
            change.named("nobody")

    with pytest.raises(AccountError):
        change_then_fail()
    assert path.read_bytes() == before


def test_the_commands(tmp_path: Path) -> None:
    file, word = str(tmp_path / "accounts.json"), tmp_path / "word"
    word.write_text(WORD + "\n")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--file", file])

    assert run("add", "p01-desk", "--role", "platform", "--platform", "p01",
               "--password-file", str(word)).exit_code == 0  # fmt: skip
    assert run("add", "p01-desk", "--role", "commission", "--no-password").exit_code == 1
    assert run("add", "x", "--role", "platform", "--no-password").exit_code == 2
    word.write_text("short")
    assert run("passwd", "p01-desk", "--password-file", str(word)).exit_code == 2
    token = run("token", "p01-desk").stdout.strip()
    listed = json.loads(run("list", "--json").stdout)
    assert (listed["role"], listed["bound_to"], listed["state"]) == ("platform", "p01", "enabled")
    text = Path(file).read_text()
    assert WORD not in text
    assert token.split("_", 2)[2] not in text
    assert run("token", "p01-desk", "--revoke", listed["tokens"][0]).exit_code == 0
    assert run("disable", "p01-desk").exit_code == 0
    assert json.loads(run("list", "--json").stdout) | {"tokens": []} == listed | {
        "state": "disabled", "tokens": [],
    }  # fmt: skip


def test_a_bucket_fills_again() -> None:
    limits = Limits(rate=2.0, burst=3.0)
    assert [limits.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limits.spent("a", 0.0) == 0.5
    assert limits.wait("b", 0.0) == 0
    assert limits.wait("a", 0.5) == 0
    assert limits.spent("a", 10.0) == 0
