"""API keys: who may write by HTTP, and for which platform.

A key is `lw_<id>_<secret>`: 16 hex digits by which it is found, and 256 random bits of which only
the SHA-256 is kept; a hash without salt or stretching is right for a secret that nobody can guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fcntl import LOCK_EX, flock
from pathlib import Path

from producers.errors import PushError, UsageError
from schemas.keys import FOR_EVER_MS
from schemas.telemetry import PLATFORM_ID

VERSION = 1
_KEY = re.compile(r"lw_([0-9a-f]{16})_([0-9a-f]{64})")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key. Valid from `not_before_ms` to `not_after_ms`, before `revoked_ms`.

    `subject`, where there is one, is the common name of a client certificate that stands for the
    key (mTLS); such an entry has no secret.
    """

    key_id: str
    platform_id: str
    secret_sha256: str
    note: str = ""
    not_before_ms: int = 0
    not_after_ms: int = FOR_EVER_MS
    revoked_ms: int = FOR_EVER_MS
    subject: str = ""

    def valid(self, now_ms: int) -> bool:
        return self.not_before_ms <= now_ms < min(self.not_after_ms, self.revoked_ms)

    def state(self, now_ms: int) -> str:
        """For people: valid, not yet, expired or revoked."""
        if now_ms >= self.revoked_ms:
            return "revoked"
        if now_ms >= self.not_after_ms:
            return "expired"
        return "valid" if now_ms >= self.not_before_ms else "not yet"


def new_key(
    platform_id: str, note: str, begin_ms: int, end_ms: int, subject: str = ""
) -> tuple[ApiKey, str]:
    """A key and its text, which is shown once and kept nowhere. Raises UsageError."""
    if not re.fullmatch(PLATFORM_ID, platform_id):
        raise UsageError(f"--platform must match {PLATFORM_ID}")
    if end_ms <= begin_ms:
        raise UsageError("--until must be after --from")
    key_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    hashed = "" if subject else _hash(secret)
    key = ApiKey(key_id, platform_id, hashed, note, begin_ms, end_ms, subject=subject)
    return key, f"lw_{key_id}_{secret}"


class ApiKeyFile:
    """The keys of a gateway: a JSON file, read again whenever it changes, so that a revocation
    takes effect with the next request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def keys(self) -> dict[str, ApiKey]:
        """By id. Raises PushError when the file cannot be read."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return {}
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._keys = _read(self.path)
            self._seen = seen
        return self._keys

    def platform_of(self, text: str, now_ms: int) -> str | None:
        """The platform that a key writes for; None when it is unknown, wrong or not valid now.

        The same work is done for an unknown id as for a wrong secret, and both get one answer.
        """
        found = _KEY.fullmatch(text)
        key_id, secret = found.groups() if found else ("", "")
        key = self.keys().get(key_id)
        expected = (key.secret_sha256 if key else "") or _NOBODY
        same = hmac.compare_digest(_hash(secret), expected)
        return key.platform_id if key and same and key.valid(now_ms) else None

    def platform_of_subject(self, subject: str, now_ms: int) -> str | None:
        """The platform for which a client certificate with this common name stands."""
        for key in self.keys().values():
            if key.subject and key.subject == subject and key.valid(now_ms):
                return key.platform_id
        return None

    def add(self, key: ApiKey) -> None:
        with self._changing() as keys:
            keys[key.key_id] = key

    def revoke(self, key_id: str, now_ms: int) -> ApiKey:
        """From now on it opens nothing. Raises UsageError when there is no such key."""
        with self._changing() as keys:
            if key_id not in keys:
                raise UsageError(f"{self.path}: has no key {key_id}")
            keys[key_id] = replace(keys[key_id], revoked_ms=min(now_ms, keys[key_id].revoked_ms))
            return keys[key_id]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """One writer at a time; the file is replaced in one step, readable by its owner only."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(self.path.name + ".lock")
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)) as held:
            flock(held, LOCK_EX)
            keys = dict(_read(self.path)) if self.path.exists() else {}
            yield keys
            rows = [asdict(k) for k in keys.values()]
            text = json.dumps({"version": VERSION, "keys": rows}, indent=1) + "\n"
            new = self.path.with_name(f"{self.path.name}.new")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(path: Path) -> dict[str, ApiKey]:
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        return {k["key_id"]: ApiKey(**k) for k in data["keys"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PushError(f"{path}: is not a file of API keys ({error})") from None
