"""`livewatch accounts ...`: the file of named accounts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.errors import CommandError

if TYPE_CHECKING:
    from pipelines.accounts.book import Changing

app = typer.Typer(
    name="accounts",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Named accounts with roles: who may see flags, acknowledge, appeal and decide.

    The API reads the file again whenever it changes (LIVEWATCH_ACCOUNTS_FILE).

    Examples:

        livewatch accounts add lin --role commission

        livewatch accounts add p01-desk --role platform --platform p01

        livewatch accounts add huangpu --role district_bureau --district 310101

        livewatch accounts token p01-desk --days 90      for a program, shown once
    """,
)
File = Annotated[
    Path, typer.Option("--file", envvar="LIVEWATCH_ACCOUNTS_FILE", help="The file, JSON.")
]
DEFAULT = Path("accounts.json")
Name = Annotated[str, typer.Argument(help="Name of the account.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the password; - is standard input; asked for else.")
]


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="commission, market_regulation, platform, ...")],
    platform: Annotated[str, typer.Option(help="For the role platform: whose.")] = "",
    district: Annotated[str, typer.Option(help="For the role district_bureau: which.")] = "",
    password_file: PasswordFile = None,
    no_password: Annotated[bool, typer.Option(help="Only tokens, or the proxy.")] = False,
    file: File = DEFAULT,
) -> None:
    """Add an account.

    Example: livewatch accounts add p01-desk --role platform --platform p01
    """
    from pydantic import ValidationError

    from pipelines.accounts.book import Account, check_name
    from pipelines.core.ledger.roles import Role

    if role not in set(Role):
        raise CommandError(f"--role must be one of {', '.join(Role)}", 2)
    with _changing(file) as change:
        check_name(name)
        if change.accounts.get(name) is not None:
            raise CommandError(f"the account {name} is there already")
        try:
            account = Account(
                name=name, role=Role(role), platform_id=platform, district=district,
                password=None if no_password else _hashed(password_file), created_ms=_now_ms(),
            )  # fmt: skip
        except ValidationError as error:
            raise CommandError(error.errors()[0]["msg"].removeprefix("Value error, "), 2) from None
        change.accounts = change.accounts.with_account(account)
    sys.stdout.write(f"added {name} ({role})\n")


@app.command("list")
def show(
    file: File = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List accounts; no hash is shown.

    Example: livewatch accounts list --json
    """
    from pipelines.accounts.book import load
    from pipelines.accounts.errors import AccountError

    try:
        found = load(file).accounts
    except AccountError as error:
        raise CommandError(str(error)) from None
    for one in found:
        bound = one.platform_id or one.district
        state = "disabled" if one.disabled else "enabled"
        row = {
            "name": one.name,
            "role": one.role.value,
            "bound_to": bound,
            "state": state,
            "password": one.password is not None,
            "tokens": [t.id for t in one.tokens],
        }
        line = f"{one.name:<24}  {one.role.value:<18}  {bound:<14}  {state}"
        sys.stdout.write((json.dumps(row) if as_json else line.rstrip()) + "\n")


@app.command()
def disable(
    name: Name,
    enable: Annotated[bool, typer.Option("--enable", help="Let it in again.")] = False,
    file: File = DEFAULT,
) -> None:
    """Let an account in no more; it stays on record.

    Example: livewatch accounts disable lin
    """
    with _changing(file) as change:
        account = change.named(name).model_copy(update={"disabled": not enable})
        change.accounts = change.accounts.with_account(account)
    sys.stdout.write(f"{'enabled' if enable else 'disabled'} {name}\n")


@app.command()
def passwd(name: Name, password_file: PasswordFile = None, file: File = DEFAULT) -> None:
    """Set a new password.

    Example: livewatch accounts passwd lin
    """
    with _changing(file) as change:
        account = change.named(name).model_copy(update={"password": _hashed(password_file)})
        change.accounts = change.accounts.with_account(account)
    sys.stdout.write(f"new password for {name}\n")


@app.command()
def token(
    name: Name,
    days: Annotated[int, typer.Option(min=1, max=366, help="Valid for so long.")] = 90,
    revoke: Annotated[str, typer.Option(help="Id of a token to take back instead.")] = "",
    file: File = DEFAULT,
) -> None:
    """Make a token for a program, or take one back. It is shown once.

    Examples:

        livewatch accounts token p01-desk --days 90

        livewatch accounts token p01-desk --revoke 0a1b2c3d4e5f6071
    """
    from pipelines.accounts.proof import new_token

    with _changing(file) as change:
        account = change.named(name)
        if revoke:
            kept = tuple(one for one in account.tokens if one.id != revoke)
            if len(kept) == len(account.tokens):
                raise CommandError(f"{name} has no token {revoke}")
            said = f"took back {revoke}"
        else:
            said, made = new_token(_now_ms(), days)
            kept = (*account.tokens, made)
        change.accounts = change.accounts.with_account(account.model_copy(update={"tokens": kept}))
    sys.stdout.write(said + "\n")


@contextmanager
def _changing(file: Path) -> Iterator[Changing]:
    from pipelines.accounts.book import changing
    from pipelines.accounts.errors import AccountError

    try:
        with changing(file) as change:
            yield change
    except AccountError as error:
        raise CommandError(str(error)) from None


def read_password(source: Path | None, prompt: str = "Password") -> str:
    """From a file, from standard input (`-`), or asked for."""
    if source is None:
        return str(typer.prompt(prompt, hide_input=True))
    if str(source) == "-":
        return sys.stdin.readline().rstrip("\n")
    try:
        return source.read_text("utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{source}: cannot be read", 2) from None


def _hashed(source: Path | None) -> str:
    from argon2 import PasswordHasher

    from pipelines.accounts.proof import MIN_PASSWORD

    password = read_password(source, "New password")
    if len(password) < MIN_PASSWORD:
        raise CommandError(f"a password has at least {MIN_PASSWORD} characters", 2)
    return PasswordHasher().hash(password)


def _now_ms() -> int:
    return round(time.time() * 1000)
