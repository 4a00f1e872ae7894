"""What a platform runs: anonymise, validate, spool, sign, send. Imports only `schemas`.

`from producers import TelemetryClient` is where a platform's back end begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from producers.client import TelemetryClient

__all__ = ["TelemetryClient"]


def __getattr__(name: str) -> object:
    """The client on demand: commands that do without it need not load Kafka's library."""
    if name == "TelemetryClient":
        from producers.client import TelemetryClient

        return TelemetryClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
