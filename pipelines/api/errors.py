"""An answer that is no: one shape for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Said(BaseModel):
    """`code` is for programs, the message for people."""

    code: str
    message: str


class Refused(BaseModel):
    """Every answer that is no."""

    error: Said


_MEANINGS = {
    401: "the account is not proven",
    403: "not for this role",
    404: "not there, or not for this account",
    409: "not in this state",
    413: "the body is too large",
    422: "makes no sense: which parameter, and why",
    429: "too fast: after how many seconds is in Retry-After",
    503: "a part is away: try again",
    504: "takes too long: ask for less",
}
#: For the OpenAPI document; FastAPI would name a shape of its own for 422.
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": Refused, "description": meaning} for code, meaning in _MEANINGS.items()
}


class ApiError(Exception):
    """`code` is for programs, the message for people; it repeats nothing of the request."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    def response(self) -> JSONResponse:
        content = {"error": {"code": self.code, "message": str(self)}}
        return JSONResponse(content, self.status, self.headers)
