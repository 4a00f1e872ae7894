"""Durations and times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from producers.errors import UsageError

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Milliseconds of '30s', '20m', '2h', '1h30m' or '0'. Raises UsageError."""
    text = text.strip().lower()
    if text in ("0", "none"):
        return 0
    parts = _PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise UsageError(f"{text!r} is not a duration: write 30s, 20m, 2h or 1h30m")
    return round(sum(float(n) * _UNITS[u] for n, u in parts))


def parse_time(text: str) -> int:
    """Ms since epoch of an ISO 8601 time; without a zone it is UTC. Raises UsageError."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not an ISO 8601 time such as 2026-06-18T20:00+08:00"
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_range(text: str) -> tuple[float, float]:
    """'20-40' or '30' as (low, high). Raises UsageError."""
    low, dash, high = text.partition("-")
    try:
        found = float(low), float(high if dash else low)
    except ValueError:
        found = (0.0, -1.0)
    if not 0 < found[0] <= found[1]:
        raise UsageError(f"{text!r} is not a range such as 20-40")
    return found
