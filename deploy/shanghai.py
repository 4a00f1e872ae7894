"""Times for people: Shanghai's clock, with its zone named. Everything that is stored is UTC."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has had no daylight saving time since 1991, and no data is older: an offset will do."""


def shown(at: datetime) -> str:
    """`2026-11-25 12:00:00 Asia/Shanghai`. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone says nothing")
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S Asia/Shanghai")
