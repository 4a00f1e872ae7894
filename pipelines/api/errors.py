"""An answer that is no: one shape for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse


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
