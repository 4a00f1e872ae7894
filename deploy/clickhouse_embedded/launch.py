"""Starting the server as a child process, for the local stack's supervisor and for tests.

    users = write_users(path, {"dev": {"password": "secret"}})
    ports = free_ports(2)
    child = launch(data, "127.0.0.1", *ports, users, log)
    wait_ready(child, "127.0.0.1", *ports)      # by protocol; raises StartupError if it ends first
    ...
    stop(child)                                 # orderly; its exit code

That is the whole of the interface. The child dies with the process that launched it (Linux).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.clickhouse_embedded.errors import StartupError

_POLL_S = 0.05
# Hello from "launch" 0.0, revision 54440, no database, user "-", no password
_GREETING = b"\x00\x06launch\x00\x00\xa8\xa9\x03\x00\x01-\x00"
_EXCEPTION = b"\x02"
_REPOSITORY = Path(__file__).resolve().parents[2]


def write_users(path: Path, users: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a users file (see users.py) that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(users, file, indent=2)
    return path


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def launch(
    data: Path,
    host: str,
    tcp_port: int,
    http_port: int,
    users_file: Path,
    log: Path,
    *extra: str,
) -> "subprocess.Popen[bytes]":
    """Start the server; its output is appended to `log`. `extra` is added to the command line."""
    command = [
        sys.executable, "-m", "deploy.clickhouse_embedded", "--data", str(data), "--host", host,
        "--tcp-port", str(tcp_port), "--http-port", str(http_port),
        "--users-file", str(users_file), "--die-with-parent", *extra,
    ]  # fmt: skip
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )


def wait_ready(
    child: "subprocess.Popen[bytes]",
    host: str,
    tcp_port: int,
    http_port: int,
    timeout_s: float = 30.0,
) -> None:
    """Return when both interfaces answer; `StartupError` if the child ends or time runs out."""
    deadline = time.monotonic() + timeout_s
    while not (_http_answers(host, http_port) and _tcp_answers(host, tcp_port)):
        if (code := child.poll()) is not None:
            raise StartupError(f"the ClickHouse server ended with code {code}: see its log")
        if time.monotonic() > deadline:
            raise StartupError(f"the ClickHouse server was not ready within {timeout_s:g} s")
        time.sleep(_POLL_S)


def _http_answers(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/ping", timeout=2) as reply:
            return bool(reply.read() == b"Ok.\n")
    except (OSError, urllib.error.URLError):
        return False


def _tcp_answers(host: str, port: int) -> bool:
    """Greet as a user that does not exist: a refusal in the protocol's terms is an answer."""
    try:
        with socket.create_connection((host, port), timeout=2) as sock:
            sock.sendall(_GREETING)
            return sock.recv(1) == _EXCEPTION
    except OSError:
        return False


def stop(child: "subprocess.Popen[bytes]", timeout_s: float = 40.0) -> int:
    """Ask for an orderly stop and wait; kill what does not end in time. The exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
