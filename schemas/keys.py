"""Who may sign for whom: the regulator's registry of public keys, a JSON file.

Validity is judged at a record's broker time, so that a replay decides as the first reading did.
Nothing is ever removed from the file: a revoked key must go on to explain old records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from schemas.errors import ContractError
from schemas.signing import KEY_HEADER, key_id_of

VERSION = 1
FOR_EVER_MS = 1 << 62
# The rules that a signer can break; each is a reason of its own in the regulator's metrics.
REGISTERED = "must be a registered key"
NOT_REVOKED = "must not be revoked"
VALID = "must be valid at the record's time"
OWN = "must belong to the platform, or have its delegation"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A registered key. `owner` is `platform/<platform_id>` or `gateway/<name>`.

    Valid from `not_before_ms` (inclusive) to `not_after_ms`, and before `revoked_ms`.
    """

    owner: str
    public_key: str
    """32 raw bytes as 64 hex digits."""
    not_before_ms: int = 0
    not_after_ms: int = FOR_EVER_MS
    revoked_ms: int = FOR_EVER_MS

    @property
    def raw(self) -> bytes:
        return bytes.fromhex(self.public_key)

    @property
    def key_id(self) -> str:
        return key_id_of(self.raw)


@dataclass(frozen=True, slots=True)
class Delegation:
    """A platform lets a gateway's key sign for it.

    `signed_by` is the platform's key whose `signature` (base64, over `delegation_bytes`) stands
    below it; both empty where the platform has no key and the operator attests it.
    """

    platform_id: str
    key_id: str
    not_before_ms: int = 0
    not_after_ms: int = FOR_EVER_MS
    revoked_ms: int = FOR_EVER_MS
    signed_by: str = ""
    signature: str = ""


def delegation_bytes(platform_id: str, key_id: str, not_before_ms: int, not_after_ms: int) -> bytes:
    """What a platform signs to delegate."""
    return (
        f"livewatch-delegation-v1\n{platform_id}\n{key_id}\n{not_before_ms}\n{not_after_ms}\n"
    ).encode()


@dataclass(frozen=True)
class KeyRegistry:
    """Keys by id, and delegations."""

    keys: dict[str, PublicKey] = field(default_factory=dict)
    delegations: tuple[Delegation, ...] = ()

    def with_key(self, key: PublicKey) -> KeyRegistry:
        """A registry with the key added or, by its id, replaced."""
        return replace(self, keys=self.keys | {key.key_id: key})

    def with_delegation(self, delegation: Delegation) -> KeyRegistry:
        """A registry with the delegation added; it replaces an equal pair's."""
        pair = (delegation.platform_id, delegation.key_id)
        others = tuple(d for d in self.delegations if (d.platform_id, d.key_id) != pair)
        return replace(self, delegations=(*others, delegation))

    def signer(self, key_id: str, platform_id: str, at_ms: int) -> PublicKey:
        """The key, if it may sign for the platform at that time.

        Raises ContractError naming the rule that it breaks.
        """
        key = self.keys.get(key_id)
        if key is None:
            raise ContractError(KEY_HEADER, REGISTERED)
        if at_ms >= key.revoked_ms:
            raise ContractError(KEY_HEADER, NOT_REVOKED)
        if not key.not_before_ms <= at_ms < key.not_after_ms:
            raise ContractError(KEY_HEADER, VALID)
        if key.owner == f"platform/{platform_id}":
            return key
        if not self._delegated(platform_id, key_id, at_ms):
            raise ContractError(KEY_HEADER, OWN)
        return key

    def _delegated(self, platform_id: str, key_id: str, at_ms: int) -> bool:
        return any(
            d.not_before_ms <= at_ms < min(d.not_after_ms, d.revoked_ms)
            for d in self.delegations
            if (d.platform_id, d.key_id) == (platform_id, key_id)
        )


def load_registry(path: Path) -> KeyRegistry:
    """Read a registry. Raises ValueError, naming the file, when it is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"is of version {data['version']}, this program reads {VERSION}")
        keys = [PublicKey(**k) for k in data["keys"]]
        delegations = tuple(Delegation(**d) for d in data["delegations"])
        return KeyRegistry({k.key_id: k for k in keys}, delegations)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is not a key registry: {error}") from None


def save_registry(path: Path, registry: KeyRegistry) -> None:
    """Replace the file in one step, so that no reader ever sees half of it."""
    data = {
        "version": VERSION,
        "keys": _plain(registry.keys.values()),
        "delegations": _plain(registry.delegations),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    temporary.replace(path)


def _plain(rows: Iterable[PublicKey | Delegation]) -> list[dict[str, object]]:
    return [asdict(row) for row in rows]


class RegistryFile:
    """A registry that is read again when its file changes: a revocation takes effect at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._registry = KeyRegistry()

    def current(self) -> KeyRegistry:
        """The registry as it is now. Raises ValueError or OSError when it cannot be read."""
        stat = self._path.stat()
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._registry = load_registry(self._path)
            self._seen = seen
        return self._registry
