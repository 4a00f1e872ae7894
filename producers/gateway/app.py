"""The HTTP side of the gateway: routes, who is asking, limits, answers. No Kafka, no SQL here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from producers.errors import PushError
from producers.gateway import docs, metrics, openapi
from producers.gateway.body import inflate, read_body
from producers.gateway.correction import Here, read_correction
from producers.gateway.errors import Refusal, listed
from producers.gateway.intake import Job
from producers.gateway.once import IDEMPOTENCY_KEY, RETRY_S, Keep, durable, once
from producers.gateway.parse import JSON, MEDIA_TYPES, parse
from producers.gateway.parts import Gateway
from producers.gateway.places import Place
from producers.gateway.query import flag, known
from producers.pacing import wall_ms
from schemas.errors import RowError
from schemas.identity import BatchIdentity
from schemas.telemetry import SampleType

log = structlog.get_logger("livewatch.gateway")
_LARGE_BODY = 200_000
T = TypeVar("T")
_NO_ACCESS = Refusal(401, "authorization", "must be a valid key: Authorization: Bearer lw_...")


def build(gateway: Gateway) -> Starlette:
    """The ASGI application."""
    routes = [
        Route("/v1/samples/{sample}", _guarded(gateway, _samples), methods=["POST"]),
        Route("/v1/corrections/{sample}", _guarded(gateway, _correction), methods=["POST"]),
        Route("/v1/heartbeat", _guarded(gateway, _heartbeat), methods=["POST"]),
        Route("/v1/receipts/{key}", _guarded(gateway, _receipt), methods=["GET"]),
        Route("/v1/status", _guarded(gateway, _status), methods=["GET"]),
        Route("/healthz", _health, methods=["GET"]),
        Route("/readyz", _ready, methods=["GET"]),
        Route("/openapi.json", _openapi, methods=["GET"]),
        Route("/docs", _docs, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.state.gateway = gateway
    return app


Endpoint = Callable[[Gateway, Request, str], Awaitable[Response]]


def _guarded(gateway: Gateway, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Who is asking, how often, and one shape for every refusal."""

    async def call(request: Request) -> Response:
        began = time.perf_counter()
        try:
            platform_id = _platform(gateway, request)
            _not_too_many(gateway.limits.request(platform_id, time.monotonic()), platform_id)
            response = await endpoint(gateway, request, platform_id)
        except Refusal as refusal:
            response = _refused(refusal)
        except ClientDisconnect:
            response = _refused(Refusal(400, "body", "must be sent in full"))
        except PushError:
            log.exception("the key file cannot be read")
            response = _refused(Refusal(503, "gateway", "cannot look keys up", [], RETRY_S))
        metrics.SECONDS.observe(time.perf_counter() - began)
        metrics.REQUESTS.labels(request.scope["route"].path, response.status_code).inc()
        return response

    return call


def _platform(gateway: Gateway, request: Request) -> str:
    """The platform of the API key, else of the client certificate. Raises Refusal."""
    now = wall_ms()
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = gateway.keys.platform_of(text.strip(), now)
    elif subject := request.scope.get("extensions", {}).get("livewatch.tls", {}).get("subject"):
        found = gateway.keys.platform_of_subject(subject, now)
    else:
        found = None
    if found is None:
        raise _NO_ACCESS
    return found


def _not_too_many(wait_s: float, platform_id: str) -> None:
    if wait_s > 0:
        metrics.LIMITED.labels(platform_id).inc()
        raise Refusal(429, "rate", "must stay within the platform's limit", [], wait_s)


async def _samples(gateway: Gateway, request: Request, platform_id: str) -> Response:
    sample = _sample(request.path_params["sample"])
    known(request, "partial", "apart")
    partial, apart = flag(request, "partial"), flag(request, "apart")
    media_type = _media_type(request)
    if media_type not in MEDIA_TYPES:
        raise Refusal(415, "content-type", f"must be one of {', '.join(MEDIA_TYPES)}")
    body = await _body(gateway, request)

    async def accept(keep: Keep) -> bytes:
        most = gateway.limits.policy.max_rows
        now = wall_ms()
        found = await _worked(len(body), lambda: parse(sample, media_type, body, most, now))
        if found.errors and not (partial and found.rows.num_rows):
            _count(platform_id, sample, 0, len(found.errors))
            raise Refusal(422, "rows", "must follow the contract", found.errors)
        wait = gateway.limits.rows(platform_id, found.rows.num_rows, time.monotonic())
        _not_too_many(wait, platform_id)
        said = _answer(found.rows.num_rows, found.errors)
        job = Job(platform_id, sample, found.rows, said, keep, apart)
        answer = await durable(gateway, job)
        _count(platform_id, sample, found.rows.num_rows, len(found.errors))
        return answer

    head = f"{'apart ' if apart else ''}{sample.value} {partial} {media_type}\n".encode()
    return await once(gateway, request, platform_id, head + body, accept)


async def _correction(gateway: Gateway, request: Request, platform_id: str) -> Response:
    """Withdraw what this platform sent, or put other rows in its place; whole or not at all."""
    sample = _sample(request.path_params["sample"])
    known(request)
    if _media_type(request) != JSON:
        raise Refusal(415, "content-type", f"must be {JSON}")
    body = await _body(gateway, request)
    here = Here(gateway.sources.name, gateway.sources.partitions)

    async def accept(keep: Keep) -> bytes:
        most = gateway.limits.policy.max_rows
        now = wall_ms()
        draft = await _worked(len(body), lambda: read_correction(sample, here, body, most, now))
        _all_known(gateway, platform_id, draft.batches)
        brought = draft.rows.num_rows if draft.rows is not None else 0
        targets = len(draft.correction.targets)
        limits, at_s = gateway.limits, time.monotonic()
        _not_too_many(limits.corrections(platform_id, targets, at_s), platform_id)
        _not_too_many(limits.rows(platform_id, brought, at_s), platform_id)
        said = _answer(brought, [])
        job = Job(platform_id, sample, draft.rows, said, keep, correction=draft.correction)
        answer = await durable(gateway, job)
        metrics.CORRECTIONS.labels(platform_id, sample.value).inc(targets)
        _count(platform_id, sample, brought, 0)
        return answer

    head = f"correction {sample.value}\n".encode()
    return await once(gateway, request, platform_id, head + body, accept)


def _all_known(gateway: Gateway, platform_id: str, batches: tuple[BatchIdentity, ...]) -> None:
    """Another platform's batch gets the answer of one that never was."""
    for number, batch in enumerate(batches):
        if batch.platform_id != platform_id or not gateway.reader.has_batch(batch):
            raise Refusal(404, f"batches[{number}]", "is not known")


async def _worked(size: int, work: Callable[[], T]) -> T:
    """A large body must not hold up the requests beside it."""
    return await asyncio.to_thread(work) if size > _LARGE_BODY else work()


async def _heartbeat(gateway: Gateway, request: Request, platform_id: str) -> Response:
    known(request, "final")
    final = flag(request, "final")
    await durable(gateway, Job(platform_id, final=final))
    return _json(202, {"accepted": 0, "final": final})


async def _receipt(gateway: Gateway, request: Request, platform_id: str) -> Response:
    known(request)
    key = request.path_params["key"]
    found = gateway.reader.receipt(platform_id, key) if IDEMPOTENCY_KEY.fullmatch(key) else None
    if found is None:
        raise Refusal(404, "key", "is not known")
    receipt, delivered = found
    state = "delivered" if delivered else "spooled"
    return _json(200, {"state": state, "answer": msgspec.json.decode(receipt.answer)})


async def _status(gateway: Gateway, request: Request, platform_id: str) -> Response:
    known(request)
    source, policy = gateway.sources.get(platform_id), gateway.limits.policy
    return _json(
        200,
        {
            "platform_id": platform_id,
            "active": source is not None and source.active(wall_ms()),
            "watermark_ms": source.watermark_ms if source else 0,
            "limits": {
                "rows_per_s": policy.rows_per_s,
                "requests_per_s": policy.requests_per_s,
                "max_body_bytes": policy.max_body,
                "max_inflated_bytes": policy.max_inflated,
                "max_rows": policy.max_rows,
                "corrections_per_s": policy.corrections_per_s,
            },
        },
    )


async def _health(_: Request) -> Response:
    return _json(200, {"status": "ok"})


async def _ready(request: Request) -> Response:
    reason = request.app.state.gateway.ready()
    return _json(200, {"status": "ok"}) if reason is None else _json(503, {"status": reason})


async def _openapi(_: Request) -> Response:
    return _json(200, openapi.document())


async def _docs(_: Request) -> Response:
    page = docs.page(openapi.document())
    return Response(page, media_type="text/html", headers={"content-security-policy": docs.POLICY})


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    rule = {404: "is not known", 405: "is not allowed here"}.get(status, "cannot be answered")
    response = _refused(Refusal(status, "method" if status == 405 else "path", rule))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _body(gateway: Gateway, request: Request) -> bytes:
    policy = gateway.limits.policy
    declared = request.headers.get("content-length")
    body = await read_body(request.stream(), declared, policy.max_body)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    return inflate(body, encoding, policy.max_inflated)


def _sample(name: str) -> SampleType:
    try:
        return SampleType(name)
    except ValueError:
        raise Refusal(404, "path", "is not known") from None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _answer(accepted: int, errors: list[RowError]) -> Callable[[list[Place]], bytes]:
    """What is said once it is known where the rows are."""

    def said(places: list[Place]) -> bytes:
        return msgspec.json.encode(
            {
                "accepted": accepted,
                "refused": len(errors),
                "rows": listed(errors),
                "batches": places,
            }
        )

    return said


def _count(platform_id: str, sample: SampleType, accepted: int, refused: int) -> None:
    metrics.ROWS.labels(platform_id, sample.value, "accepted").inc(accepted)
    if refused:
        metrics.ROWS.labels(platform_id, sample.value, "refused").inc(refused)


def _refused(refusal: Refusal) -> Response:
    response = _json(refusal.status, refusal.body())
    if refusal.retry_after_s:
        response.headers["retry-after"] = str(max(1, round(refusal.retry_after_s + 0.5)))
    if refusal.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
