"""One client's session over the native TCP protocol."""

import socket
import time
from collections.abc import Callable
from typing import Final

import structlog

from deploy.clickhouse_embedded import blocks, packets, sql
from deploy.clickhouse_embedded.engine import Engine
from deploy.clickhouse_embedded.errors import (
    CHECKSUM_DOESNT_MATCH,
    NOT_IMPLEMENTED,
    QUERY_WAS_CANCELLED,
    SYNTAX_ERROR,
    UNEXPECTED_PACKET,
    ServerError,
    from_engine,
)
from deploy.clickhouse_embedded.reader import FrameReader, Reader, SocketReader
from deploy.clickhouse_embedded.session import Session
from deploy.clickhouse_embedded.spool import Spool
from deploy.clickhouse_embedded.users import Users
from deploy.clickhouse_embedded.watch import Watcher, gave_up

_log = structlog.get_logger("clickhouse_embedded.native")

_IDLE_S: Final = 3600.0
_BUSY_S: Final = 300.0
_LINGER_S: Final = 5.0
_LOGGED_CHARS: Final = 16
_HEADER_FROM_BLOCK_BYTES: Final = 1 << 18


class BrokenSessionError(Exception):
    """The client was told why; the connection is out of step and closes."""


class NativeSession:
    """Serves one socket until the client leaves, the stream breaks or the server drains."""

    def __init__(
        self, sock: socket.socket, engine: Engine, users: Users, watcher: Watcher, max_insert: int
    ) -> None:
        self._sock = sock
        self._engine = engine
        self._users = users
        self._watcher = watcher
        self._max_insert = max_insert
        self._in = SocketReader(sock)
        self._session: Session | None = None
        self.idle = True
        self.draining = False

    def serve(self) -> None:
        """Run the session; never raises."""
        try:
            self._session = self._greet()
            while not self.draining:
                self._next_packet(self._session)
        except (EOFError, OSError, BrokenSessionError):
            pass
        except ServerError as error:
            self._tell_and_linger(error)
        except Exception as error:
            _log.exception("session_failed")
            self._tell_and_linger(from_engine(error))
        finally:
            if self._session:
                self._session.close()
            self._sock.close()

    def cancel(self) -> None:
        """From another thread: end the running statement."""
        if self._session:
            self._session.cancel()

    def wake(self) -> None:
        """From another thread: an idle session leaves."""
        self.draining = True
        if self.idle:
            self._sock.shutdown(socket.SHUT_RD)

    def _greet(self) -> Session:
        self._sock.settimeout(_BUSY_S)
        if self._in.varint() != packets.HELLO:
            raise ServerError(UNEXPECTED_PACKET, "Expected Hello")
        greeting = packets.read_hello(self._in)
        if greeting.revision < packets.OLDEST_REVISION:
            raise ServerError(NOT_IMPLEMENTED, f"Client of revision {greeting.revision} is too old")
        user = self._users.authenticate(greeting.user or "default", greeting.password)
        session = self._engine.session(user, greeting.database)
        self._send(
            packets.hello(self._engine.version, self._engine.timezone, self._engine.display_name)
        )
        _log.info("connected", user=user.name, client=greeting.client)
        return session

    def _next_packet(self, session: Session) -> None:
        self._sock.settimeout(_IDLE_S)
        self.idle = True
        kind = self._in.varint()
        self.idle = False
        self._sock.settimeout(_BUSY_S)
        if kind == packets.PING:
            self._send(packets.PONG)
        elif kind == packets.QUERY:
            self._query(session, packets.read_query(self._in))
        elif kind == packets.TABLES_STATUS:
            self._send(packets.tables_status(self._in))
        elif kind != packets.CANCEL:  # a Cancel may arrive after the end of its query
            raise ServerError(UNEXPECTED_PACKET, f"Unexpected packet {kind} from client")

    def _query(self, session: Session, query: packets.Query) -> None:
        started = time.monotonic()
        session.cancelled.clear()
        self._skip_external_tables(query)
        code = 0
        try:
            with self._engine.slot():
                self._run(session, query)
        except ServerError as error:
            code = error.code
            cancelled = code == QUERY_WAS_CANCELLED and session.cancelled.is_set()
            self._send(packets.END_OF_STREAM if cancelled else packets.exception(error))
        self._engine.metrics.statements.labels("native", code).inc()
        _log.info(
            "query",
            user=session.user.name,
            kind=sql.first_word(query.text)[:_LOGGED_CHARS],
            code=code,
            ms=round((time.monotonic() - started) * 1000),
        )

    def _skip_external_tables(self, query: packets.Query) -> None:
        kind = self._in.varint()
        if kind != packets.DATA:
            raise ServerError(UNEXPECTED_PACKET, f"Unexpected packet {kind} after a query")
        name = self._in.string()
        reader = self._data_reader(query)
        packets.skip_block_info(reader)
        if blocks.skip_block(reader).columns:
            raise ServerError(NOT_IMPLEMENTED, f"External table {name!r}: not supported here")

    def _data_reader(self, query: packets.Query) -> Reader:
        return FrameReader(self._in) if query.compressed else self._in

    def _run(self, session: Session, query: packets.Query) -> None:
        text = sql.without_semicolon(query.text)
        if not sql.first_word(text):
            raise ServerError(SYNTAX_ERROR, "Empty query")
        insert = sql.parse_insert(text)
        if insert and not sql.has_inline_data(text, insert):
            session.check(f"{insert.head} VALUES")
            session.apply(query.settings, not query.settings_important, data_insert=True)
            self._insert(session, query, insert)
            return
        if insert:
            self._insert_inline(session, query, text, insert)
            return
        session.check(text)
        session.apply(query.settings, not query.settings_important)
        with self._watcher.watch(self._sock, session.cancel):
            if sql.is_streamed(text):
                self._select(session, query, sql.without_format(text))
            else:
                self._command(session, query, sql.without_format(text))
        self._send(packets.END_OF_STREAM)

    def _select(self, session: Session, query: packets.Query, text: str) -> None:
        rows = size = count = 0
        for block, block_rows in session.stream(text, "Native"):
            if not block:
                continue
            if not count:
                self._send_header(query, block)
            self._send(packets.data(block, query.compressed))
            rows, size, count = rows + block_rows, size + len(block), count + 1
            if gave_up(self._sock):
                session.cancelled.set()
        if not count:
            header = session.describe(text)
            self._send(packets.data(blocks.empty_block(header), query.compressed))
        self._finish(rows, count, size)

    def _send_header(self, query: packets.Query, block: bytes) -> None:
        """A real server sends a block of no rows first; large blocks carry their own names."""
        if len(block) <= _HEADER_FROM_BLOCK_BYTES and (header := blocks.is_single_block(block)):
            self._send(packets.data(blocks.empty_block(header.columns), query.compressed))

    def _command(self, session: Session, query: packets.Query, text: str) -> None:
        result = session.execute(text, "Native")
        rows = size = count = 0
        for header, block in blocks.split(bytes(result.bytes())):
            if not count:
                self._send(packets.data(blocks.empty_block(header.columns), query.compressed))
            self._send(packets.data(block, query.compressed))
            rows, size, count = rows + header.rows, size + len(block), count + 1
        if count:
            self._finish(rows, count, size)
        elif written := int(result.rows_written()):
            self._send(packets.progress(written_rows=written))

    def _finish(self, rows: int, count: int, size: int) -> None:
        self._send(packets.profile_info(rows, count, size) + packets.progress(rows, size))

    def _insert(self, session: Session, query: packets.Query, insert: sql.Insert) -> None:
        columns = session.insert_columns(insert)
        self._send(packets.data(blocks.empty_block(columns), query.compressed))
        native = sql.Insert(insert.head, insert.table, insert.columns, "Native", 0)
        try:
            with Spool(self._engine.tmp, self._max_insert) as spool:
                self._receive(query, spool)
                with self._watcher.watch(self._sock, session.cancel):
                    written = session.insert(native, spool) if spool.size else 0
                    size = spool.size
        except ServerError as error:
            self._tell_and_linger(error)
            raise BrokenSessionError from None
        self._send(packets.progress(written_rows=written, written_bytes=size))
        self._send(packets.END_OF_STREAM)

    def _insert_inline(
        self, session: Session, query: packets.Query, text: str, insert: sql.Insert
    ) -> None:
        """The data is in the statement's text."""
        session.check(f"{insert.head} VALUES")
        session.apply(query.settings, not query.settings_important, data_insert=True)
        with Spool(self._engine.tmp, self._max_insert) as spool:
            spool.write(text[insert.data_start :].encode("utf-8", "surrogateescape"))
            with self._watcher.watch(self._sock, session.cancel):
                written = session.insert(insert, spool)
        self._send(packets.progress(written_rows=written) + packets.END_OF_STREAM)

    def _receive(self, query: packets.Query, spool: Spool) -> None:
        """Put the blocks of an INSERT aside until the empty one that ends it."""
        while True:
            kind = self._in.varint()
            if kind == packets.PING:
                self._send(packets.PONG)
                continue
            if kind == packets.CANCEL:
                raise ServerError(QUERY_WAS_CANCELLED, "Query was cancelled.")
            if kind != packets.DATA:
                raise ServerError(UNEXPECTED_PACKET, f"Unexpected packet {kind} in an INSERT")
            self._in.string()
            reader = self._data_reader(query)
            packets.skip_block_info(reader)
            if not self._receive_block(reader, spool):
                return

    def _receive_block(self, reader: Reader, spool: Spool) -> bool:
        if not reader.uint8():  # no columns: the end
            reader.varint()
            return False
        reader.pos -= 1
        reader.copy_to(spool)
        blocks.skip_block(reader)
        reader.copy_to(None)
        if isinstance(reader, FrameReader) and not reader.at_end():
            raise ServerError(CHECKSUM_DOESNT_MATCH, "A compressed frame goes on after its block")
        return True

    def _send(self, payload: bytes) -> None:
        self._sock.sendall(payload)

    def _tell_and_linger(self, error: ServerError) -> None:
        """Send an exception and close without losing it.

        Closing a socket with unread data resets the connection, and the client would see that
        instead of the exception: read what it still sends, for a while.
        """
        deadline = time.monotonic() + _LINGER_S
        try:
            self._send(packets.exception(error))
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(_LINGER_S)
            while time.monotonic() < deadline and self._sock.recv(1 << 20):
                pass
        except OSError:
            pass


SessionFactory = Callable[[socket.socket], NativeSession]
