"""The file of accounts: read when it changes, written whole or not at all, by its owner alone."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.accounts.errors import AccountError
from pipelines.core.ledger.roles import Actor, Role
from schemas.codes import DISTRICTS

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Token(_Strict):
    """A token for programs: only its SHA-256 is kept."""

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_ms: int
    expires_ms: int


class Account(_Strict):
    """One person or program. `password` is an argon2id hash; null: only tokens or the proxy."""

    name: str = Field(pattern=NAME)
    role: Role
    platform_id: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    district: str = ""
    password: str | None = None
    disabled: bool = False
    created_ms: int
    tokens: tuple[Token, ...] = ()

    @model_validator(mode="after")
    def _bound(self) -> Account:
        if (self.role is Role.PLATFORM) != bool(self.platform_id):
            raise ValueError("the role platform, and no other, is bound to a platform_id")
        if (self.role is Role.DISTRICT_BUREAU) != bool(self.district):
            raise ValueError("the role district_bureau, and no other, is bound to a district")
        if self.district and self.district not in DISTRICTS.codes - {"310000", "999999"}:
            raise ValueError(f"{self.district} is no district")
        if self.password is not None and not self.password.startswith("$argon2id$"):
            raise ValueError("password must be an argon2id hash")
        return self

    def actor(self) -> Actor:
        return Actor(self.name, self.role, self.platform_id, self.district)


class Accounts(_Strict):
    """All accounts, by name."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    accounts: tuple[Account, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Accounts:
        names = [one.name for one in self.accounts]
        if len(set(names)) != len(names):
            raise ValueError("an account is there twice")
        return self

    def get(self, name: str) -> Account | None:
        return next((one for one in self.accounts if one.name == name), None)

    def with_account(self, account: Account) -> Accounts:
        """The account added, or in the place of the one of its name."""
        others = [one for one in self.accounts if one.name != account.name]
        return Accounts(accounts=(*others, account))


def load(path: Path) -> Accounts:
    """Raises AccountError; a file that is not there has no accounts."""
    try:
        if path.stat().st_mode & 0o077:
            raise AccountError(f"{path}: others may read it: chmod 600 {path}")
        return Accounts.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Accounts()
    except OSError as error:
        raise AccountError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AccountError(f"{path}: {where}: {first['msg']}") from None


class Changing:
    """Accounts while they are being changed."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts

    def named(self, name: str) -> Account:
        found = self.accounts.get(name)
        if found is None:
            raise AccountError(f"there is no account {name}: livewatch accounts list")
        return found


@contextmanager
def changing(path: Path) -> Iterator[Changing]:
    """One writer at a time; nothing is written when the body raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)) as held:
        flock(held, LOCK_EX)
        change = Changing(load(path))
        yield change
        _save(path, change.accounts)


def _save(path: Path, accounts: Accounts) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(accounts.model_dump_json(indent=1).encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)


def check_name(name: str) -> None:
    """Raises AccountError."""
    if not re.match(NAME, name):
        raise AccountError(
            "a name has 1 to 64 of a-z, 0-9, . _ - and begins with a letter or digit"
        )


class Current:
    """The accounts as the file has them now, read again whenever it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._accounts = Accounts()

    def __call__(self) -> Accounts:
        """Raises AccountError where the file cannot be used: then nobody is let in."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:
            seen = (0, 0, 0)
        except OSError as error:
            raise AccountError(f"{self._path}: {error.strerror}") from None
        if seen != self._seen:
            self._accounts, self._seen = load(self._path), seen
        return self._accounts
