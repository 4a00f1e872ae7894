"""The newest event minute in the warehouse: where a page that follows the data ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from grafana.screen.cache import QueryCache

_MINUTE: Final = timedelta(minutes=1)
_WHOLE: Final = "SELECT maxOrNull(minute) AS latest FROM v_indicators_cell"
# After the first time only the newest minutes are read.
_NEWEST: Final = (
    "SELECT minute, min(closed) AS all_closed FROM v_indicators_cell"
    " WHERE minute >= toDateTime({since}) GROUP BY minute ORDER BY minute DESC LIMIT 1"
)


class Latest:
    """Remembers where it found the newest minute, so that each look is at a few minutes."""

    def __init__(self, cache: QueryCache) -> None:
        self._cache = cache
        self._minute: datetime | None = None

    async def moment(self) -> datetime | None:
        """The last second of the newest whole minute; None while there is no data.

        The newest minute is left out while it is open: it is still being counted, and its
        figures would look like a fall.
        """
        found = await self._newest()
        if found is None:
            # Wiped, or older than remembered: look once over everything.
            found = await self._from_scratch()
        if found is None:
            return None
        self._minute, closed = found
        return self._minute + _MINUTE * closed - timedelta(seconds=1)

    async def _newest(self) -> tuple[datetime, int] | None:
        if self._minute is None:
            return None
        since = int((self._minute - 10 * _MINUTE).timestamp())
        minute, closed = (await self._cache.query(_NEWEST.format(since=since))).columns
        return (_moment(minute.values[0]), int(closed.values[0])) if minute.values else None

    async def _from_scratch(self) -> tuple[datetime, int] | None:
        latest = (await self._cache.query(_WHOLE)).columns[0].values
        if not latest or latest[0] is None:
            self._minute = None
            return None
        self._minute = _moment(latest[0])
        return await self._newest()


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
