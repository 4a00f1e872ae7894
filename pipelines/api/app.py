"""Puts the API together: routers, and around each answer the limits, the record and the metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from pipelines.api import flags, metrics, session, sharing
from pipelines.api.audit import Access, UnauditedError
from pipelines.api.errors import RESPONSES, ApiError
from pipelines.api.identity import client_of, too_fast
from pipelines.api.query import only_listed
from pipelines.api.state import Api

log = structlog.get_logger("livewatch.api")
#: Subjects of the API. Another one is a module with a `router`, named here.
ROUTERS: tuple[APIRouter, ...] = (session.router, flags.router, sharing.router)
_OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
_MAX_BODY = 100_000
_DESCRIPTION = """Flags of live commerce and what became of them, for agencies and platforms.

Every answer is what the account's role may see, and every access is on record. Prove the account
by password (Basic), by a token or a session (Bearer)."""
Next = Callable[[Request], Awaitable[Response]]


def create(api: Api) -> FastAPI:
    """The application; nothing is started."""
    app = FastAPI(title="livewatch", version="1", description=_DESCRIPTION, redoc_url=None)
    app.state.api = api
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(only_listed)], responses=RESPONSES)
    _pages(app, api)
    _errors(app)

    @app.middleware("http")
    async def around(request: Request, call_next: Next) -> Response:
        if request.url.path in _OPEN:
            return await call_next(request)
        return await _recorded(api, request, call_next)

    return app


async def _recorded(api: Api, request: Request, call_next: Next) -> Response:
    """The answer goes out once the access is on record; not on record, no answer."""
    began = time.monotonic()
    client = client_of(request)
    wait = api.requests.wait(f"address {client}", began, cost=0.2)
    if wait:
        return too_fast(wait).response()
    access = request.state.access = Access(api.now_ms(), request.method, client)
    try:
        response = await _sized(request, call_next)
    except Exception:  # an error of ours: on record as any other access, and told to nobody
        log.exception("a route failed", method=request.method)
        response = ApiError(500, "internal", "cannot be answered").response()
    route = request.scope.get("route")
    access.route = getattr(route, "path", "unknown")
    access.http_status = response.status_code
    try:
        await api.audit.record(access)
    except UnauditedError:
        metrics.UNAUDITED.inc()
        response = ApiError(503, "audit", "the access cannot be recorded: try again").response()
    metrics.REQUESTS.labels(access.route, str(response.status_code)).inc()
    metrics.SECONDS.labels(access.route).observe(time.monotonic() - began)
    response.headers["cache-control"] = "no-store"
    response.headers["x-content-type-options"] = "nosniff"
    return response


async def _sized(request: Request, call_next: Next) -> Response:
    length = request.headers.get("content-length", "0")
    chunked = "transfer-encoding" in request.headers
    if chunked or not length.isdigit() or int(length[:12]) > _MAX_BODY:
        return ApiError(413, "too_large", f"a body has at most {_MAX_BODY} bytes").response()
    return await call_next(request)


def _pages(app: FastAPI, api: Api) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> JSONResponse:
        reasons = list(api.not_ready)
        if api.ledger.broken is not None:
            reasons.append(f"{api.ledger.broken}; see the runbook chain-broken")
        return JSONResponse({"status": "; ".join(reasons) or "ok"}, 503 if reasons else 200)

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> PlainTextResponse:
        metrics.BROKEN.set(api.ledger.broken is not None)
        text = generate_latest(metrics.REGISTRY)
        return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def no(_: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        told = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
        where = ".".join(
            str(part) for part in told
        )  # a field that is not ours may be personal data
        return ApiError(422, "invalid", f"{where}: {first['msg']}"[:300]).response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        said = {404: "there is nothing here", 405: "not by this method"}
        return ApiError(
            error.status_code, "http", said.get(error.status_code, "cannot be answered"),
            error.headers,
        ).response()  # fmt: skip
