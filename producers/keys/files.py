"""Private keys as files, and the two documents that leave the house: public key, delegation.

A private key is a PEM file (PKCS #8, Ed25519) that only its owner may read; OpenSSL, Java, Node
and Go read the same file.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from producers.errors import PushError, UsageError
from schemas.keys import FOR_EVER_MS, Delegation, PublicKey, delegation_bytes
from schemas.signing import KEY_ID, Signer
from schemas.telemetry import PLATFORM_ID

_OWNER = re.compile(r"platform/[a-z0-9-]{1,32}|gateway/[a-z0-9-]{1,32}")


def create_key(path: Path) -> Signer:
    """Write a new private key, mode 0600. Raises PushError where a file is in the way."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_secret(path, pem)
    return Signer(key)


def write_secret(path: Path, data: bytes) -> None:
    """A new file that only its owner may read; never replaces one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already: a key is never overwritten") from None
    except OSError as error:
        raise PushError(f"{path}: cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load_signer(path: Path) -> Signer:
    """The key in the file. Raises UsageError when it is none, or when others may read it."""
    try:
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"{path}: others may read this private key: chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path}: is not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path}: must be an Ed25519 key")
    return Signer(key)


def check_owner(owner: str) -> str:
    """`platform/<id>` or `gateway/<name>`. Raises UsageError."""
    if not _OWNER.fullmatch(owner):
        raise UsageError("owner must be platform/<platform_id> or gateway/<name>")
    return owner


def public_part(signer: Signer, owner: str, begin_ms: int = 0, end_ms: int = 0) -> PublicKey:
    """What the regulator registers. Raises UsageError for a bad owner or span."""
    begin, end = span(begin_ms, end_ms)
    return PublicKey(check_owner(owner), signer.public_key.hex(), begin, end)


def delegate(
    signer: Signer, platform_id: str, key_id: str, begin_ms: int = 0, end_ms: int = 0
) -> Delegation:
    """A platform's signed word that `key_id` may sign for it. Raises UsageError."""
    if not re.fullmatch(PLATFORM_ID, platform_id):
        raise UsageError(f"--platform must match {PLATFORM_ID}")
    if not re.fullmatch(KEY_ID, key_id):
        raise UsageError("--to must be the id of a key, 16 hex digits")
    begin, end = span(begin_ms, end_ms)
    signature = signer.sign_bytes(delegation_bytes(platform_id, key_id, begin, end))
    return Delegation(
        platform_id,
        key_id,
        begin,
        end,
        signed_by=signer.key_id,
        signature=base64.b64encode(signature).decode(),
    )


def span(begin_ms: int, end_ms: int) -> tuple[int, int]:
    """Validity in ms, the end 0 for ever. Raises UsageError when it ends before it begins."""
    end = end_ms or FOR_EVER_MS
    if end <= begin_ms:
        raise UsageError("--until must be after --from")
    return begin_ms, end
