"""Signatures of batches: Ed25519 over a canonical string, which any language can build.

The string is, with `\\n` for a line feed and everything in UTF-8:

    livewatch-batch-v1\\n
    <topic>\\n
    <partition>\\n
    <name>:<length of the value in bytes>:<value>\\n     each header but ce_signature, by name
    \\n
    <value of the record>

Lengths stand before values, so that no value can pass for another header.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.errors import ContractError

KEY_HEADER = "ce_keyid"
SIGNATURE_HEADER = "ce_signature"
KEY_ID = r"^[0-9a-f]{16}$"
_PREFIX = b"livewatch-batch-v1\n"

HeaderPairs = Iterable[tuple[str, bytes | None]]


def key_id_of(public_key: bytes) -> str:
    """Id of a key: the first 16 hex digits of the SHA-256 of its 32 raw public bytes."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def canonical(topic: str, partition: int, headers: HeaderPairs, value: bytes) -> bytes:
    """The bytes that are signed."""
    parts = [_PREFIX, f"{topic}\n{partition}\n".encode()]
    for name, text in sorted((n, v or b"") for n, v in headers if n != SIGNATURE_HEADER):
        parts.append(f"{name}:{len(text)}:".encode() + text + b"\n")
    return b"".join([*parts, b"\n", value])


class Signer:
    """A private key that signs batches."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> Signer:
        """The key with these 32 secret bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign_bytes(self, message: bytes) -> bytes:
        """A raw signature, 64 bytes."""
        return self._key.sign(message)

    def sign(
        self, topic: str, partition: int, headers: list[tuple[str, bytes]], value: bytes
    ) -> list[tuple[str, bytes]]:
        """The headers with the key's id and the signature added."""
        named = [*headers, (KEY_HEADER, self.key_id.encode())]
        signature = self._key.sign(canonical(topic, partition, named, value))
        return [*named, (SIGNATURE_HEADER, base64.b64encode(signature))]


@lru_cache(maxsize=1024)
def _public(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def verify(
    public_key: bytes,
    signature: bytes,
    topic: str,
    partition: int,
    headers: HeaderPairs,
    value: bytes,
) -> None:
    """Raise ContractError unless `signature` (base64) is the key's over this record."""
    try:
        raw = base64.b64decode(signature, validate=True)
        message = canonical(topic, partition, headers, value)
        _public(public_key).verify(raw, message)
    except (InvalidSignature, binascii.Error, ValueError):
        raise ContractError(SIGNATURE_HEADER, "does not match the record") from None
