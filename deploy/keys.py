"""`livewatch keys`: the regulator's registry of who may sign, and for whom."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from deploy.errors import UsageError
from producers.keys.files import check_owner
from schemas.keys import (
    FOR_EVER_MS,
    Delegation,
    KeyRegistry,
    PublicKey,
    delegation_bytes,
    load_registry,
    save_registry,
)

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""The registry of keys: who may sign batches, and for whom.

    Workers read the file again whenever it changes (LIVEWATCH_KEYS_FILE). Validity is judged at a
    record's broker time. Nothing is ever removed: a revoked key explains old records.
    """,
)
File = Annotated[
    Path, typer.Option("--file", envvar="LIVEWATCH_KEYS_FILE", help="The registry, a JSON file.")
]
_Document = TypeVar("_Document", PublicKey, Delegation)
Document = Annotated[Path, typer.Argument(help="What the platform sent; - is standard input.")]


@app.command()
def register(document: Document, file: File = Path("keys.json")) -> None:
    """Add a public key (`livewatch-push keys create`). Compare its id with the owner by phone."""
    with _changing(file) as change:
        key = _parse(PublicKey, document)
        check_owner(key.owner)
        _check_public(key.public_key)
        known = change.registry.keys.get(key.key_id)
        if known and known.owner != key.owner:
            raise UsageError(f"key {key.key_id} is registered for {known.owner} already")
        if known and known.revoked_ms != FOR_EVER_MS:
            raise UsageError(f"key {key.key_id} was revoked: a revoked key never comes back")
        change.registry = change.registry.with_key(key)
    sys.stdout.write(f"registered {key.key_id} for {key.owner} in {file}\n")


@app.command("list")
def show(
    file: File = Path("keys.json"),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List keys and delegations with their states."""
    registry = _load(file)
    for key in registry.keys.values():
        row = {"key_id": key.key_id, "owner": key.owner, **_state(key)}
        _write(row, as_json, f"{key.key_id}  {key.owner:<24}  {_said(key)}")
    for d in registry.delegations:
        row = {"key_id": d.key_id, "signs_for": d.platform_id, **_state(d)}
        by = f"signed by {d.signed_by}" if d.signed_by else "attested by the operator"
        _write(row, as_json, f"{d.key_id}  signs for {d.platform_id:<14}  {_said(d)}  {by}")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, 16 hex digits.")],
    platform: Annotated[
        str | None, typer.Option(help="Only its delegation by this platform.")
    ] = None,
    file: File = Path("keys.json"),
) -> None:
    """Refuse every batch of a key, or of its delegation by one platform, from this moment on."""
    now = _now_ms()
    with _changing(file) as change:
        registry = change.registry
        if platform is None:
            if key_id not in registry.keys:
                raise UsageError(f"{file}: has no key {key_id}")
            key = registry.keys[key_id]
            change.registry = registry.with_key(replace(key, revoked_ms=min(now, key.revoked_ms)))
        else:
            pair = [
                d for d in registry.delegations if (d.platform_id, d.key_id) == (platform, key_id)
            ]
            if not pair:
                raise UsageError(f"{file}: {platform} has no delegation to {key_id}")
            gone = replace(pair[0], revoked_ms=min(now, pair[0].revoked_ms))
            change.registry = registry.with_delegation(gone)
    sys.stdout.write(f"revoked {key_id}{f' for {platform}' if platform else ''}\n")


@app.command()
def delegate(
    document: Document,
    file: File = Path("keys.json"),
    attest: Annotated[
        bool, typer.Option(help="Take it unsigned: the platform has no key of its own.")
    ] = False,
) -> None:
    """Add a platform's delegation to a gateway (`livewatch-push keys delegate`)."""
    with _changing(file) as change:
        found = replace(_parse(Delegation, document), revoked_ms=FOR_EVER_MS)
        gateway = change.registry.keys.get(found.key_id)
        if gateway is None:
            raise UsageError(f"{file}: has no key {found.key_id}: register the gateway first")
        if attest:
            found = replace(found, signed_by="", signature="")
        else:
            _check_signature(found, change.registry)
        change.registry = change.registry.with_delegation(found)
    sys.stdout.write(f"{gateway.owner} may sign for {found.platform_id}\n")


class _Change:
    def __init__(self, registry: KeyRegistry) -> None:
        self.registry = registry


@contextmanager
def _changing(file: Path) -> Iterator[_Change]:
    """One writer at a time; nothing is written when the body raises."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.with_name(file.name + ".lock")
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)) as held:
        flock(held, LOCK_EX)
        change = _Change(_load(file) if file.exists() else KeyRegistry())
        yield change
        save_registry(file, change.registry)


def _load(file: Path) -> KeyRegistry:
    try:
        return load_registry(file)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from None


def _parse(kind: type[_Document], path: Path) -> _Document:
    """A document as it came; what only the registry decides (revocation) is not taken from it."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        data: dict[str, Any] = json.loads(text)
        data.pop("revoked_ms", None)
        known = {f.name for f in fields(kind)} | {"key_id"}
        if not isinstance(data, dict) or set(data) - known:
            raise ValueError("has other fields than a key or delegation")
        if kind is PublicKey:
            data.pop("key_id", None)
        return kind(**data)
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path}: is not a {kind.__name__} document: {error}") from None


def _check_public(text: str) -> None:
    try:
        if len(text) != 64:
            raise ValueError
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError:
        raise UsageError("public_key must be 32 bytes as 64 hex digits") from None


def _check_signature(found: Delegation, registry: KeyRegistry) -> None:
    """The platform's own key, valid now, signed just this."""
    signer = registry.keys.get(found.signed_by)
    if signer is None or signer.owner != f"platform/{found.platform_id}":
        raise UsageError("the delegation is not signed by a registered key of its platform")
    if not signer.not_before_ms <= _now_ms() < min(signer.not_after_ms, signer.revoked_ms):
        raise UsageError(f"key {found.signed_by}, which signed the delegation, is not valid now")
    message = delegation_bytes(
        found.platform_id, found.key_id, found.not_before_ms, found.not_after_ms
    )
    try:
        signature = base64.b64decode(found.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(signer.raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise UsageError("the delegation's signature does not match its words") from None


def _state(row: PublicKey | Delegation) -> dict[str, object]:
    return {
        "state": _word(row, _now_ms()),
        "not_before_ms": row.not_before_ms,
        "not_after_ms": row.not_after_ms,
        "revoked_ms": row.revoked_ms,
    }


def _word(row: PublicKey | Delegation, now_ms: int) -> str:
    if now_ms >= row.revoked_ms:
        return "revoked"
    if now_ms >= row.not_after_ms:
        return "expired"
    return "valid" if now_ms >= row.not_before_ms else "not yet"


def _said(row: PublicKey | Delegation) -> str:
    end = min(row.not_after_ms, row.revoked_ms)
    return f"{_word(row, _now_ms()):<8}  {_when(row.not_before_ms)} to {_when(end)}"


def _when(ms: int) -> str:
    if ms >= FOR_EVER_MS:
        return "for ever"
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _write(row: dict[str, object], as_json: bool, line: str) -> None:
    sys.stdout.write((json.dumps(row) if as_json else line) + "\n")


def _now_ms() -> int:
    return int(time.time() * 1000)
