"""A TCP gate in front of a server that a test may shut and open again."""

from __future__ import annotations

import contextlib
import socket
import threading


class Gate:
    """Passes bytes both ways while it is open; shut, it drops everyone and refuses new ones."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._ends: list[socket.socket] = []
        self._listening = socket.create_server((host, 0))
        self.host, self.port = self._listening.getsockname()
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def shut(self) -> None:
        # Shutdown wakes the thread that waits in accept; close alone would leave it listening.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def open(self) -> None:
        self._listening = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=_pass, args=(a, b), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
