"""The real Kafka and the real ClickHouse engine for tests, and no network for the rest.

Both are what `livewatch up` starts, on free ports and in a temporary home, once a session.
Everything under tests/integration is marked `integration` and everything under tests/browser
`browser`; all other tests run with sockets other than AF_UNIX forbidden.
"""

from __future__ import annotations

import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from clickhouse_driver import Client

from deploy.stack.clickhouse import Server, read_password
from deploy.stack.home import Home
from deploy.stack.kafka import Broker, Cluster
from deploy.stack.kafka import not_ready as kafka_not_ready
from deploy.stack.ports import free_run
from deploy.stack.process import Child, last_lines
from deploy.stack.settings import HOST
from schemas.telemetry import MAX_BYTES, TOPICS

_TESTS = Path(__file__).parent
_MARKED = {"integration": pytest.mark.integration, "browser": pytest.mark.browser}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder in _MARKED:
            item.add_marker(_MARKED[folder])


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(request.node.get_closest_marker(name) for name in _MARKED):
        return
    real = socket.socket

    class UnixOnly(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int = -1, *args: Any, **kwargs: Any) -> None:
            if family != socket.AF_UNIX and kwargs.get("fileno") is None:
                pytest.fail("a unit test touched the network: mark it or move it to integration")
            super().__init__(family, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", UnixOnly)


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """A command that a test runs in this process sets up logs for a stream that goes with it."""
    yield
    structlog.reset_defaults()


class RunningServer:
    """A child process on fixed ports that tests may kill and start again."""

    def __init__(
        self, command: Callable[[], list[str]], not_ready: Callable[[], str | None], log: Path
    ) -> None:
        self._command = command
        self._not_ready = not_ready
        self.log = log
        self._child = self._start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._child.kill()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._child.signal(signal.SIGTERM)
        code = self._child.wait(30)
        if code is None:
            self._child.kill()
        return -signal.SIGKILL if code is None else code

    def restart(self) -> None:
        """Start again on the same ports and data; returns when it answers."""
        if self._child.exit_code() is None:
            self._child.kill()
        self._child = self._start()

    def _start(self) -> Child:
        child = Child(self._command(), {}, self.log)
        deadline = time.monotonic() + 60
        while (reason := self._not_ready()) is not None:
            if child.exit_code() is not None or time.monotonic() > deadline:
                child.kill()
                raise AssertionError("\n".join([reason, *last_lines(self.log, 20)]))
            time.sleep(0.05)
        return child


class Kafka(RunningServer):
    """A real broker."""

    def __init__(self, directory: Path) -> None:
        port = free_run(2)
        broker = Broker(Cluster(directory, port, port + 1))
        self.bootstrap = broker.bootstrap
        log = directory / "kafka.log"
        super().__init__(broker.command, lambda: kafka_not_ready(broker.bootstrap), log)

    def admin(self) -> Any:
        """An admin client; close it."""
        from kafka import KafkaAdminClient  # heavy: unit tests do without it

        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def create_topics(
        self, partitions: int, *names: str, config: Mapping[str, str] | None = None
    ) -> None:
        """Create topics (the three of telemetry when none is named) with LogAppendTime."""
        from kafka.admin import NewTopic

        settings = {
            "message.timestamp.type": "LogAppendTime",
            # Said although it is the broker's business: a broker that was killed has been seen to
            # come back with the limit of an earlier topic of the same name.
            "max.message.bytes": str(MAX_BYTES + 100_000),
            **(config or {}),
        }
        topics = [NewTopic(n, partitions, 1, topic_configs=settings) for n in names or TOPICS]
        with closing(self.admin()) as admin:
            admin.create_topics(topics, wait_for_metadata=True)

    def delete_topics(self, *names: str) -> None:
        with closing(self.admin()) as admin:
            admin.delete_topics(list(names or TOPICS))


class ClickHouse(RunningServer):
    """A real engine behind native TCP and HTTP; users admin, ingest and viewer (read-only)."""

    host = HOST

    def __init__(self, directory: Path) -> None:
        self.tcp_port = free_run(2)
        self.http_port = self.tcp_port + 1
        home = Home(directory / "home")
        home.prepare()
        self.secrets = home.secrets
        server = Server(home, self.tcp_port, self.http_port)
        super().__init__(server.command, server.not_ready, directory / "clickhouse.log")

    def password(self, user: str) -> str:
        return read_password(self.secrets, user)

    def password_file(self, user: str) -> Path:
        return self.secrets / f"{user}.password"

    def client(self, database: str = "default", user: str = "ingest", **options: Any) -> Client:
        """A clickhouse-driver client; close it, or use it in `with`."""
        password = self.password(user)
        return Client(self.host, self.tcp_port, database, user=user, password=password, **options)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    yield server
    server.stop()


@pytest.fixture
def database(clickhouse: ClickHouse) -> Iterator[str]:
    """Name of a database of this test; dropped afterwards."""
    name = f"test_{secrets.token_hex(4)}"
    with clickhouse.client(user="admin") as client:
        client.execute(f"CREATE DATABASE {name}")
    yield name
    with clickhouse.client(user="admin") as client:
        client.execute(f"DROP DATABASE IF EXISTS {name} SYNC")
