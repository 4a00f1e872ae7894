"""A query that came over HTTP, from its parameters to the pieces of its answer.

Runs on a worker thread; http_api.py does the talking.
"""

import contextlib
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.clickhouse_embedded import blocks, packets, sql
from deploy.clickhouse_embedded.engine import Engine
from deploy.clickhouse_embedded.errors import (
    BAD_ARGUMENTS,
    QUERY_IS_TOO_LARGE,
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    SYNTAX_ERROR,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    ServerError,
)
from deploy.clickhouse_embedded.reader import BytesReader
from deploy.clickhouse_embedded.session import Session
from deploy.clickhouse_embedded.spool import Spool
from deploy.clickhouse_embedded.users import User

_RESERVED: Final = {
    "query", "user", "password", "database", "default_format", "session_id", "session_timeout",
    "session_check", "close_session", "query_id", "quota_key", "stacktrace", "compress",
    "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version", "role",
    # these steer the real server's HTTP handler, which is not in the library
    "enable_http_compression", "send_progress_in_http_headers", "http_zlib_compression_level",
    "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close",
    "add_http_cors_header",
}  # fmt: skip
# Formats whose chunks can be joined. The library writes each chunk of the others as a document of
# its own, so those are made whole.
_JOINABLE: Final = {
    "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines", "NDJSON",
    "JSONCompactEachRow", "JSONStringsEachRow", "RowBinary", "Native", "LineAsString", "RawBLOB",
}  # fmt: skip
_WITH_BLOCK_INFO: Final = 51903
_WITH_SERIALIZATION_KIND: Final = 54454
_MAX_SQL_BYTES: Final = 16 << 20
_HEAD_BYTES: Final = 1 << 18
_DEFAULT_SESSION_S: Final = 60
_LONGEST_SESSION_S: Final = 3600
_MOST_SESSIONS: Final = 1000


@dataclass
class Answer:
    """The pieces of a response; `summary` counts for X-ClickHouse-Summary."""

    pieces: Iterator[bytes]
    format: str
    summary: dict[str, str] = field(default_factory=dict)


class HttpSessions:
    """Sessions that clients name with `session_id`; they end after a time without use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[tuple[str, str], tuple[Session, float]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self, user: User, params: Mapping[str, str]) -> Iterator[Session]:
        """The named session, or one for this request only."""
        name, database = params.get("session_id", ""), params.get("database", "")
        if not name:
            with contextlib.closing(self._engine.session(user, database)) as session:
                yield session
            return
        _number(params, "session_timeout", _DEFAULT_SESSION_S)
        key = (user.name + ("/readonly" if user.readonly else ""), name)
        session = self._take(key, user, params)
        try:
            if database:
                session.use(database)
            yield session
        finally:
            self._give_back(key, session, params)

    def _take(self, key: tuple[str, str], user: User, params: Mapping[str, str]) -> Session:
        with self._lock:
            self._expire()
            if key in self._busy:
                raise ServerError(SESSION_IS_LOCKED, f"Session {key[1]} is locked by a query")
            self._busy.add(key)
            found = self._sessions.pop(key, None)
        try:
            if found is None and params.get("session_check") == "1":
                raise ServerError(SESSION_NOT_FOUND, f"Session {key[1]} not found")
            if found is None and len(self._sessions) >= _MOST_SESSIONS:
                raise ServerError(TOO_MANY_SIMULTANEOUS_QUERIES, "Too many named sessions")
            session = found[0] if found else self._engine.session(user)
        except ServerError:
            self._busy.discard(key)
            raise
        session.cancelled.clear()
        return session

    def _give_back(self, key: tuple[str, str], session: Session, params: Mapping[str, str]) -> None:
        lasts = min(_number(params, "session_timeout", _DEFAULT_SESSION_S), _LONGEST_SESSION_S)
        with self._lock:
            self._busy.discard(key)
            if params.get("close_session") == "1":
                session.close()
            else:
                self._sessions[key] = (session, time.monotonic() + lasts)

    def _expire(self) -> None:
        now = time.monotonic()
        for key in [key for key, (_, end) in self._sessions.items() if end < now]:
            self._sessions.pop(key)[0].close()


def statement(params: Mapping[str, str], body: Spool) -> tuple[str, sql.Insert | None, int]:
    """(SQL without an INSERT's data, the INSERT if it takes data, where in the body it begins)."""
    text = params.get("query", "")
    if text and (insert := sql.parse_insert(text)):
        if body.size:
            return text, insert, 0
        body.write(text[insert.data_start :].encode())
        return text, insert, 0
    if not text:
        # Latin-1 keeps one character to a byte, so that positions in the text are the body's.
        head = body.head(_HEAD_BYTES).decode("latin-1")
        if found := sql.parse_insert(head):
            columns = _utf8(found.columns) if found.columns else None
            insert = sql.Insert(
                _utf8(found.head), _utf8(found.table), columns, found.format, found.data_start
            )
            return insert.head, insert, found.data_start
    if body.size > _MAX_SQL_BYTES:
        raise ServerError(QUERY_IS_TOO_LARGE, f"A query of {body.size} bytes is too large")
    rest = b"".join(body.chunks(_MAX_SQL_BYTES)).decode("utf-8", "surrogateescape")
    return f"{text}\n{rest}" if text and rest else text or rest, None, 0


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    value = params.get(name) or str(default)
    if not value.isdecimal():
        raise ServerError(BAD_ARGUMENTS, f"{name} must be a number")
    return int(value)


def _utf8(latin: str) -> str:
    return latin.encode("latin-1").decode("utf-8", "surrogateescape")


def run(session: Session, params: Mapping[str, str], body: Spool) -> Answer:
    """Run a request's statement. Raises `ServerError`, also out of `Answer.pieces`."""
    text, insert, start = statement(params, body)
    if not sql.first_word(text):
        raise ServerError(SYNTAX_ERROR, "Empty query")
    settings = {
        name: value
        for name, value in params.items()
        if name not in _RESERVED and not name.startswith("param_")
    }
    if insert:
        session.check(f"{insert.head} VALUES")
        session.apply(settings, data_insert=True)
        written = session.insert(insert, body, start)
        return Answer(iter(()), "TabSeparated", _summary(written, body.size))
    text = sql.without_semicolon(text)
    bound = {k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")}
    session.check(text, bound)
    session.apply(settings)
    return _query(session, text, bound, params)


def _query(session: Session, text: str, bound: dict[str, str], params: Mapping[str, str]) -> Answer:
    asked = sql.find_format(text)
    output = asked[0] if asked else params.get("default_format") or "TabSeparated"
    if output in _JOINABLE and sql.is_streamed(text):
        pieces: Iterator[bytes] = (chunk for chunk, _ in session.stream(text, output, bound))
        summary = _summary(0, 0)
    else:
        result = session.execute(text, output, bound)
        pieces = iter((bytes(result.bytes()),))
        summary = _summary(int(result.rows_written()), int(result.bytes_written()))
    version = _number(params, "client_protocol_version", 0)
    if output == "Native" and version:
        pieces = _for_protocol(pieces, version)
    return Answer(pieces, output, summary)


def _summary(written_rows: int, written_bytes: int) -> dict[str, str]:
    names = ("read_rows", "read_bytes", "total_rows_to_read", "result_rows", "result_bytes")
    written = {"written_rows": str(written_rows), "written_bytes": str(written_bytes)}
    return dict.fromkeys(names, "0") | written


def summary_header(summary: dict[str, str], started: float) -> str:
    elapsed = int((time.monotonic() - started) * 1e9)
    return json.dumps({**summary, "elapsed_ns": str(elapsed)})


def _for_protocol(pieces: Iterator[bytes], version: int) -> Iterator[bytes]:
    """Blocks as a client of this protocol version reads them: with block info, and from 54454 on
    with a byte for the kind of serialization after each column's type."""
    for piece in pieces:
        if version < _WITH_BLOCK_INFO:
            yield piece
        else:
            yield from _with_marks(piece, version >= _WITH_SERIALIZATION_KIND)


def _with_marks(piece: bytes, kinds: bool) -> Iterator[bytes]:
    reader = BytesReader(piece)
    while not reader.at_end():
        start, cuts = reader.pos, list[int]()
        blocks.skip_block(reader, lambda r, cuts=cuts: cuts.append(r.pos))  # type: ignore[misc]
        edges = [start, *(cuts if kinds else []), reader.pos]
        parts = [piece[a:b] for a, b in itertools.pairwise(edges)]
        yield packets.BLOCK_INFO + b"\x00".join(parts)


def new_query_id() -> str:
    return str(uuid.uuid4())
