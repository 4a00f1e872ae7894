"""The fault suite's proxy breaks connections as it says, and only those worth breaking."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.chaos.proxy import LEAST_BYTES, Proxies, Proxy, inserted
from deploy.stack.ports import free_run

REQUEST = b"r" * (2 * LEAST_BYTES)
DONE = b"\x05"


class Server:
    """Keeps what it reads; answers each whole request with an acknowledgement."""

    def __init__(self, port: int) -> None:
        self.received = b""
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while chunk := connection.recv(65_536):
                self.received += chunk
                if len(self.received) % len(REQUEST) == 0:
                    connection.sendall(DONE)
        self.ended.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def link() -> Iterator[tuple[Proxy, Server, socket.socket]]:
    port = free_run(2)
    server, proxy = Server(port), Proxy(port + 1, port, inserted)
    with Proxies([proxy]), socket.create_connection(("127.0.0.1", port + 1), 10) as client:
        yield proxy, server, client
    server.close()


def test_without_a_strike_everything_passes(link: tuple[Proxy, Server, socket.socket]) -> None:
    _, server, client = link
    client.sendall(REQUEST)
    assert client.recv(10) == DONE
    assert server.received == REQUEST


@pytest.mark.parametrize("how", ["cut", "truncate"])
def test_a_cut_leaves_half_a_request(link: tuple[Proxy, Server, socket.socket], how: str) -> None:
    proxy, server, client = link
    strike = proxy.strike(how, 60)
    client.sendall(REQUEST)
    assert strike.hit.wait(10)
    assert server.ended.wait(10)
    assert 0 < len(server.received) < len(REQUEST)
    assert _broken(client)


def test_a_lost_reply_is_lost_after_the_server_has_everything(
    link: tuple[Proxy, Server, socket.socket],
) -> None:
    proxy, server, client = link
    strike = proxy.strike("lost_reply", 60)
    client.sendall(REQUEST)
    assert strike.hit.wait(10)
    assert _broken(client)
    assert server.received == REQUEST


def test_a_question_is_not_worth_breaking(link: tuple[Proxy, Server, socket.socket]) -> None:
    proxy, server, client = link
    strike = proxy.strike("cut", 60)
    half = len(REQUEST) // 4 - 1
    assert half < LEAST_BYTES
    client.sendall(REQUEST[:half])
    assert not strike.hit.wait(0.2)
    assert server.ended.is_set() is False


def _broken(client: socket.socket) -> bool:
    """Whether nothing comes but an end."""
    try:
        return client.recv(10) == b""
    except ConnectionError:
        return True
