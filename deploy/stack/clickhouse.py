"""The embedded ClickHouse as a child process: its users, its command, whether it answers."""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.home import Home
from deploy.stack.settings import HOST

#: User name to whether it may only read.
USERS = {"admin": False, "ingest": False, "viewer": True}


@dataclass(frozen=True)
class Server:
    """One embedded server with its data, users and ports."""

    home: Home
    port: int
    http_port: int

    @property
    def data(self) -> Path:
        return self.home.data / "clickhouse"

    def command(self) -> list[str]:
        """Write the users' file at first use; the command to run."""
        self.data.mkdir(parents=True, exist_ok=True)
        users = ensure_users(self.home.secrets)
        options = {
            "--data": self.data,
            "--users-file": users,
            "--host": HOST,
            "--tcp-port": self.port,
            "--http-port": self.http_port,
            "--drain-s": 10,
        }
        flat = [str(part) for pair in options.items() for part in pair]
        return [sys.executable, "-m", "deploy.clickhouse_embedded", *flat]

    def not_ready(self) -> str | None:
        """None when both wires answer: a query over the native protocol, a ping over HTTP."""
        return tcp_not_ready(self.port, self.home.secrets) or ping_not_ready(self.http_port)


def ensure_users(directory: Path) -> Path:
    """Random passwords, one file each, and the server's users' file; made once, mode 0600."""
    from deploy.clickhouse_embedded.users import hash_password  # loads pydantic models

    users_file = directory / "clickhouse-users.json"
    if users_file.exists():
        return users_file
    entries = {}
    for name, readonly in USERS.items():
        password = secrets.token_urlsafe(24)
        _write_private(directory / f"{name}.password", password)
        entries[name] = {"password_scrypt": hash_password(password), "readonly": readonly}
    _write_private(users_file, json.dumps(entries, indent=1))  # last: it says that all are there
    return users_file


def read_password(directory: Path, user: str) -> str:
    """The password that `ensure_users` made."""
    return (directory / f"{user}.password").read_text().strip()


def tcp_not_ready(port: int, directory: Path, user: str = "viewer") -> str | None:
    """None when a query is answered over the native protocol, else why not."""
    from clickhouse_driver import Client  # not needed by most commands
    from clickhouse_driver.errors import Error

    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
    try:
        client = Client(
            HOST,
            port=port,
            user=user,
            password=read_password(directory, user),
            connect_timeout=1,
            send_receive_timeout=5,
        )
        with client:
            client.execute("SELECT 1")
    except (Error, OSError, EOFError) as error:
        return f"no answer on port {port} ({type(error).__name__})"
    return None


def ping_not_ready(port: int) -> str | None:
    """None when HTTP /ping answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/ping", timeout=2):
            return None
    except OSError as error:
        return f"no answer on port {port} ({type(error).__name__})"


def _write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read."""
    partial = path.with_suffix(".tmp")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    partial.replace(path)
