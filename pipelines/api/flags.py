"""Flags, their files, and what may be asked about them."""

from __future__ import annotations

import asyncio
import json
import secrets
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from pipelines.api.errors import ApiError
from pipelines.api.identity import Allowed
from pipelines.api.query import rows
from pipelines.api.state import Api, Parts, Recorded, WarehouseAwayError
from pipelines.api.unchanged import UNCHANGED, IfNoneMatch, answer
from pipelines.core.ledger.book import BrokenChainError
from pipelines.core.ledger.entry import Kind
from pipelines.core.ledger.lifecycle import FlagFile
from pipelines.core.ledger.requests import RefusedError, Request, decide
from pipelines.core.ledger.roles import Action, Actor, sees
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.evidence import WIDER, events_sql, evidence
from pipelines.ledger.evidence_page import page
from pipelines.ledger.read import FIGURES, Filter, as_json, iso, newest_first

router = APIRouter(prefix="/v1", tags=["flags"])
Seer = Annotated[Actor, Depends(Allowed(Action.SEE))]
FlagId = str
RequestId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", pattern=r"^[A-Za-z0-9_.:-]{1,128}$",
        description="The same key is written once, however often it is sent.",
    ),
]  # fmt: skip
_STATUS = {"unknown_flag": 404, "not_permitted": 403, "second_person": 403, "wrong_state": 409,
           "too_late": 409}  # fmt: skip


class Reason(BaseModel):
    """Why; no personal data."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field("", max_length=2000)


class Decision(Reason):
    """How an appeal is decided; CORRECTED names the platform's correction."""

    decision: Literal["UPHELD", "OVERTURNED", "CORRECTED"]
    correction: str = Field("", max_length=500)


@router.get("/flags", responses=UNCHANGED)
async def list_flags(
    api: Parts,
    actor: Seer,
    access: Recorded,
    state: Annotated[str, Query(pattern=r"^[A-Z]{0,12}$")] = "",
    rule: Annotated[str, Query(pattern=r"^(F\d\d)?$")] = "",
    platform: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = "",
    district: Annotated[str, Query(pattern=r"^\d{0,6}$")] = "",
    level: Annotated[str, Query(pattern=r"^(notice|warning|action)?$")] = "",
    before: Annotated[int | None, Query(ge=0, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    etag: IfNoneMatch = None,
) -> Response:
    """Flags that the account may see, the newest first. Figures are null where they are unknown."""
    chosen = Filter(state, rule, platform, level, district)
    await _caught_up(api)
    mine = (file for file in reversed(api.ledger.book.files.values()) if sees(actor, file))
    page = list(islice(newest_first(mine, chosen, before), limit + 1))
    more, page = len(page) > limit, page[:limit]
    figures = await _figures(api, [file.flag_id for file in page])
    body = {
        "flags": [as_json(file) | {"figures": figures.get(file.flag_id)} for file in page],
        "next": page[-1].first_seq if more else None,
    }
    return answer(body, etag, access, len(page))


@router.get("/flags/{flag_id:path}/entries")
async def list_entries(
    flag_id: FlagId, api: Parts, actor: Seer, access: Recorded
) -> dict[str, Any]:
    """What the ledger says about one flag, in order. A second may pass before an entry is here."""
    file = await _file(api, actor, flag_id)
    access.asked_flag = file.flag_id
    entries = await _entries(api, file.flag_id)
    access.shown = len(entries)
    return {"flag_id": file.flag_id, "entries": entries}


@router.get("/flags/{flag_id:path}/evidence", response_model=None)
async def show_evidence(
    flag_id: FlagId,
    api: Parts,
    actor: Annotated[Actor, Depends(Allowed(Action.EVIDENCE))],
    access: Recorded,
    format: Annotated[Literal["json", "html"], Query()] = "json",  # noqa: A002 - the parameter's name
) -> dict[str, Any] | HTMLResponse:
    """All that is kept of a flag; its score computed again from the stored inputs."""
    file = await _file(api, actor, flag_id)
    access.asked_flag, access.shown = file.flag_id, 1
    entries = await _entries(api, file.flag_id)
    columns = [str(row[0]) for row in await rows(api, "DESCRIBE v_flag_events", {})]
    found_rows = await rows(api, events_sql(columns), {"f": file.flag_id})
    events = [dict(zip(columns, row, strict=True)) for row in found_rows]
    above = await rows(api, WIDER, {"f": file.flag_id})
    wider = str(above[0][0]) if above else None
    found = await asyncio.to_thread(evidence, file, events, entries, api.now_ms(), wider)
    return HTMLResponse(page(found)) if format == "html" else found


@router.post("/flags/{flag_id:path}/ack")
async def acknowledge(
    flag_id: FlagId,
    api: Parts,
    actor: Annotated[Actor, Depends(Allowed(Action.ACK))],
    access: Recorded,
    reason: Reason | None = None,
    key: RequestId = None,
) -> dict[str, Any]:
    """Say that somebody has seen it."""
    why = reason.why if reason else ""
    return await _ask(api, actor, access, _request(actor, key, flag_id, Kind.ACKED, why))


@router.post("/flags/{flag_id:path}/appeal")
async def appeal(
    flag_id: FlagId,
    api: Parts,
    actor: Annotated[Actor, Depends(Allowed(Action.APPEAL))],
    access: Recorded,
    reason: Reason,
    key: RequestId = None,
) -> dict[str, Any]:
    """The platform's word against it, within 5 working days of its acknowledgement."""
    return await _ask(api, actor, access, _request(actor, key, flag_id, Kind.APPEALED, reason.why))


@router.post("/flags/{flag_id:path}/decide")
async def decide_appeal(
    flag_id: FlagId,
    api: Parts,
    actor: Annotated[Actor, Depends(Allowed(Action.DECIDE))],
    access: Recorded,
    decision: Decision,
    key: RequestId = None,
) -> dict[str, Any]:
    """Decide an appeal; by a second person."""
    kind = Kind(decision.decision.lower())
    request = _request(actor, key, flag_id, kind, decision.why, decision.correction)
    return await _ask(api, actor, access, request)


@router.post("/flags/{flag_id:path}/clear")
async def clear(
    flag_id: FlagId,
    api: Parts,
    actor: Annotated[Actor, Depends(Allowed(Action.CLEAR))],
    access: Recorded,
    reason: Reason,
    key: RequestId = None,
) -> dict[str, Any]:
    """Close the file."""
    return await _ask(api, actor, access, _request(actor, key, flag_id, Kind.CLEARED, reason.why))


@router.get("/flags/{flag_id:path}", responses=UNCHANGED)
async def show_flag(
    flag_id: FlagId, api: Parts, actor: Seer, access: Recorded, etag: IfNoneMatch = None
) -> Response:
    """One flag: its file, and its figures where they are known."""
    file = await _file(api, actor, flag_id)
    access.asked_flag = file.flag_id
    figures = await _figures(api, [flag_id])
    return answer(as_json(file) | {"figures": figures.get(flag_id)}, etag, access, 1)


@router.get("/ledger/head")
async def head(
    api: Parts, actor: Annotated[Actor, Depends(Allowed(Action.VERIFY))]
) -> dict[str, Any]:
    """The last entry's number and hash: note it elsewhere, and no end can be cut off unseen."""
    await _caught_up(api)
    book = api.ledger.book
    return {"seq": book.seq - 1, "hash": book.head, "broken": api.ledger.broken is not None}


async def _entries(api: Api, flag_id: str) -> list[dict[str, Any]]:
    names = ("seq", "kind", "at", "actor", "role", "why", "details", "prev", "hash")
    sql = (
        "SELECT seq, kind, toUnixTimestamp64Milli(at), actor, role, why, details, prev, hash "
        "FROM v_ledger WHERE flag_id = %(f)s ORDER BY seq"
    )
    entries = [dict(zip(names, row, strict=True)) for row in await rows(api, sql, {"f": flag_id})]
    for entry in entries:
        entry["at"], entry["details"] = iso(entry["at"]), json.loads(entry["details"])
    return entries


async def _file(api: Api, actor: Actor, flag_id: str) -> FlagFile:
    """What the account may not see does not exist."""
    await _caught_up(api)
    file = api.ledger.book.files.get(flag_id)
    if file is None or not sees(actor, file):
        raise ApiError(404, "unknown_flag", "there is no such flag")
    return file


async def _caught_up(api: Api) -> None:
    try:
        await api.ledger.catch_up()
    except LedgerError:
        raise ApiError(503, "ledger", "the ledger cannot be read now: try again") from None


async def _figures(api: Api, flag_ids: list[str]) -> dict[str, dict[str, Any]]:
    if not flag_ids:
        return {}
    sql = f"SELECT flag_id, {', '.join(FIGURES)} FROM v_flags WHERE flag_id IN %(ids)s"  # noqa: S608
    try:
        found = await api.query(sql, {"ids": flag_ids})
    except (WarehouseAwayError, TimeoutError):
        return {}
    return {row[0]: dict(zip(FIGURES, row[1:], strict=True)) for row in found}


def _request(
    actor: Actor, key: str | None, flag_id: str, kind: Kind, why: str, correction: str = ""
) -> Request:
    """The key belongs to the account: nobody can take another's."""
    identity = f"{actor.account}:{key or secrets.token_hex(16)}"
    return Request(identity, flag_id, kind, why, correction)


async def _ask(api: Api, actor: Actor, access: Any, request: Request) -> dict[str, Any]:
    # Of what is no flag nothing is put on record: it may be anything.
    access.asked_flag = request.flag_id if request.flag_id in api.ledger.book.files else ""
    access.shown = 1

    def drafts(book: Any) -> list[Any]:
        if request.request_id in book.ids:
            return []  # asked for before, and written
        file = book.files.get(request.flag_id)
        return [decide(request, file, actor, api.now_ms(), api.rules)]

    try:
        await api.ledger.append(drafts)
    except RefusedError as error:
        raise ApiError(_STATUS.get(error.code, 422), error.code, str(error)) from None
    except BrokenChainError:
        raise ApiError(503, "chain_broken", "the ledger is closed: its chain is broken") from None
    except LedgerError:
        raise ApiError(503, "ledger", "not known to be written: send it again") from None
    return as_json(await _file(api, actor, request.flag_id))
