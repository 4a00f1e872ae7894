"""The body of a request, bounded before and after inflation."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from producers.gateway.errors import Refusal

_STEP = 1 << 20
_PATIENCE = 32 << 20
"""Bytes over the limit that are read before the answer."""


async def read_body(chunks: AsyncIterator[bytes], declared: str | None, limit: int) -> bytes:
    """All of it, at most `limit` bytes.

    What is over it is read on for a while and thrown away, so that the client, who is still
    sending, gets the answer and not a broken connection. A Content-Length beyond that is refused
    unread.
    """
    too_large = Refusal(413, "body", f"must be at most {limit} bytes")
    if declared is not None and declared.isdigit() and int(declared[:19]) > limit + _PATIENCE:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit + _PATIENCE:
            raise too_large
        if size <= limit:
            parts.append(chunk)
    if size > limit:
        raise too_large
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, at most `limit` bytes: a bomb does not go off."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Refusal(415, "content-encoding", "must be gzip or left out")
    inflater = zlib.decompressobj(wbits=31)
    parts, left = [], limit
    try:
        while body and not inflater.eof:
            part = inflater.decompress(body, min(left + 1, _STEP))
            left -= len(part)
            if left < 0:
                raise Refusal(413, "body", f"must be at most {limit} bytes when inflated")
            parts.append(part)
            body = inflater.unconsumed_tail
    except zlib.error:
        raise Refusal(400, "body", "is not readable gzip") from None
    if not inflater.eof or inflater.unused_data:
        raise Refusal(400, "body", "must be one whole gzip stream")
    return b"".join(parts)
