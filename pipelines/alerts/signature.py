"""Signatures of webhooks as the Standard Webhooks specification has them (version v1).

HMAC-SHA256 over `id.timestamp.body` with a secret that the receiver shares; the timestamp is in
what is signed, so that a copy cannot be played back later.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256

PREFIX = "whsec_"
TOLERANCE_S = 300
_LEAST_BYTES = 24


def new_secret() -> str:
    """A secret to share with one receiver."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Bytes of a secret as `whsec_` and base64. Raises ValueError where it is none, or short."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"is not a secret: {PREFIX} and base64 are expected") from None
    if len(key) < _LEAST_BYTES:
        raise ValueError(f"has {len(key)} bytes, at least {_LEAST_BYTES} are needed")
    return key


def keys_of(text: str) -> tuple[bytes, ...]:
    """Secrets one a line, at least one. Raises ValueError."""
    return tuple(key_of(line) for line in text.split() or [""])


def sign(key: bytes, event_id: str, at_s: int, body: bytes) -> str:
    """The signature of one telling, as it stands in the header."""
    mac = hmac.new(key, f"{event_id}.{at_s}.".encode() + body, sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def headers(keys: Sequence[bytes], event_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed webhook; a signature by each of `keys`."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(sign(key, event_id, at_s, body) for key in keys),
    }


def verify(key: bytes, given: Mapping[str, str], body: bytes, now_s: int) -> bool:
    """For receivers: whether body and time are ours and the time is near."""
    stamp = given.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now_s - int(stamp)) > TOLERANCE_S:
        return False
    expected = sign(key, given.get("webhook-id", ""), int(stamp), body).encode()
    # Several, separated by spaces, while a secret is being changed.
    signatures = given.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in signatures)
