"""Who is asking: by password, by token, by a session, or as a trusted proxy says."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from pipelines.accounts.book import Account, Accounts, Token
from pipelines.core.ledger.roles import Actor

MIN_PASSWORD = 12
SESSION_MS = 8 * 3_600_000
_REMEMBERED_MS = 60_000
_PREFIX = "lw"


def new_token(now_ms: int, days: int) -> tuple[str, Token]:
    """(what the program sends, what is kept). The first is shown once."""
    id_, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    kept = Token(
        id=id_, sha256=_sha256(secret), created_ms=now_ms, expires_ms=now_ms + days * 86_400_000
    )
    return f"{_PREFIX}_{id_}_{secret}", kept


@dataclass
class Proofs:
    """Checks credentials against the accounts as they are now. All `check_*` give None for no."""

    accounts: Callable[[], Accounts]
    now_ms: Callable[[], int]
    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _remembered: dict[bytes, int] = field(default_factory=dict)
    _sessions: dict[str, tuple[str, int]] = field(default_factory=dict)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # An unknown name takes as long as a known one.
        self._nobody = self.hasher.hash(secrets.token_hex(16))

    def check_password(self, name: str, password: str) -> Actor | None:
        """Slow on purpose (argon2); a proof is remembered for a minute."""
        account = self._enabled(name)
        hash_ = account.password if account is not None and account.password else self._nobody
        mark = hmac.digest(self._key, f"{name}\0{password}\0{hash_}".encode(), "sha256")
        if self._remembered.get(mark, 0) > self.now_ms():
            return account.actor() if account is not None else None
        # One at a time: a check takes 64 MiB, and guesses may come in hundreds.
        with self._one_at_a_time:
            right = self._verify(hash_, password)
        if not right or account is None or account.password is None:
            return None
        self._remember(mark)
        return account.actor()

    def check_token(self, token: str) -> Actor | None:
        """A program's token."""
        prefix, _, rest = token.partition("_")
        id_, _, secret = rest.partition("_")
        if prefix != _PREFIX or not secret:
            return None
        for account in self.accounts().accounts:
            for one in account.tokens:
                if one.id == id_ and hmac.compare_digest(one.sha256, _sha256(secret)):
                    alive = self.now_ms() < one.expires_ms and not account.disabled
                    return account.actor() if alive else None
        return None

    def open_session(self, actor: Actor) -> str:
        """A secret that stands for the account for eight hours, or until this process ends."""
        now = self.now_ms()
        self._sessions = {k: v for k, v in self._sessions.items() if v[1] > now}
        secret = secrets.token_urlsafe(32)
        self._sessions[_sha256(secret)] = (actor.account, now + SESSION_MS)
        return secret

    def close_session(self, secret: str) -> None:
        self._sessions.pop(_sha256(secret), None)

    def check_session(self, secret: str) -> Actor | None:
        name, until = self._sessions.get(_sha256(secret), ("", 0))
        if until <= self.now_ms():
            return None
        account = self._enabled(name)
        return account.actor() if account is not None else None

    def check_proxy(self, name: str) -> Actor | None:
        """An account that a proxy has proven; that it is the proxy is checked before."""
        account = self._enabled(name)
        return account.actor() if account is not None else None

    def _enabled(self, name: str) -> Account | None:
        account = self.accounts().get(name)
        return None if account is None or account.disabled else account

    def _verify(self, hash_: str, password: str) -> bool:
        try:
            return self.hasher.verify(hash_, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _remember(self, mark: bytes) -> None:
        now = self.now_ms()
        if len(self._remembered) > 1000:
            self._remembered = {k: v for k, v in self._remembered.items() if v > now}
        self._remembered[mark] = now + _REMEMBERED_MS


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
