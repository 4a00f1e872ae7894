"""Sessions for people: a password once, then a secret for eight hours."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from pipelines.accounts.proof import SESSION_MS
from pipelines.api.identity import Who
from pipelines.api.state import Parts
from pipelines.core.ledger.roles import PERMISSIONS
from pipelines.ledger.read import iso

router = APIRouter(prefix="/v1", tags=["session"])


@router.post("/session", status_code=201)
async def begin(api: Parts, actor: Who) -> dict[str, Any]:
    """A secret to send as `Authorization: Bearer SECRET`; it ends with this process, too."""
    return {"secret": api.proofs.open_session(actor), "until": iso(api.now_ms() + SESSION_MS)}


@router.delete("/session", status_code=204)
async def end(request: Request, api: Parts, actor: Who) -> None:
    """End the session that is asking."""
    _, _, secret = request.headers.get("authorization", "").partition(" ")
    api.proofs.close_session(secret)


@router.get("/me")
async def me(actor: Who) -> dict[str, Any]:
    """What the account is and may do."""
    return {
        "account": actor.account,
        "role": actor.role.value,
        "platform_id": actor.platform_id or None,
        "district": actor.district or None,
        "may": sorted(PERMISSIONS[actor.role].actions),
    }
