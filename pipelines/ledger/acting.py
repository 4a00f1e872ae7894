"""What accounts do at the command line: acknowledge, appeal, decide, clear."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.errors import CommandError

FlagId = Annotated[str, typer.Argument(help="The flag's id, as `flags list` shows it.")]
Account = Annotated[
    str, typer.Option(help="Who acts; LIVEWATCH_ACCOUNTS_FILE has it.", envvar="LIVEWATCH_ACCOUNT")
]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the password; - is standard input; asked for else.")
]
RequestId = Annotated[
    str, typer.Option(help="Makes a repetition harmless: the same id is written once.")
]
Why = Annotated[str, typer.Option(help="The reason; no personal data.")]


def ack(
    flag_id: FlagId,
    account: Account,
    why: Why = "",
    password_file: PasswordFile = None,
    request_id: RequestId = "",
) -> None:
    """Say that somebody has seen it.

    Example: livewatch flags ack F01:merchant/p01/9f3c...:1772596800000 --account lin
    """
    _act(account, password_file, request_id, flag_id, "acked", why)


def appeal(
    flag_id: FlagId,
    account: Account,
    why: Why,
    password_file: PasswordFile = None,
    request_id: RequestId = "",
) -> None:
    """The platform's word against it, within 5 working days of its acknowledgement.

    Example: livewatch flags appeal FLAG --account p01-desk --why "counts were corrected"
    """
    _act(account, password_file, request_id, flag_id, "appealed", why)


def decide(
    flag_id: FlagId,
    decision: Annotated[str, typer.Argument(help="upheld, overturned or corrected.")],
    account: Account,
    why: Why,
    correction: Annotated[str, typer.Option(help="For corrected: which correction.")] = "",
    password_file: PasswordFile = None,
    request_id: RequestId = "",
) -> None:
    """Decide an appeal; by somebody who neither acknowledged nor appealed.

    Examples:

        livewatch flags decide FLAG overturned --account wei --why "a test of the platform"

        livewatch flags decide FLAG corrected --account wei --why "recounted" --correction p01/a/1/7
    """
    if decision.lower() not in ("upheld", "overturned", "corrected"):
        raise CommandError("the decision must be upheld, overturned or corrected", 2)
    _act(account, password_file, request_id, flag_id, decision.lower(), why, correction)


def clear(
    flag_id: FlagId,
    account: Account,
    why: Why,
    password_file: PasswordFile = None,
    request_id: RequestId = "",
) -> None:
    """Close the file.

    Example: livewatch flags clear FLAG --account lin --why "merchant has closed"
    """
    _act(account, password_file, request_id, flag_id, "cleared", why)


def _act(
    account: str,
    password_file: Path | None,
    request_id: str,
    flag_id: str,
    kind: str,
    why: str,
    correction: str = "",
) -> None:
    from pipelines.accounts.command import read_password
    from pipelines.accounts.errors import AccountError
    from pipelines.cli import settings
    from pipelines.core.ledger.book import BrokenChainError
    from pipelines.core.ledger.entry import Kind
    from pipelines.core.ledger.requests import RefusedError
    from pipelines.ledger.act import act
    from pipelines.ledger.errors import LedgerError

    password = read_password(password_file)
    try:
        file = act(settings(), account, password, request_id, flag_id, Kind(kind), why, correction)
    except (RefusedError, AccountError, LedgerError) as error:
        raise CommandError(str(error)) from None
    except BrokenChainError as error:
        raise CommandError(f"{error}; see docs/runbooks/chain-broken.md") from None
    sys.stdout.write(f"{file.flag_id} {file.state}\n")
