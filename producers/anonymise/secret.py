"""The platform's secret: read once, shown never."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn, Self

from producers.errors import UsageError

MIN_BYTES = 32
VARIABLE = "LIVEWATCH_PUSH_SECRET"


class Secret:
    """Bytes that neither repr, str, logs nor pickles give away.

    >>> Secret(b"0123456789abcdef0123456789abcdef")
    Secret(redacted)
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) < MIN_BYTES:
            raise UsageError(f"the secret must have at least {MIN_BYTES} bytes")
        self._value = value

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Raises UsageError when it cannot be read, is short, or others may read it."""
        try:
            mode = path.stat().st_mode
            value = path.read_bytes().strip()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        if mode & 0o077:
            raise UsageError(f"{path}: may be read by others: chmod 600 it")
        return cls(value)

    @classmethod
    def from_environment(cls, variable: str = VARIABLE) -> Self:
        """Raises UsageError when the variable is not set, or short."""
        value = os.environ.get(variable)
        if not value:
            raise UsageError(f"{variable}: is not set")
        return cls(value.encode())

    def reveal(self) -> bytes:
        """The bytes, for the one that computes with them."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(redacted)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
