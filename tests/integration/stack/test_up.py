"""`livewatch up` with the real parts: every way in which it may end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_driver import Client

from deploy.check.orphans import Census
from deploy.errors import StackError
from deploy.stack.clickhouse import read_password
from deploy.stack.home import Home
from deploy.stack.ports import free_ports
from deploy.stack.running import RunningStack
from deploy.stack.settings import HOST, StackSettings
from deploy.stack.status import Status, look

pytestmark = pytest.mark.timeout(300)
_CLOCK = threading.Event()


def _livewatch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def _until(what: Callable[[], bool], seconds: float = 90) -> None:
    for _ in range(int(seconds / 0.2)):
        if what():
            return
        _CLOCK.wait(0.2)
    pytest.fail("it did not happen in time")


class Stack:
    """A stack in a home of its own, started when asked."""

    def __init__(self, root: Path, workers: int) -> None:
        self.settings = StackSettings(root / "home", free_ports(workers), workers, 2, screen=False)
        self.home = self.settings.home
        self.lines: list[str] = []
        self.census = Census()
        self.running: RunningStack | None = None

    def start(self, *, fresh: bool = False) -> RunningStack:
        self.running = RunningStack(self.settings, self.lines.append, fresh=fresh)
        assert self.running.await_ready(_CLOCK.wait)
        self.count()
        return self.running

    def count(self) -> None:
        assert self.running
        self.census.count(self.running.state())

    def status(self) -> Status:
        return look(self.home)

    def client(self) -> Client:
        password = read_password(Home(self.home).secrets, "ingest")
        port = self.settings.ports.clickhouse
        return Client(HOST, port, "livewatch", "ingest", password, connect_timeout=5)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack"), workers=1)
    made.start()
    yield made
    if made.running:
        made.running.stop()


def test_everything_is_ready_and_says_so(stack: Stack) -> None:
    status = stack.status()
    assert status.all_ready, status
    assert [row.name for row in status.processes] == ["kafka", "clickhouse", "w1"]
    told = _livewatch("status", "--json", "--home", str(stack.home))
    assert told.returncode == 0
    assert '"all_ready": true' in told.stdout


def test_a_second_supervisor_is_refused_in_one_line(stack: Stack) -> None:
    told = _livewatch("up", "--home", str(stack.home))
    assert told.returncode == 1
    assert told.stderr.startswith("livewatch: a stack is already running in ")
    assert told.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--kafka-port", str(port), "--clickhouse-port", "0", "--screen-port", "0"]
        told = _livewatch("up", "--home", str(tmp_path / "home"), *options)
    assert told.returncode == 1
    assert told.stderr.startswith(f"livewatch: port {port} is in use")
    assert told.stderr.endswith("choose another with --kafka-port\n")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["w1", "clickhouse", "kafka"])
def test_each_process_comes_back_after_a_kill(stack: Stack, name: str) -> None:
    assert stack.running
    before = {row.name: row for row in stack.status().processes}[name]
    stack.running.kill_process(name)

    def back() -> bool:
        row = {row.name: row for row in stack.status().processes}[name]
        return row.restarts == before.restarts + 1 and row.ready and row.pid != before.pid

    _until(back)
    _until(lambda: stack.status().all_ready)
    stack.count()


def test_state_is_kept_between_runs_and_the_stop_is_clean(stack: Stack) -> None:
    assert stack.running
    with stack.client() as client:
        client.execute("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.execute("INSERT INTO kept VALUES", [[1], [2]])
    stack.count()
    assert stack.running.stop() == 0
    stopped = [line.split(" stopped")[0] for line in stack.lines if " stopped in " in line]
    assert stopped == ["w1", "clickhouse", "kafka"]
    assert stack.census.orphans() == []
    assert _livewatch("status", "--home", str(stack.home)).returncode == 1
    stack.start()
    with stack.client() as client:
        assert client.execute("SELECT sum(n) FROM kept") == [(3,)]


def _has_ended(running: RunningStack | None) -> bool:
    """A killed supervisor's end is noticed a moment after its children's."""
    assert running
    try:
        running.poll()
    except StackError:
        return True
    return False


def test_nothing_outlives_a_killed_supervisor_and_fresh_starts_anew(stack: Stack) -> None:
    assert stack.running
    stack.count()
    os.kill(stack.running.process.pid, signal.SIGKILL)
    _until(lambda: stack.census.orphans() == [], seconds=5)
    _until(lambda: _has_ended(stack.running), seconds=5)
    stack.start(fresh=True)
    with stack.client() as client:
        assert client.execute("EXISTS TABLE kept") == [(0,)]
    assert stack.running.stop() == 0
    assert stack.census.orphans() == []
