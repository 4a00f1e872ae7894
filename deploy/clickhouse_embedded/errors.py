"""Errors as ClickHouse clients know them: a number, a name and a text."""

import re
from typing import Final

SYNTAX_ERROR: Final = 62
BAD_ARGUMENTS: Final = 36
CHECKSUM_DOESNT_MATCH: Final = 40
NOT_IMPLEMENTED: Final = 48
UNKNOWN_EXCEPTION: Final = 1002
UNKNOWN_SETTING: Final = 115
TIMEOUT_EXCEEDED: Final = 159
READONLY: Final = 164
UNEXPECTED_PACKET: Final = 101
QUERY_IS_TOO_LARGE: Final = 307
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
UNKNOWN_COMPRESSION_METHOD: Final = 89
CANNOT_DECOMPRESS: Final = 271
NO_SUCH_COLUMN: Final = 16
SESSION_NOT_FOUND: Final = 372
SESSION_IS_LOCKED: Final = 373
QUERY_WAS_CANCELLED: Final = 394
TOO_LARGE_SIZE: Final = 131
ACCESS_DENIED: Final = 497
REQUIRED_PASSWORD: Final = 194
AUTHENTICATION_FAILED: Final = 516

_NAMES: Final = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    CHECKSUM_DOESNT_MATCH: "CHECKSUM_DOESNT_MATCH",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
    READONLY: "READONLY",
    UNEXPECTED_PACKET: "UNEXPECTED_PACKET_FROM_CLIENT",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    UNKNOWN_COMPRESSION_METHOD: "UNKNOWN_COMPRESSION_METHOD",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    NO_SUCH_COLUMN: "NO_SUCH_COLUMN_IN_TABLE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    TOO_LARGE_SIZE: "TOO_LARGE_SIZE",
    ACCESS_DENIED: "ACCESS_DENIED",
    REQUIRED_PASSWORD: "REQUIRED_PASSWORD",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
}

# The table of the real server (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp), shortened.
_HTTP_STATUS: Final = {
    401: {REQUIRED_PASSWORD},
    403: {192, 193, AUTHENTICATION_FAILED, READONLY, ACCESS_DENIED},
    404: {46, 47, 50, 56, 60, 63, 81, 115, SESSION_NOT_FOUND},
    408: {TIMEOUT_EXCEEDED},
    413: {QUERY_IS_TOO_LARGE, TOO_LARGE_SIZE},
    429: {TOO_MANY_SIMULTANEOUS_QUERIES},
    501: {NOT_IMPLEMENTED},
}  # fmt: skip
_BAD_REQUEST: Final = {
    6, 26, 27, 33, BAD_ARGUMENTS, 38, CHECKSUM_DOESNT_MATCH, 41, 43, 44, 53, SYNTAX_ERROR, 70, 72,
    UNKNOWN_COMPRESSION_METHOD, 117, CANNOT_DECOMPRESS, SESSION_IS_LOCKED, 456, 457,
}  # fmt: skip

_ENGINE_TEXT: Final = re.compile(r"Code: (\d+)\. DB::\w+: ", re.S)
_NAME_TAIL: Final = re.compile(r"(?:\s*\(([A-Z][A-Z0-9_]+)\)|\s*\(version [^)]*\)\.?)+\s*$")


class ServerError(Exception):
    """What a client is told: `code`, `name` (such as UNKNOWN_TABLE) and the text."""

    def __init__(self, code: int, text: str, name: str | None = None) -> None:
        self.code = code
        self.name = name or _NAMES.get(code, "UNKNOWN_EXCEPTION")
        self.text = text
        super().__init__(text)

    @property
    def message(self) -> str:
        """The text of the native protocol's exception packet."""
        return f"DB::Exception: {self.text} ({self.name})"

    @property
    def http_status(self) -> int:
        for status, codes in _HTTP_STATUS.items():
            if self.code in codes:
                return status
        return 400 if self.code in _BAD_REQUEST else 500


class StartupError(Exception):
    """The server cannot start; the message is one line for the operator."""


def from_engine(error: BaseException) -> ServerError:
    """Read code, name and text out of an exception of the library.

    The library gives them as text only, sometimes nested ("Code: 164. DB::Exception: Code: 164."),
    sometimes behind a prefix of its own ("Streaming query failed: ").
    """
    if isinstance(error, ServerError):
        return error
    text = str(error)
    codes = list(_ENGINE_TEXT.finditer(text))
    if not codes:
        return ServerError(UNKNOWN_EXCEPTION, text or type(error).__name__)
    tail = _NAME_TAIL.search(text)
    body = text[codes[-1].end() : tail.start() if tail else None].strip()
    return ServerError(int(codes[-1][1]), body, tail[1] if tail else None)
