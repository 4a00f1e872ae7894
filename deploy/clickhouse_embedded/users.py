"""Who may connect, from a JSON file.

    {"ingest":  {"password_scrypt": "salt$hash", "readonly": false},
     "grafana": {"password_sha256": "hex", "salt": "hex", "readonly": true,
                 "database": "livewatch", "settings": {"max_execution_time": 30}},
     "dev":     {"password": "plain text, for tests and the demonstration only"}}

`hash_password` makes the first form. A user with an empty `password` needs none.
"""

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from deploy.clickhouse_embedded.errors import AUTHENTICATION_FAILED, ServerError, StartupError

_SCRYPT: Final = {"n": 2**12, "r": 8, "p": 1}  # 4 ms: every HTTP request authenticates


class User(BaseModel):
    """One user of the file; exactly one form of password is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: str | None = None
    password_sha256: str | None = None
    password_scrypt: str | None = None
    salt: str = ""
    readonly: bool = False
    database: str = "default"
    settings: dict[str, str | int | float | bool] = {}
    name: str = ""

    @model_validator(mode="after")
    def _one_password(self) -> "User":
        given = [self.password, self.password_sha256, self.password_scrypt]
        if sum(value is not None for value in given) != 1:
            raise ValueError("give exactly one of password, password_sha256, password_scrypt")
        if self.password_scrypt is not None and "$" not in self.password_scrypt:
            raise ValueError("password_scrypt must be salt$hash")
        return self

    def accepts(self, password: str) -> bool:
        """Compare in constant time."""
        if self.password_scrypt is not None:
            salt, _, expected = self.password_scrypt.partition("$")
            return hmac.compare_digest(_scrypt(password, salt), expected)
        if self.password_sha256 is not None:
            digest = hashlib.sha256((self.salt + password).encode()).hexdigest()
            return hmac.compare_digest(digest, self.password_sha256.lower())
        return hmac.compare_digest((self.password or "").encode(), password.encode())


def _scrypt(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), dklen=32, **_SCRYPT).hex()


def hash_password(password: str) -> str:
    """The value of `password_scrypt` for a password."""
    salt = os.urandom(12).hex()
    return f"{salt}${_scrypt(password, salt)}"


# An unknown name costs as much time as a wrong password, so that names cannot be found by timing.
_NOBODY: Final = User(password_scrypt="00$00")  # noqa: S106
_Users: Final = TypeAdapter(dict[str, User])


class Users:
    """The users by name."""

    def __init__(self, users: dict[str, User]) -> None:
        self._users = {name: user.model_copy(update={"name": name}) for name, user in users.items()}
        self._verified: dict[str, bytes] = {}
        self._pepper = os.urandom(16)

    @classmethod
    def load(cls, path: Path) -> "Users":
        """Read the file; raises `StartupError` with one line that says what is wrong."""
        try:
            return cls(_Users.validate_json(path.read_bytes()))
        except OSError as error:
            raise StartupError(f"users file {path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise StartupError(f"users file {path}: {where}: {first['msg']}") from None

    def authenticate(self, name: str, password: str) -> User:
        """The user, or AUTHENTICATION_FAILED (516) that does not say which part was wrong."""
        user = self._users.get(name, _NOBODY)
        proof = hmac.digest(self._pepper, f"{name}\0{password}".encode(), "sha256")
        # scrypt holds a core for milliseconds: a password that was right once is remembered as a
        # keyed digest, in memory only.
        if hmac.compare_digest(self._verified.get(name, b""), proof):
            return user
        if user.accepts(password) and user is not _NOBODY:
            self._verified[name] = proof
            return user
        raise ServerError(
            AUTHENTICATION_FAILED,
            f"{name}: Authentication failed: password is incorrect,"
            " or there is no user with such name.",
        )
