"""Noticing that a client gave up while the engine is busy with its query.

The session's thread is inside the engine then and cannot read its socket. One thread for the whole
server looks at the sockets of running queries ten times a second.
"""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_PERIOD_S: Final = 0.1
_CANCEL_PACKET: Final = b"\x03"


def gave_up(sock: socket.socket) -> bool:
    """Has the client closed the connection or sent Cancel? Reads nothing."""
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        # Asked first: with a timeout set, Python's recv waits for data whatever its flags say.
        return bool(poll.poll(0)) and sock.recv(1, socket.MSG_PEEK) in (b"", _CANCEL_PACKET)
    except (OSError, ValueError):
        return True


class Watcher:
    """Calls back for each watched socket whose client gave up, and again until it is unwatched:
    the query may not have begun in the engine yet when its client leaves."""

    def __init__(self) -> None:
        self._watched: dict[socket.socket, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, sock: socket.socket, on_gave_up: Callable[[], None]) -> Iterator[None]:
        with self._changed:
            self._watched[sock] = on_gave_up
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(sock, None)

    def stop(self) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._changed:
                while not self._watched and not self._stopped.is_set():
                    self._changed.wait()
            self._stopped.wait(_PERIOD_S)
            for callback in self._ready():
                callback()

    def _ready(self) -> list[Callable[[], None]]:
        with self._changed:
            poll = select.poll()
            by_fd = {sock.fileno(): sock for sock in self._watched if sock.fileno() >= 0}
            for fd in by_fd:
                poll.register(fd, select.POLLIN)
            ready = [by_fd[fd] for fd, _ in poll.poll(0)]
            gone = [sock for sock in ready if gave_up(sock)]
            return [self._watched[sock] for sock in gone]
