"""`livewatch-push gateway-keys`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from producers.gateway.api_keys import ApiKey, ApiKeyFile, new_key
from producers.pacing import wall_ms
from producers.units import parse_time
from schemas.keys import FOR_EVER_MS

app = typer.Typer(
    name="gateway-keys",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""API keys of a gateway: who may write by HTTP, and for which platform.

    To rotate without a pause: `create` a second key, let the platform switch over, `revoke` the
    first. A running gateway sees a change with its next request.
    """,
)
File = Annotated[
    Path, typer.Option("--keys", envvar="LIVEWATCH_GATEWAY_KEYS", help="The gateway's key file.")
]


@app.command()
def create(
    platform: Annotated[str, typer.Option(help="The platform that the key writes for.")],
    keys: File = Path("gateway-keys.json"),
    note: Annotated[str, typer.Option(help="Whom it was given to.")] = "",
    begin: Annotated[str | None, typer.Option("--from", help="Valid from, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Valid until, ISO 8601.")] = None,
    subject: Annotated[
        str, typer.Option(help="No secret: a client certificate with this common name (mTLS).")
    ] = "",
) -> None:
    """Make a key and print it: once, for only its hash is kept."""
    begin_ms = parse_time(begin) if begin else wall_ms()
    end_ms = parse_time(until) if until else FOR_EVER_MS
    key, text = new_key(platform, note, begin_ms, end_ms, subject)
    ApiKeyFile(keys).add(key)
    sys.stdout.write((key.key_id if subject else text) + "\n")


@app.command("list")
def show(
    keys: File = Path("gateway-keys.json"),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the keys: id, platform, state, validity, note. Never a secret."""
    for key in ApiKeyFile(keys).keys().values():
        sys.stdout.write((_json(key) if as_json else _line(key)) + "\n")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The 16 hex digits in the key's text.")],
    keys: File = Path("gateway-keys.json"),
) -> None:
    """Close a key: from the next request on it opens nothing."""
    ApiKeyFile(keys).revoke(key_id, wall_ms())
    sys.stdout.write(f"revoked {key_id}\n")


def _line(key: ApiKey) -> str:
    span = f"{_when(key.not_before_ms)} to {_when(min(key.not_after_ms, key.revoked_ms))}"
    return f"{key.key_id}  {key.platform_id:<12}  {key.state(wall_ms()):<8}  {span}  {key.note}"


def _json(key: ApiKey) -> str:
    return json.dumps(
        {
            "key_id": key.key_id,
            "platform_id": key.platform_id,
            "state": key.state(wall_ms()),
            "not_before_ms": key.not_before_ms,
            "not_after_ms": key.not_after_ms,
            "revoked_ms": key.revoked_ms,
            "subject": key.subject,
            "note": key.note,
        }
    )


def _when(ms: int) -> str:
    if ms >= FOR_EVER_MS:
        return "for ever"
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
