"""The HTTP side of the gateway: routes, who is asking, limits, answers. No Kafka, no SQL here."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from producers.errors import PushError
from producers.gateway import docs, metrics, openapi
from producers.gateway.api_keys import ApiKeyFile
from producers.gateway.body import inflate, read_body
from producers.gateway.errors import Refusal, listed
from producers.gateway.intake import Intake, Job, SpoolFullError
from producers.gateway.limits import Limits
from producers.gateway.parse import MEDIA_TYPES, Parsed, parse
from producers.gateway.sources import Sources
from producers.gateway.store import Reader, Receipt
from producers.pacing import wall_ms
from schemas.telemetry import SampleType

log = structlog.get_logger("livewatch.gateway")
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_RETRY_S = 5.0
_LARGE_BODY = 200_000
_NO_ACCESS = Refusal(401, "authorization", "must be a valid key: Authorization: Bearer lw_...")


@dataclass
class Gateway:
    """What the routes work with. `ready` gives the reason why nothing can be accepted, or None."""

    keys: ApiKeyFile
    limits: Limits
    intake: Intake
    sources: Sources
    reader: Reader
    ready: Callable[[], str | None]
    under_way: dict[tuple[str, str], tuple[bytes, asyncio.Future[bytes]]] = field(
        default_factory=dict
    )


def build(gateway: Gateway) -> Starlette:
    """The ASGI application."""
    routes = [
        Route("/v1/samples/{sample}", _guarded(gateway, _samples), methods=["POST"]),
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
            response = _refused(Refusal(503, "gateway", "cannot look keys up", [], _RETRY_S))
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
    partial = _flag(request, "partial")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Refusal(415, "content-type", f"must be one of {', '.join(MEDIA_TYPES)}")
    body = await _body(gateway, request)

    async def accept(receipt: Callable[[bytes], Receipt | None]) -> bytes:
        policy, now = gateway.limits.policy, wall_ms()
        found = await _parsed(sample, media_type, body, policy.max_rows, now)
        if found.errors and not (partial and found.rows.num_rows):
            _count(platform_id, sample, 0, len(found.errors))
            raise Refusal(422, "rows", "must follow the contract", found.errors)
        wait = gateway.limits.rows(platform_id, found.rows.num_rows, time.monotonic())
        _not_too_many(wait, platform_id)
        answer = _answer(found)
        await _durable(gateway, Job(platform_id, sample, found.rows, receipt(answer)))
        _count(platform_id, sample, found.rows.num_rows, len(found.errors))
        return answer

    head = f"{sample.value} {partial} {media_type}\n".encode()
    return await _once(gateway, request, platform_id, head + body, accept)


async def _parsed(
    sample: SampleType, media_type: str, body: bytes, max_rows: int, now_ms: int
) -> Parsed:
    """A large body must not hold up the requests beside it."""
    if len(body) > _LARGE_BODY:
        return await asyncio.to_thread(parse, sample, media_type, body, max_rows, now_ms)
    return parse(sample, media_type, body, max_rows, now_ms)


async def _heartbeat(gateway: Gateway, request: Request, platform_id: str) -> Response:
    final = _flag(request, "final")
    await _durable(gateway, Job(platform_id, final=final))
    return _json(202, {"accepted": 0, "final": final})


Accept = Callable[[Callable[[bytes], Receipt | None]], Awaitable[bytes]]


async def _once(
    gateway: Gateway, request: Request, platform_id: str, content: bytes, accept: Accept
) -> Response:
    """The same key with the same body gets the same answer and is written once."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return Response(await accept(lambda _: None), 202, media_type="application/json")
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        rule = "must be 1 to 128 letters, digits or _.:-"
        raise Refusal(422, "idempotency-key", rule)
    digest = hashlib.sha256(content).digest()
    slot = platform_id, key
    if slot in gateway.under_way:
        first_digest, first = gateway.under_way[slot]
        _same_body(first_digest, digest)
        return _again(await asyncio.shield(first))
    known = gateway.reader.receipt(platform_id, key)
    if known is not None:
        _same_body(known[0].body, digest)
        return _again(known[0].answer)
    mine: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    gateway.under_way[slot] = digest, mine
    try:
        answer = await accept(lambda said: Receipt(platform_id, key, digest, said))
        mine.set_result(answer)
    except BaseException as error:
        shared = error if isinstance(error, Refusal) else _try_again()
        mine.set_exception(shared)
        mine.exception()  # nobody else may be waiting for it
        raise
    finally:
        del gateway.under_way[slot]
    return Response(answer, 202, media_type="application/json")


async def _durable(gateway: Gateway, job: Job) -> None:
    """Return when the job is on disk. Raises Refusal 503 when it cannot be.

    A client that goes away does not undo it: what was handed over is written down.
    """
    try:
        gateway.intake.submit(job)
        await asyncio.shield(asyncio.wrap_future(job.done))
    except SpoolFullError:
        raise Refusal(503, "gateway", "spool is full: Kafka is away", [], _RETRY_S) from None
    except Exception:
        raise _try_again() from None


def _try_again() -> Refusal:
    return Refusal(503, "gateway", "could not write it down: try again", [], _RETRY_S)


async def _receipt(gateway: Gateway, request: Request, platform_id: str) -> Response:
    key = request.path_params["key"]
    known = gateway.reader.receipt(platform_id, key) if _IDEMPOTENCY_KEY.fullmatch(key) else None
    if known is None:
        raise Refusal(404, "key", "is not known")
    receipt, delivered = known
    state = "delivered" if delivered else "spooled"
    return _json(200, {"state": state, "answer": msgspec.json.decode(receipt.answer)})


async def _status(gateway: Gateway, request: Request, platform_id: str) -> Response:
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


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.getlist(name)
    if not given:
        return False
    if given not in (["true"], ["false"]):
        raise Refusal(422, name, "must be true or false, once")
    return given == ["true"]


def _answer(found: Parsed) -> bytes:
    return msgspec.json.encode(
        {
            "accepted": found.rows.num_rows,
            "refused": len(found.errors),
            "rows": listed(found.errors),
        }
    )


def _same_body(first: bytes, second: bytes) -> None:
    if first != second:
        raise Refusal(409, "idempotency-key", "was used for another body")


def _again(answer: bytes) -> Response:
    metrics.REPEATED.inc()
    headers = {"idempotent-replay": "true"}
    return Response(answer, 202, headers, media_type="application/json")


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
