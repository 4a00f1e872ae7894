"""What the column `bin` says: a number of bins, a time, or seconds or milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

_DAY_S = 86_400
#: From here on a whole number is seconds or ms since 1970 (2001 on): no series has so many bins.
_FIRST_SECOND = 10**9
_FIRST_MS = 10**11
_LAST_MS = 10**14
_MOST = 1 << 52
_NEITHER = "must be a whole number or an ISO 8601 time"


def bin_number(text: str, seconds: int) -> int:
    """The bin's number, bins being `seconds` long; 0 is a Monday. Raises ValueError, with the rule.

    Of whole days, 20261126 is a day as 2026-11-26 is.
    """
    value = _whole(text)
    if value is None:
        return _of_time(_time(text), seconds)
    if abs(value) > _MOST:
        raise ValueError("must be below 2^52")
    if _FIRST_SECOND <= value < _LAST_MS:
        since = value if value < _FIRST_MS else value // 1000
        return _number(since, seconds)
    day = _day(text) if seconds >= _DAY_S else None
    return value if day is None else _of_time(day, seconds)


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_NEITHER) from None


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d") if len(text) == 8 else None  # noqa: DTZ007
    except ValueError:
        return None


def _of_time(time: datetime, seconds: int) -> int:
    """By the clock on the wall, with or without a zone: only differences and weekdays matter."""
    wall = time.replace(tzinfo=UTC)
    return _number((wall - datetime(1970, 1, 1, tzinfo=UTC)).days * _DAY_S + _of_day(wall), seconds)


def _of_day(time: datetime) -> int:
    return time.hour * 3_600 + time.minute * 60 + time.second


def _number(since_1970: int, seconds: int) -> int:
    monday = 3 * _DAY_S  # 1970-01-01 was a Thursday
    return (since_1970 + monday) // seconds
