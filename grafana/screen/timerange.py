"""Time ranges: what the address bar may ask, and the step that Grafana would choose for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from grafana.screen.errors import BadRequestError

LONGEST: Final = timedelta(days=31)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_RELATIVE: Final = re.compile(r"(now|latest)(?:-([0-9]{1,6})([smhd]))?")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

#: (upper limit of the raw interval, rounded interval), seconds: Grafana's rangeutil, from 1 s on.
_ROUNDING: Final = (
    (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60),
    (150, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600),
    (9000, 7200), (16200, 10800), (32400, 21600), (86400, 43200), (604800, 86400),
)  # fmt: skip


@dataclass(frozen=True)
class TimeRange:
    """From `start` to `end`, both UTC; the filter macros include both ends."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    def back_to(self, length: timedelta) -> TimeRange:
        """The same end, at least `length` long."""
        return TimeRange(min(self.start, self.end - length), self.end)


def step_seconds(span: TimeRange, max_points: int, minimum: int) -> int:
    """The interval that Grafana gives a panel: span / points, rounded, not under the minimum."""
    raw = span.seconds / max(max_points, 1)
    rounded = next((step for limit, step in _ROUNDING if raw < limit), 604800)
    return max(rounded, minimum, 1)


def needs_latest(start: str, end: str) -> bool:
    """Whether the range hangs on the newest minute in the warehouse."""
    return start.startswith("latest") or end.startswith("latest")


def resolve(start: str, end: str, now: datetime, latest: datetime | None) -> TimeRange:
    """`start` and `end` as epoch milliseconds, ISO 8601 with zone, now-1h or latest-60m.

    With nothing in the warehouse yet, `latest` is now. Raises BadRequestError for a range that
    is empty, turned round, too long or outside the calendar.
    """
    anchors = {"now": now, "latest": latest or now}
    span = TimeRange(_moment(start, anchors), _moment(end, anchors))
    if span.start >= span.end:
        raise BadRequestError(
            "empty_range",
            "时段长度为零或起止颠倒：开始必须早于结束。",
            "The time range is empty or turned round: its start must be before its end.",
        )
    if span.end - span.start > LONGEST:
        raise BadRequestError(
            "range_too_long",
            f"时段太长：最多 {LONGEST.days} 天。",
            f"The time range is too long: at most {LONGEST.days} days.",
        )
    return span


def _moment(text: str, anchors: dict[str, datetime]) -> datetime:
    moment = _parse(text, anchors)
    if moment is None or not _EARLIEST <= moment <= _LATEST:
        raise BadRequestError(
            "bad_time",
            "时间写法不对：请用毫秒时间戳、带时区的 ISO 8601，或 now-1h、latest-60m。",
            "Not a time: use epoch milliseconds, ISO 8601 with a zone, now-1h or latest-60m.",
        )
    return moment.astimezone(UTC)


def _parse(text: str, anchors: dict[str, datetime]) -> datetime | None:
    if match := _RELATIVE.fullmatch(text):
        anchor, count, unit = match.groups()
        back = timedelta(**{_UNITS[unit]: int(count)}) if unit else timedelta(0)
        return _shifted(anchors[anchor], back)
    if re.fullmatch(r"[0-9]{1,15}", text):
        return _shifted(datetime(1970, 1, 1, tzinfo=UTC), -timedelta(milliseconds=int(text)))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _shifted(anchor: datetime, back: timedelta) -> datetime | None:
    try:
        return anchor - back
    except OverflowError:
        return None
