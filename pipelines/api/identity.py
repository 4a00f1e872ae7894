"""Who is asking, in this order: a trusted proxy's word, a bearer token or session, a password."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import (
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)

from pipelines.accounts.errors import AccountError
from pipelines.api import metrics
from pipelines.api.errors import ApiError
from pipelines.api.state import Api, Parts, access_of
from pipelines.core.ledger.roles import Action, Actor, may

PROXY_ACCOUNT = "x-livewatch-account"
PROXY_SECRET = "x-livewatch-proxy-secret"  # noqa: S105 - the header's name
_SCHEMES = {"www-authenticate": 'Basic realm="livewatch", Bearer'}
_basic = HTTPBasic(auto_error=False)
_bearer = HTTPBearer(auto_error=False, description="A token, or a session's secret.")


async def who(
    request: Request,
    api: Parts,
    basic: Annotated[HTTPBasicCredentials | None, Depends(_basic)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
) -> Actor:
    """The account that is asking. 401 where none is proven, 429 after too many wrong tries."""
    try:
        via, actor = await _proven(request, api, basic, bearer)
    except AccountError:
        raise ApiError(503, "accounts", "the accounts cannot be read") from None
    metrics.LOGINS.labels(via, "taken" if actor else "refused").inc()
    if actor is None:
        raise ApiError(401, "not_proven", "the account is not proven", _SCHEMES)
    access = access_of(request)
    access.account, access.account_role, access.via = actor.account, actor.role.value, via
    access.bound_to = actor.platform_id or actor.district
    wait = api.requests.wait(f"account {actor.account}", time.monotonic())
    if wait:
        raise too_fast(wait)
    return actor


async def _proven(
    request: Request,
    api: Api,
    basic: HTTPBasicCredentials | None,
    bearer: HTTPAuthorizationCredentials | None,
) -> tuple[str, Actor | None]:
    if PROXY_ACCOUNT in request.headers:
        return "proxy", _of_proxy(request, api)
    if bearer is not None:
        secret = bearer.credentials
        kind = "token" if secret.startswith("lw_") else "session"
        check = api.proofs.check_token if kind == "token" else api.proofs.check_session
        return kind, _counted(api, request, kind, check(secret))
    if basic is not None:
        key = f"{basic.username} {client_of(request)}"
        wait = api.failures.spent(key, time.monotonic())
        if wait:
            raise too_fast(wait)
        proven = await asyncio.to_thread(api.proofs.check_password, basic.username, basic.password)
        return "password", _counted(api, request, key, proven)
    return "none", None


def _counted(api: Api, request: Request, key: str, proven: Actor | None) -> Actor | None:
    """A wrong try counts against the name and against the address."""
    if proven is None:
        now = time.monotonic()
        waits = [api.failures.wait(key, now), api.failures.wait(client_of(request), now)]
        if any(waits):
            raise too_fast(max(waits))
    return proven


def _of_proxy(request: Request, api: Api) -> Actor | None:
    """The proxy's word counts from its address and with its secret only."""
    given = request.headers.get(PROXY_SECRET, "")
    known = bool(api.proxy_secret) and hmac.compare_digest(
        given.encode(), api.proxy_secret.encode()
    )
    if not known or client_of(request) != api.settings.proxy_address:
        return None
    return api.proofs.check_proxy(request.headers[PROXY_ACCOUNT])


def client_of(request: Request) -> str:
    """Address of the other end of the connection; no header is believed."""
    return request.client.host if request.client else "local"


def too_fast(wait_s: float) -> ApiError:
    metrics.LIMITED.inc()
    headers = {"retry-after": str(max(1, round(wait_s + 0.5)))}
    return ApiError(429, "too_fast", "too many requests", headers)


Who = Annotated[Actor, Depends(who)]


class Allowed:
    """Depends on it: the account, where its role may do the action; else 403."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, actor: Who) -> Actor:
        if not may(actor, self.action):
            raise ApiError(403, "not_permitted", f"the role {actor.role} may not {self.action}")
        return actor
