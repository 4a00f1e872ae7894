"""Accepting native connections: a thread for each, up to a limit, and an orderly end."""

import contextlib
import socket
import threading
import time

import structlog

from deploy.clickhouse_embedded.native import NativeSession, SessionFactory

_log = structlog.get_logger("clickhouse_embedded.listener")


class Listener:
    """Threads suit: a session is mostly inside the engine, which releases Python's lock."""

    def __init__(
        self, sock: socket.socket, new_session: SessionFactory, max_connections: int
    ) -> None:
        self._sock = sock
        self._new_session = new_session
        self._max_connections = max_connections
        self._sessions: set[NativeSession] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Accept no more, let running statements end, cancel what is left after `timeout_s`."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._wake_all():
            time.sleep(0.02)
        for session in list(self._sessions):
            session.cancel()

    def _wake_all(self) -> bool:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            with contextlib.suppress(OSError):
                session.wake()
        return bool(sessions)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            if len(self._sessions) >= self._max_connections:
                _log.warning("too_many_connections", limit=self._max_connections)
                sock.close()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            session = self._new_session(sock)
            with self._lock:
                self._sessions.add(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: NativeSession) -> None:
        try:
            session.serve()
        finally:
            with self._lock:
                self._sessions.discard(session)
