"""One account's stream: entries of the ledger that it may see, and its newest minutes.

Entries are taken in the order of their numbers and none is passed over, so that the number of the
last one that was seen is all that a client need remember. Each batch is on record before it goes
out, and the account is proven again with each: whoever is locked out hears nothing more.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from fastapi import Request

from pipelines.accounts.errors import AccountError
from pipelines.api.audit import Access, UnauditedError
from pipelines.api.state import Api, WarehouseAwayError
from pipelines.core.ledger.roles import Actor, sees
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.read import as_json, iso
from pipelines.sharing.page import Span, cursor, items, query
from pipelines.sharing.scope import Dataset, Rows, rows_of
from pipelines.sharing.tables import INDICATORS

Told = tuple[int | None, str, dict[str, Any] | None]
"""(number or None, name, data); without data: nothing new, and the line is alive."""
_TICK_S = 1.0
_ALIVE_S = 15.0
_BATCH = 200
_MINUTES_ROWS = 2000
_ENTRIES = (
    "SELECT seq, kind, toUnixTimestamp64Milli(at), flag_id FROM v_ledger"
    " WHERE seq > %(after)s ORDER BY seq LIMIT %(rows)s"
)
_open: Counter[str] = Counter()


class News:
    """What one stream has to tell. Raises ForbiddenError for figures that the role has none of."""

    def __init__(
        self, api: Api, actor: Actor, request: Request, access: Access, *, figures: bool
    ) -> None:
        self._api, self._actor, self._request = api, actor, request
        self._access = replace(access, access_id="", route="/v1/share/stream", http_status=200)
        self._own = rows_of(actor, Dataset.INDICATORS) if figures else None
        self._minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)

    def full(self, most: int) -> bool:
        """Whether the account has as many streams as it may."""
        return _open[self._actor.account] >= most

    def enter(self) -> None:
        """It has one more, until `leave`."""
        _open[self._actor.account] += 1

    def leave(self) -> None:
        _open[self._actor.account] -= 1

    async def since(self, after: int) -> AsyncIterator[Told]:
        """Until the client goes, or the account is no longer let in."""
        at, alive = after, time.monotonic()
        while self._proven() and not await self._request.is_disconnected():
            at, told = await self._entries(at)
            told += await self._minutes()
            if told:
                if not await self._recorded(len(told)):
                    return
                for one in told:
                    yield one
                alive = time.monotonic()
            elif time.monotonic() - alive > _ALIVE_S:
                alive = time.monotonic()
                yield None, "", None
            await asyncio.sleep(_TICK_S)

    async def _entries(self, after: int) -> tuple[int, list[Told]]:
        """(number up to which everything was looked at, what of it may be told)."""
        book = self._api.ledger.book
        try:
            await self._api.ledger.catch_up()
            rows = await self._api.query(_ENTRIES, {"after": after, "rows": _BATCH})
        except (LedgerError, WarehouseAwayError, TimeoutError):
            return after, []
        after = max(after, book.first - 1)
        told: list[Told] = []
        for seq, kind, at, flag_id in rows:
            if seq != after + 1 or seq >= book.seq:
                break  # the table is being filled: what is missing comes first
            after = seq
            file = book.files.get(flag_id)
            if file is not None and sees(self._actor, file):
                told.append((seq, kind, {"kind": kind, "at": iso(at), "flag": as_json(file)}))
        return after, told

    async def _minutes(self) -> list[Told]:
        """Minutes that have closed since the last look: each has all its cells at once."""
        if self._own is None:
            return []
        span = Span(self._minute + timedelta(minutes=1), datetime.now(UTC))
        if span.end <= span.begin:
            return []
        try:
            found = [one async for one in self._closed(self._own, span)]
        except (WarehouseAwayError, TimeoutError):
            return []
        if found:
            newest = datetime.fromisoformat(found[-1][INDICATORS.span])
            self._minute = max(self._minute, newest)
        return [(None, "indicator", one) for one in found]

    async def _closed(self, own: Rows, span: Span) -> AsyncIterator[dict[str, Any]]:
        """By pages: a city has more cells in a minute than a page has rows."""
        after: str | None = None
        while True:
            sql, parameters = query(INDICATORS, own, span, {}, after, _MINUTES_ROWS)
            page = items(INDICATORS, await self._api.query(sql, parameters))
            for one in page[:_MINUTES_ROWS]:
                yield one
            if len(page) <= _MINUTES_ROWS:
                return
            after = cursor(INDICATORS, page[_MINUTES_ROWS - 1])

    def _proven(self) -> bool:
        """Whether the account is still there, with the role and the rows that it had."""
        try:
            return self._api.proofs.check_proxy(self._actor.account) == self._actor
        except AccountError:
            return False

    async def _recorded(self, rows: int) -> bool:
        record = replace(
            self._access, access_id=token_hex(16), asked_at=self._api.now_ms(), shown=rows
        )
        try:
            await self._api.audit.record(record)
        except UnauditedError:
            return False
        return True
