"""`livewatch-push keys`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from producers.keys import files
from producers.units import parse_time
from schemas.keys import FOR_EVER_MS, Delegation, PublicKey

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Signing keys. Batches are signed, so that nobody writes in another's name.

    1. `keys create p01.pem --owner platform/p01 > p01.json`, and send *p01.json* to the regulator,
       who runs `livewatch keys register p01.json`. The private file never leaves the house.
    2. To send by a gateway: `keys delegate --key p01.pem --platform p01 --to <the gateway's key id>
       > delegation.json`, and send that one, too.
    3. To rotate: create and register a second key, switch the sender over, then have the first
       one revoked. Both are valid meanwhile, so nothing stands still.
    """,
)
From = Annotated[str | None, typer.Option("--from", help="Valid from, ISO 8601; else always.")]
Until = Annotated[str | None, typer.Option("--until", help="Valid until, ISO 8601; else for ever.")]
Owner = Annotated[str, typer.Option(help="platform/<platform_id> or gateway/<name>.")]


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; must not exist.")],
    owner: Owner,
    begin: From = None,
    until: Until = None,
) -> None:
    """Make a key pair: the private key into FILE (mode 0600), the public part on stdout."""
    files.check_owner(owner)
    when = files.span(*_span(begin, until))  # before a file is made
    signer = files.create_key(file)
    _print(files.public_part(signer, owner, *when))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A private key.")],
    owner: Owner,
    begin: From = None,
    until: Until = None,
) -> None:
    """Print the public part of a private key again."""
    _print(files.public_part(files.load_signer(file), owner, *_span(begin, until)))


@app.command()
def delegate(
    key: Annotated[Path, typer.Option(help="The platform's private key.")],
    platform: Annotated[str, typer.Option(help="The platform's id.")],
    to: Annotated[str, typer.Option(help="Id of the gateway's key, 16 hex digits.")],
    begin: From = None,
    until: Until = None,
) -> None:
    """Let a gateway sign for the platform: the signed delegation on stdout."""
    signer = files.load_signer(key)
    _print(files.delegate(signer, platform, to, *_span(begin, until)))


def _span(begin: str | None, until: str | None) -> tuple[int, int]:
    return (parse_time(begin) if begin else 0, parse_time(until) if until else 0)


def _print(document: PublicKey | Delegation) -> None:
    """As the registry holds it, less what only the registry may say."""
    plain = {k: v for k, v in asdict(document).items() if v != FOR_EVER_MS and v != 0}
    if isinstance(document, PublicKey):
        plain["key_id"] = document.key_id
    sys.stdout.write(json.dumps(plain, indent=1) + "\n")
