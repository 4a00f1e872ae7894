"""The HTTP interface: authentication, bodies in and out, status codes.

An ASGI application of its own rather than a framework's route: a query's answer begins before its
end is known, and a client that leaves must end the query, which needs `receive` and `send`.
"""

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from deploy.clickhouse_embedded import encoding, http_query
from deploy.clickhouse_embedded.engine import Engine
from deploy.clickhouse_embedded.errors import (
    AUTHENTICATION_FAILED,
    NOT_IMPLEMENTED,
    REQUIRED_PASSWORD,
    ServerError,
    from_engine,
)
from deploy.clickhouse_embedded.session import Session
from deploy.clickhouse_embedded.spool import Spool
from deploy.clickhouse_embedded.users import User, Users

_log = structlog.get_logger("clickhouse_embedded.http")
_T = TypeVar("_T")

_HEALTH: Final = {"/ping", "/replicas_status"}
_TYPES: Final = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
}
_CANCEL_AGAIN_S: Final = 0.2
_TAG: Final = "lwexceptiontag00"  # 16 characters, as the real server's


class ClientGoneError(Exception):
    """The client left before its request was whole."""


class HttpApi:
    """The ASGI application."""

    def __init__(self, engine: Engine, users: Users, max_body: int) -> None:
        self._engine = engine
        self._users = users
        self._max_body = max_body
        self._sessions = http_query.HttpSessions(engine)
        self._threads = ThreadPoolExecutor(engine.max_queries + 8, "http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, has_query = scope["path"], b"query=" in scope["query_string"]
        if path in _HEALTH or (
            path == "/" and scope["method"] in ("GET", "HEAD") and not has_query
        ):
            await PlainTextResponse("Ok.\n")(scope, receive, send)
        elif path == "/metrics":
            text = self._engine.metrics.text()
            await PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)(scope, receive, send)
        elif path != "/":
            text = "There is no handle " + path + "\n"
            await PlainTextResponse(text, status_code=404)(scope, receive, send)
        else:
            with contextlib.suppress(ClientGoneError):
                await _Request(self, scope, receive, send).answer()

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def user(self, headers: Headers, params: QueryParams, method: str) -> User:
        """Authenticate; a GET only reads, as in the real server."""
        name, password = _credentials(headers, params)
        try:
            user = self._users.authenticate(name or "default", password)
        except ServerError as error:
            if name:
                raise
            raise ServerError(REQUIRED_PASSWORD, error.text) from None
        return user if method == "POST" else user.model_copy(update={"readonly": True})

    engine = property(lambda self: self._engine)
    sessions = property(lambda self: self._sessions)

    def spool(self) -> Spool:
        return Spool(self._engine.tmp, self._max_body)


def _credentials(headers: Headers, params: QueryParams) -> tuple[str, str]:
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ServerError(AUTHENTICATION_FAILED, "Invalid Basic authentication") from None
        return name, password
    return params.get("user", ""), params.get("password", "")


class _Request:
    """One request to `/` with a query."""

    def __init__(self, api: HttpApi, scope: Scope, receive: Receive, send: Send) -> None:
        self._api = api
        self._receive = receive
        self._send = send
        self._method: str = scope["method"]
        self._headers = Headers(scope=scope)
        self._params = QueryParams(scope["query_string"])
        self._query_id = self._params.get("query_id") or http_query.new_query_id()
        self._started = time.monotonic()
        self._head_sent = False
        self._session: Session | None = None
        self._code = 0

    async def answer(self) -> None:
        user = ""
        try:
            found = self._api.user(self._headers, self._params, self._method)
            user = found.name
            with self._api.spool() as body:
                await self._read_body(body)
                await self._run(found, body)
        except ServerError as error:
            self._code = error.code
            await self._fail(error)
        except (ClientGoneError, ConnectionAbortedError):
            raise
        except Exception as error:
            _log.exception("request_failed")
            if self._head_sent:
                raise
            await self._fail(from_engine(error))
        finally:
            self._api.engine.metrics.statements.labels("http", self._code).inc()
            ms = round((time.monotonic() - self._started) * 1000)
            _log.info("query", user=user, code=self._code, ms=ms)

    async def _read_body(self, body: Spool) -> None:
        content = self._headers.get("content-type", "")
        if content.startswith("multipart/form-data"):
            raise ServerError(NOT_IMPLEMENTED, "Form data is not supported: send the query as text")
        name = self._headers.get("content-encoding", "").lower()
        name = "native" if self._params.get("decompress") == "1" else name
        if name in ("", "identity"):
            await self._receive_into(body)
            return
        with self._api.spool() as raw:
            await self._receive_into(raw)
            if raw.size:
                await self._api.in_thread(lambda: encoding.decode(raw, name, body))

    async def _receive_into(self, spool: Spool) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            if chunk := message.get("body"):
                spool.write(chunk)
            if not message.get("more_body"):
                return

    async def _run(self, user: User, body: Spool) -> None:
        stack = contextlib.ExitStack()
        watching = asyncio.create_task(self._watch_for_disconnect())
        try:
            answer = await self._api.in_thread(lambda: self._begin(stack, user, body))
            await self._write(answer)
        finally:
            watching.cancel()
            await self._api.in_thread(stack.close)

    def _begin(self, stack: contextlib.ExitStack, user: User, body: Spool) -> http_query.Answer:
        """On a worker thread: run the query up to the first piece of its answer."""
        stack.enter_context(self._api.engine.slot())
        self._session = stack.enter_context(self._api.sessions.use(user, self._params))
        answer = http_query.run(self._session, self._params, body)
        stack.callback(getattr(answer.pieces, "close", lambda: None))
        first = next(answer.pieces, b"")
        if self._params.get("wait_end_of_query") == "1":
            answer.pieces = iter([first, *answer.pieces])
        else:
            answer.pieces = _chain(first, answer.pieces)
        return answer

    async def _watch_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        while True:  # again and again: the query may not have begun yet
            if self._session:
                await self._api.in_thread(self._session.cancel)
            await asyncio.sleep(_CANCEL_AGAIN_S)

    async def _write(self, answer: http_query.Answer) -> None:
        name, encoder = self._encoder()
        await self._send_head(200, answer, name)
        try:
            while True:
                piece = await self._api.in_thread(lambda: _encoded(answer.pieces, encoder))
                if piece is None:
                    break
                await self._send_body(piece)
        except ServerError as error:
            self._code = error.code
            await self._break_off(error, encoder)
        await self._send_body(encoder.finish(), more=False)

    def _encoder(self) -> tuple[str, encoding.Encoder]:
        if self._params.get("compress") == "1":
            return "", encoding.NativeFrames()
        if self._params.get("enable_http_compression") in ("1", "true"):
            return encoding.choose(self._headers.get("accept-encoding", ""))
        return "", encoding.Plain()

    async def _break_off(self, error: ServerError, encoder: encoding.Encoder) -> None:
        """The status is sent already: write the error at the end, as the real server does, and
        leave the response unfinished so that no client takes it for whole."""
        text = _error_text(error, self._api.engine.version)
        tail = f"\r\n__exception__\r\n{_TAG}\r\n{text}{len(text)} {_TAG}\r\n__exception__\r\n"
        await self._send_body(encoder.encode(tail.encode()) + encoder.finish())
        raise ConnectionAbortedError(error.name)

    async def _send_head(self, status: int, answer: http_query.Answer, encoded: str) -> None:
        summary = http_query.summary_header(answer.summary, self._started)
        headers = {
            "Content-Type": _TYPES.get(answer.format, "text/plain; charset=UTF-8"),
            "X-ClickHouse-Summary": summary,
            "X-ClickHouse-Format": answer.format,
            "X-ClickHouse-Exception-Tag": _TAG,
        }
        if encoded:
            headers["Content-Encoding"] = encoded
        await self._start(status, headers)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        common = {
            "X-ClickHouse-Query-Id": self._query_id,
            "X-ClickHouse-Server-Display-Name": self._api.engine.display_name,
            "X-ClickHouse-Timezone": self._api.engine.timezone,
        }
        raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in {**common, **headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})
        self._head_sent = True

    async def _send_body(self, body: bytes, more: bool = True) -> None:
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _fail(self, error: ServerError) -> None:
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Exception-Code": str(error.code),
        }
        if error.http_status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        await self._start(error.http_status, headers)
        text = _error_text(error, self._api.engine.version)
        await self._send_body(text.encode("utf-8", "replace"), more=False)


def _error_text(error: ServerError, version: str) -> str:
    return f"Code: {error.code}. DB::Exception: {error.text} ({error.name}) (version {version})\n"


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _encoded(pieces: Iterator[bytes], encoder: encoding.Encoder) -> bytes | None:
    """On a worker thread: the next piece of the answer, compressed; None after the last."""
    try:
        for piece in pieces:
            return encoder.encode(piece)
    except Exception as error:
        raise from_engine(error) from None
    return None
