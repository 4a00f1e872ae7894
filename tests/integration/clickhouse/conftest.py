"""A server for the session, as a child process on free ports; `start_server` makes more of them."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_driver import Client

from deploy.clickhouse_embedded import launch

USERS = {
    "default": {"password": ""},
    "writer": {"password": "w-secret"},
    "reader": {"password": "r-secret", "readonly": True},
}


@dataclass
class Running:
    """A started server and how to reach it."""

    child: "Popen[bytes]"
    data: Path
    tcp_port: int
    http_port: int
    log: Path

    def client(self, **options: Any) -> Client:
        options = {"user": "writer", "password": "w-secret", "port": self.tcp_port, **options}
        return Client("127.0.0.1", **options)

    def reader(self, **options: Any) -> Client:
        return self.client(user="reader", password="r-secret", **options)

    def connect(self, **options: Any) -> Any:
        options = {"username": "writer", "password": "w-secret", "port": self.http_port, **options}
        return clickhouse_connect.get_client(host="127.0.0.1", **options)

    def http(self, *credentials: str) -> httpx.Client:
        user, password = credentials or ("writer", "w-secret")
        url = f"http://127.0.0.1:{self.http_port}"
        return httpx.Client(base_url=url, auth=(user, password), timeout=30, trust_env=False)


Start = Callable[..., Running]


def start(root: Path, *extra: str) -> Running:
    users = launch.write_users(root / "users.json", USERS)
    tcp_port, http_port = launch.free_ports(2)
    log = root / "server.log"
    child = launch.launch(
        root / "data", "127.0.0.1", tcp_port, http_port, users, log, "--drain-s", "5", *extra
    )
    try:
        launch.wait_ready(child, "127.0.0.1", tcp_port, http_port)
    except Exception:
        child.kill()
        raise AssertionError(log.read_text()) from None
    return Running(child, root / "data", tcp_port, http_port, log)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("clickhouse"))
    yield running
    assert launch.stop(running.child) == 0


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on the test's own directory; what still runs at the end is stopped."""
    started: list[Running] = []

    def start_one(*extra: str) -> Running:
        started.append(start(tmp_path, *extra))
        return started[-1]

    yield start_one
    for running in started:
        launch.stop(running.child)


@pytest.fixture
def table(server: Running) -> Iterator[str]:
    """A name for a table of this test; dropped afterwards."""
    name = f"t_{secrets.token_hex(4)}"
    yield name
    with server.client() as client:
        client.execute(f"DROP TABLE IF EXISTS {name} SYNC")
