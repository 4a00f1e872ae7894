"""Answers that are not sent again to whoever has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse, Response

from pipelines.api.audit import Access

IfNoneMatch = Annotated[str | None, Header(alias="if-none-match", max_length=400)]

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "unchanged since the ETag in If-None-Match"}
}


def answer(body: Mapping[str, Any], has: str | None, access: Access, shown: int) -> Response:
    """The body with its ETag, or 304 where the client has it: then nothing was shown."""
    whole = json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
    etag = f'"{hashlib.sha256(whole).hexdigest()[:32]}"'
    if has is not None and _is_among(etag, has):
        return Response(status_code=304, headers={"etag": etag})
    access.shown = shown
    return JSONResponse(body, headers={"etag": etag})


def _is_among(etag: str, given: str) -> bool:
    """Weak comparison, as If-None-Match asks for (RFC 9110, 13.1.2)."""
    tags = {one.strip().removeprefix("W/") for one in given.split(",")}
    return "*" in tags or etag in tags
