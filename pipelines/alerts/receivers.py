"""The file of receivers: whose webhooks there are, and which desks they serve.

receivers:
  - name: commission-duty
    url: https://duty.example.cn/livewatch
    secret_file: commission.secret     # beside this file, or absolute; read again when it changes
    desks: [commission]
  - name: p01
    url: https://p01.example.cn/hook
    secret_file: p01.secret
    desks: ["platform:p01"]
    least: notice                      # or warning, action
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from pipelines.alerts.errors import AlertsError
from pipelines.alerts.routing import Desk
from pipelines.alerts.signature import keys_of
from pipelines.core.ledger.lifecycle import Level

_NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
# One of a role, or one of several: the id says which.
_DESK = r"^[a-z_]{2,30}(:[A-Za-z0-9_.-]{1,64})?$"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, StringConstraints(pattern=_NAME)]
    url: str
    secret_file: str
    desks: list[Annotated[str, StringConstraints(pattern=_DESK)]]
    least: Literal["notice", "warning", "action"] = "notice"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    receivers: list[_Entry]


@dataclass(frozen=True)
class Receiver:
    """One webhook. The secret is kept out of what is printed."""

    name: str
    url: str
    key_file: Path
    desks: frozenset[Desk]
    least: Level = Level.NOTICE

    def keys(self) -> tuple[bytes, ...]:
        """Bytes of the secrets, one a line: two while one is being changed. Raises AlertsError."""
        try:
            return keys_of(self.key_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise AlertsError(f"{self.key_file}: cannot be read: {error}") from None
        except ValueError as error:
            raise AlertsError(f"{self.key_file}: {error}") from None

    def wants(self, desks: frozenset[Desk], level: Level) -> bool:
        return level >= self.least and not desks.isdisjoint(self.desks)


def load(path: Path) -> list[Receiver]:
    """Receivers of a file, each with a secret that can be read. Raises AlertsError."""
    try:
        told = _File.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise AlertsError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise AlertsError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise AlertsError(f"{path}: {where}: {first['msg']}") from None
    names = [one.name for one in told.receivers]
    for name in names:
        if names.count(name) > 1:
            raise AlertsError(f"{path}: {name}: is there twice")
    made = [_receiver(path, one) for one in told.receivers]
    for receiver in made:
        receiver.keys()
    return made


def _receiver(path: Path, entry: _Entry) -> Receiver:
    problem = _bad_url(entry.url)
    if problem:
        raise AlertsError(f"{path}: {entry.name}: url: {problem}")
    desks = frozenset(Desk.parse(desk) for desk in entry.desks)
    secret = path.parent / entry.secret_file
    return Receiver(entry.name, entry.url, secret, desks, Level[entry.least.upper()])


def _bad_url(url: str) -> str | None:
    """Personal data of streamers travel: encrypted, except within this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not an address"
    if not host or parts.scheme not in ("http", "https"):
        return "must be https://host/path"
    if parts.username or parts.password:
        return "must not carry a password: receivers know us by the signature"
    if parts.scheme == "http" and not _loopback(host):
        return "must be https, http is for this machine only"
    return None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
