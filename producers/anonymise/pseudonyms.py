"""HMAC-SHA256 pseudonyms: a domain per kind of entity, a new key every 90 days.

The same raw id is one pseudonym as a room and another as a streamer, so that nobody joins what
the platform did not; and another again in the next key epoch, so that nobody follows an entity
for ever. A pseudonym is the first 128 bits of

    HMAC-SHA256(secret, "livewatch-pseudonym-v1\\n<domain>\\n<key epoch>\\n<round>\\n<raw id>")

with round 0, or the first one that looks random (`schemas.personal.pseudonym_fault`; about once in
two million it is not the first).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable

from producers.anonymise.secret import Secret
from schemas.personal import pseudonym_fault

DOMAINS = ("room", "streamer", "mcn", "merchant")
KEY_EPOCH_MS = 90 * 24 * 3600 * 1000
_FIRST_MS = 1_577_836_800_000  # 2020-01-01, where epoch 0 begins
_REMEMBERED = 200_000
_MAX_RAW = 512


def key_epoch_at(ms: int) -> int:
    """Number of the 90-day span, counted from 2020-01-01 UTC.

    >>> key_epoch_at(1_577_836_800_000 + KEY_EPOCH_MS)
    1
    """
    return (ms - _FIRST_MS) // KEY_EPOCH_MS


def random_id(token: Callable[[], str] = lambda: secrets.token_hex(16)) -> str:
    """A session id: 128 random bits in hex."""
    while pseudonym_fault(made := token()) is not None:
        pass
    return made


class Pseudonyms:
    """Pseudonyms of one key epoch. Thread-safe: making one twice makes the same.

    >>> names = Pseudonyms(Secret(b"0123456789abcdef0123456789abcdef"), key_epoch=25)
    >>> names.make("room", "room-1") == names.make("merchant", "room-1")
    False
    """

    def __init__(self, secret: Secret, key_epoch: int) -> None:
        self._secret, self.key_epoch = secret, key_epoch
        self._made: dict[tuple[str, str], str] = {}

    def make(self, domain: str, raw: str) -> str:
        """Pseudonym of a raw id of the platform. Raises ValueError, which does not repeat it."""
        known = self._made.get((domain, raw))
        if known is not None:
            return known
        if domain not in DOMAINS:
            raise ValueError(f"domain must be one of {', '.join(DOMAINS)}")
        if not isinstance(raw, str) or not 0 < len(raw) <= _MAX_RAW:
            raise ValueError(f"the raw id must be a text of 1 to {_MAX_RAW} characters")
        made = self._derive(domain, raw)
        if len(self._made) >= _REMEMBERED:
            self._made.clear()
        self._made[domain, raw] = made
        return made

    def column(self, domain: str, raws: Iterable[str | None]) -> list[str | None]:
        """The same for many; None stays None."""
        return [None if raw is None else self.make(domain, raw) for raw in raws]

    def _derive(self, domain: str, raw: str) -> str:
        attempt = 0
        while True:
            head = f"livewatch-pseudonym-v1\n{domain}\n{self.key_epoch}\n{attempt}\n"
            message = head.encode() + raw.encode("utf-8", "surrogatepass")
            made = hmac.new(self._secret.reveal(), message, hashlib.sha256).hexdigest()[:32]
            if pseudonym_fault(made) is None:
                return made
            attempt += 1

    def __repr__(self) -> str:
        return f"Pseudonyms(key_epoch={self.key_epoch})"
