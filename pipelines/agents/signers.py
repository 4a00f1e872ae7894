"""Whose batch it is: nothing in a record counts before its signature has been checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from pipelines.agents.stage import Record
from pipelines.instruments import Instruments
from pipelines.settings import Settings
from schemas import keys
from schemas.errors import ContractError
from schemas.identity import BatchHeader
from schemas.keys import KeyRegistry, RegistryFile
from schemas.signing import KEY_HEADER, SIGNATURE_HEADER, verify

log = structlog.get_logger()

_REASONS: Mapping[tuple[str, str], str] = {
    (SIGNATURE_HEADER, "is missing"): "unsigned",
    (KEY_HEADER, keys.REGISTERED): "unregistered",
    (KEY_HEADER, keys.NOT_REVOKED): "revoked",
    (KEY_HEADER, keys.VALID): "expired",
    (KEY_HEADER, keys.OWN): "foreign",
}
WRONG_SIGNATURE = "signature"


class Signers:
    """Who may write, judged at the record's broker time, so that a replay decides alike.

    `registry` gives the keys as they are now. Without one, signatures are not looked at, and
    only unsigned batches (`unsigned`: they are accepted) can come in.
    """

    def __init__(self, registry: Callable[[], KeyRegistry] | None, *, unsigned: bool) -> None:
        self._registry = registry
        self._unsigned = unsigned

    def check(self, record: Record, header: BatchHeader) -> str:
        """Id of the key that signed the record; empty for one that may be unsigned.

        Raises ContractError where the record is not its platform's, or may be forged.
        """
        found = dict(record.headers)
        key_id, signature = found.get(KEY_HEADER), found.get(SIGNATURE_HEADER)
        if key_id is None or signature is None:
            if self._unsigned and key_id is signature:
                return ""
            raise ContractError(KEY_HEADER if signature else SIGNATURE_HEADER, "is missing")
        if self._registry is None:
            return ""
        platform = header.identity.platform_id
        name = key_id.decode("utf-8")
        key = self._registry().signer(name, platform, record.broker_ms)
        verify(
            key.raw, signature, record.topic, record.partition, record.headers, record.value or b""
        )
        return name


ANYONE = Signers(None, unsigned=True)
"""No signatures: for tests and benchmarks of what comes after them."""


def signers_of(settings: Settings, instruments: Instruments) -> Signers:
    """As the settings say. Raises ValueError, in one line, where nobody could ever write."""
    unsigned = settings.unsigned == "accept"
    if settings.keys_file is None:
        if not unsigned:
            raise ValueError(
                "LIVEWATCH_KEYS_FILE: must name the registry of keys "
                "(or LIVEWATCH_UNSIGNED=accept for a demo: anybody may then write for anybody)"
            )
        log.warning("batches are accepted unsigned: anybody may write for anybody")
        return ANYONE
    try:
        registry = LiveRegistry(settings.keys_file, instruments)
    except OSError as error:
        raise ValueError(f"LIVEWATCH_KEYS_FILE: {settings.keys_file}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"LIVEWATCH_KEYS_FILE: {error}") from None
    if unsigned:
        log.warning("unsigned batches are accepted: anybody may write for anybody")
    return Signers(registry.current, unsigned=unsigned)


def reason_of(error: ContractError) -> str:
    """The rule that a refused signer broke, as a label of few values."""
    return _REASONS.get((error.field, error.rule), WRONG_SIGNATURE)


class LiveRegistry:
    """The registry's file, read again when it changes; a bad one leaves the last good in force.

    Raises ValueError or OSError where there is no good one to begin with.
    """

    def __init__(self, path: Path, instruments: Instruments) -> None:
        self._file = RegistryFile(path)
        self._instruments = instruments
        self._good = self._file.current()
        self._told = ""

    def current(self) -> KeyRegistry:
        """The keys as they are now."""
        try:
            self._good = self._file.current()
            self._told = ""
        except (OSError, ValueError) as error:
            self._instruments.registry_errors.inc()
            if str(error) != self._told:
                self._told = str(error)
                log.error("keys cannot be read, the last good ones stay", error=self._told)
        return self._good
