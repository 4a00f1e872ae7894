"""Figures and news for other systems: three lists by pages, and a stream of server-sent events.

Which rows an account may read is in `pipelines.sharing.scope` and asked for with every page.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from pipelines.api.errors import ApiError
from pipelines.api.identity import Who
from pipelines.api.news import News
from pipelines.api.query import rows
from pipelines.api.state import Api, Parts, Recorded
from pipelines.api.unchanged import UNCHANGED, IfNoneMatch, answer
from pipelines.core.ledger.roles import Action, Actor, may
from pipelines.ledger.errors import LedgerError
from pipelines.sharing.page import MAX_ROWS, BadRequestError, Table, cursor, items, query, span_of
from pipelines.sharing.scope import (
    ALL,
    Dataset,
    ForbiddenError,
    Rows,
    audience_of,
    require_own,
    rows_of,
)
from pipelines.sharing.tables import MINUTES, daily

router = APIRouter(prefix="/v1/share", tags=["sharing"])
_TIME = "ISO 8601, with an offset"
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page. Null is unknown, never zero.",
        "headers": {"etag": {"schema": {"type": "string"}}},
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["string", "null"], "description": "`after` of the next"},
                    },
                }
            }
        },
    },
    **UNCHANGED,
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "server-sent events, until the client goes",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
Code = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_./-]{1,64}$")]
_MOST_STREAMS = 4
"""At once for one account."""


@dataclass(frozen=True, slots=True)
class Page:
    """What every list takes."""

    begin: str | None
    end: str | None
    after: str | None
    limit: int
    etag: str | None


def page_of(
    begin: Annotated[str | None, Query(alias="from", max_length=40, description=_TIME)] = None,
    end: Annotated[
        str | None, Query(alias="to", max_length=40, description=f"{_TIME}; exclusive")
    ] = None,
    after: Annotated[
        str | None, Query(max_length=1000, description="`next` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 200,
    etag: IfNoneMatch = None,
) -> Page:
    return Page(begin, end, after, limit, etag)


Paged = Annotated[Page, Depends(page_of)]


@router.get("/indicators", responses=_PAGE)
async def indicators(
    api: Parts,
    actor: Who,
    access: Recorded,
    page: Paged,
    platform_id: Code = None,
    category: Code = None,
    district: Code = None,
) -> Response:
    """Indicators by closed minute and cell (platform, category, district), oldest first. A platform
    reads its own, a district bureau its district's. Null is unknown, never zero."""
    asked = {"platform_id": platform_id, "category": category, "district": district}
    return await _minutes(api, actor, access, Dataset.INDICATORS, asked, page)


@router.get("/completeness", responses=_PAGE)
async def completeness(
    api: Parts,
    actor: Who,
    access: Recorded,
    page: Paged,
    platform_id: Code = None,
    source: Code = None,
) -> Response:
    """Gaps, repeats, lateness and skew of a platform's sources, by five minutes."""
    asked = {"platform_id": platform_id, "source": source}
    return await _minutes(api, actor, access, Dataset.COMPLETENESS, asked, page)


@router.get("/daily/{part}", responses=_PAGE)
async def days(
    api: Parts,
    actor: Who,
    access: Recorded,
    page: Paged,
    part: Literal["day", "hour", "scenario", "code"],
) -> Response:
    """Days under disclosure control: agencies read what is cut for agencies, platforms and the
    association what is public. `suppressed`: there is a figure, and it is not shown."""
    return await _answer(api, access, daily(audience_of(actor), part), ALL, {}, page)


@router.get("/stream", responses=_EVENTS, response_class=StreamingResponse)
async def stream(
    request: Request,
    api: Parts,
    actor: Who,
    access: Recorded,
    after: Annotated[int | None, Query(ge=-1, le=1 << 53)] = None,
    last: Annotated[str | None, Header(alias="last-event-id", max_length=20)] = None,
    figures: Annotated[bool, Query(description="closed minutes of one's indicators, too")] = False,
) -> Response:
    """Server-sent events: what happens to the flags that the account may see. An event's id is the
    number of its entry in the ledger; with `Last-Event-ID` (or `after`) it goes on from there, and
    nothing is left out. Without either it begins now."""
    if not may(actor, Action.SEE):
        raise ApiError(403, "not_permitted", f"the role {actor.role} sees no single flags")
    start = await _start(api, after, last)
    try:
        news = News(api, actor, request, access, figures=figures)
    except ForbiddenError as error:
        raise ApiError(403, "not_permitted", f"{error.zh} {error.en}") from None
    if news.full(_MOST_STREAMS):
        raise ApiError(429, "too_many", f"an account has at most {_MOST_STREAMS} streams at once")
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_told(news, start), media_type="text/event-stream", headers=headers)


async def _start(api: Api, after: int | None, last: str | None) -> int:
    if last is not None and not (last.isascii() and last.isdigit()):
        raise ApiError(422, "invalid", "Last-Event-ID must be a number that the stream gave")
    start = after if last is None else int(last)
    try:
        await api.ledger.catch_up()
    except LedgerError:
        raise ApiError(503, "ledger", "the ledger cannot be read now: try again") from None
    newest = api.ledger.book.seq - 1
    if start is not None and start > newest:
        # It would wait for what may never come, and pass over all that comes before.
        raise ApiError(422, "invalid", f"no event has that number yet: the last one is {newest}")
    return newest if start is None else start


async def _told(news: News, start: int) -> AsyncIterator[bytes]:
    news.enter()
    try:
        yield b"retry: 3000\n\n"
        async for number, name, data in news.since(start):
            if data is None:
                yield b": nothing new\n\n"
                continue
            text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
            id_ = "" if number is None else f"id: {number}\n"
            yield f"{id_}event: {name}\ndata: {text}\n\n".encode()
    finally:
        news.leave()


async def _minutes(
    api: Api,
    actor: Actor,
    access: Any,
    dataset: Dataset,
    asked: Mapping[str, str | None],
    page: Page,
) -> Response:
    try:
        own = rows_of(actor, dataset)
        require_own(own, asked)
    except ForbiddenError as error:
        raise ApiError(403, "not_permitted", f"{error.zh} {error.en}") from None
    return await _answer(api, access, MINUTES[dataset], own, asked, page)


async def _answer(
    api: Api,
    access: Any,
    table: Table,
    own: Rows,
    asked: Mapping[str, str | None],
    page: Page,
) -> Response:
    """One page, or 304 where the client has it already."""
    try:
        span = span_of(table, page.begin, page.end, datetime.now(UTC))
        sql, parameters = query(table, own, span, asked, page.after, page.limit)
    except BadRequestError as error:
        raise ApiError(422, "invalid", str(error)) from None
    found = items(table, await rows(api, sql, parameters))
    more, found = len(found) > page.limit, found[: page.limit]
    body = {"items": found, "next": cursor(table, found[-1]) if more else None}
    return answer(body, page.etag, access, len(found))
