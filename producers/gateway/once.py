"""Accepted once: on disk before the answer, and one answer for one idempotency key."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from producers.gateway import metrics
from producers.gateway.errors import Refusal
from producers.gateway.intake import Job, SpoolFullError
from producers.gateway.parts import Gateway
from producers.gateway.store import Receipt

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
RETRY_S = 5.0
Keep = Callable[[bytes], Receipt | None]
Accept = Callable[[Keep], Awaitable[bytes]]


async def once(
    gateway: Gateway, request: Request, platform_id: str, content: bytes, accept: Accept
) -> Response:
    """The same key with the same body gets the same answer and is written once. Raises Refusal."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return Response(await accept(lambda _: None), 202, media_type="application/json")
    if not IDEMPOTENCY_KEY.fullmatch(key):
        rule = "must be 1 to 128 letters, digits or _.:-"
        raise Refusal(422, "idempotency-key", rule)
    digest = hashlib.sha256(content).digest()
    before = await _answered(gateway, (platform_id, key), digest)
    if before is not None:
        return before

    async def first() -> bytes:
        return await accept(lambda said: Receipt(platform_id, key, digest, said))

    return await _shared(gateway, (platform_id, key), digest, first)


async def _answered(gateway: Gateway, slot: tuple[str, str], digest: bytes) -> Response | None:
    """The answer of an earlier request, or of one that is under way, with this key."""
    if slot in gateway.under_way:
        first_digest, first = gateway.under_way[slot]
        _same_body(first_digest, digest)
        return _again(await asyncio.shield(first))
    known = gateway.reader.receipt(*slot)
    if known is None:
        return None
    _same_body(known[0].body, digest)
    return _again(known[0].answer)


async def _shared(
    gateway: Gateway, slot: tuple[str, str], digest: bytes, accept: Callable[[], Awaitable[bytes]]
) -> Response:
    """Who comes meanwhile with the same key waits for this answer."""
    mine: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    gateway.under_way[slot] = digest, mine
    try:
        answer = await accept()
        mine.set_result(answer)
    except BaseException as error:
        shared = error if isinstance(error, Refusal) else _try_again()
        mine.set_exception(shared)
        mine.exception()  # nobody else may be waiting for it
        raise
    finally:
        del gateway.under_way[slot]
    return Response(answer, 202, media_type="application/json")


async def durable(gateway: Gateway, job: Job) -> bytes:
    """The job's answer, when it is on disk. Raises Refusal 503 when it cannot be.

    A client that goes away does not undo it: what was handed over is written down.
    """
    try:
        gateway.intake.submit(job)
        return await asyncio.shield(asyncio.wrap_future(job.done))
    except SpoolFullError:
        raise Refusal(503, "gateway", "spool is full: Kafka is away", [], RETRY_S) from None
    except Exception:
        raise _try_again() from None


def _try_again() -> Refusal:
    return Refusal(503, "gateway", "could not write it down: try again", [], RETRY_S)


def _same_body(first: bytes, second: bytes) -> None:
    if first != second:
        raise Refusal(409, "idempotency-key", "was used for another body")


def _again(answer: bytes) -> Response:
    metrics.REPEATED.inc()
    headers = {"idempotent-replay": "true"}
    return Response(answer, 202, headers, media_type="application/json")
