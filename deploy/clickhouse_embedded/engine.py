"""The engine: one data directory, one session (session.py) per client.

Calls into the library block, and release Python's lock while they do.
"""

import contextlib
import fcntl
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chdb.state import connect

from deploy.clickhouse_embedded.errors import (
    TOO_MANY_SIMULTANEOUS_QUERIES,
    ServerError,
    StartupError,
    from_engine,
)
from deploy.clickhouse_embedded.guard import Guard, refused_functions
from deploy.clickhouse_embedded.metrics import Metrics
from deploy.clickhouse_embedded.session import Session
from deploy.clickhouse_embedded.users import User


class Engine:
    """Owns the data directory; makes sessions; counts and kills queries."""

    def __init__(self, data: Path, max_queries: int = 100) -> None:
        self.data = data
        self.tmp = data / "livewatch_tmp"
        self.max_queries = max_queries
        self.metrics = Metrics()
        self._running = 0
        self._lock = threading.Lock()
        self._control_lock = threading.Lock()
        self._lock_file = _claim(data)
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.tmp.mkdir(parents=True)
        self._control = _connect(data)
        _use_plain_default_database(self._control, data)
        self.version = self._ask("SELECT version()")
        self.timezone = self._ask("SELECT timezone()")
        self.display_name = self._ask("SELECT displayName()")
        self.guard = Guard(
            refused_functions(
                set(self._ask("SELECT lower(name) FROM system.table_functions").split()),
                set(self._ask("SELECT lower(name) FROM system.table_engines").split()),
            )
        )

    def _ask(self, query: str) -> str:
        with self._control_lock:
            return str(self._control.query(query, "TSVRaw").bytes().decode()).rstrip("\n")

    def session(self, user: User, database: str = "") -> Session:
        """A new session of `user`; UNKNOWN_DATABASE (81) if the database does not exist."""
        return Session(self, user, database or user.database)

    @property
    def running(self) -> int:
        return self._running

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of `max_queries` places, or raise TOO_MANY_SIMULTANEOUS_QUERIES (202)."""
        with self._lock:
            if self._running >= self.max_queries:
                raise ServerError(
                    TOO_MANY_SIMULTANEOUS_QUERIES,
                    f"Too many simultaneous queries. Maximum: {self.max_queries}",
                )
            self._running += 1
            self.metrics.running.set(self._running)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self.metrics.running.set(self._running)

    def kill(self, token: str) -> None:
        """End what the session with this token is running, if anything."""
        with contextlib.suppress(Exception):
            self._ask(
                "KILL QUERY WHERE Settings['log_comment'] LIKE "
                f"'%{token}' AND query_kind != 'KillQuery' ASYNC"
            )

    def close(self) -> None:
        """Let the data directory go."""
        with self._control_lock:
            self._control.close()
        shutil.rmtree(self.tmp, ignore_errors=True)
        self._lock_file.close()


def _claim(data: Path) -> Any:
    """Lock the directory for this process; the lock ends with the process, however it ends."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        handle = (data / "livewatch.lock").open("a")
    except OSError as error:
        raise StartupError(f"data directory {data}: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartupError(f"data directory {data} is in use by another process") from None
    return handle


def _connect(data: Path) -> Any:
    try:
        return connect(str(data))
    except Exception as error:
        raise StartupError(f"data directory {data}: {from_engine(error).text}") from None


def _use_plain_default_database(control: Any, data: Path) -> None:
    """Make `default` an Atomic database, as in a server.

    The library's own lays the host's files over the tables: SELECT * FROM `/etc/passwd` would work.
    It comes back in every process, so it is detached and attached again from its own metadata.
    While it is empty the library has not taken note of its UUID, and attaching fails: then it is
    made anew.
    """
    metadata = data / "metadata"
    if (metadata / "default.sql").exists() and any((metadata / "default").glob("*.sql*")):
        control.query("DETACH DATABASE IF EXISTS default")
        control.query("ATTACH DATABASE default")
        return
    tables = control.query("SELECT count() FROM system.tables WHERE database = 'default'", "TSV")
    if int(tables.bytes()) and not (metadata / "default.sql").exists():
        raise StartupError(f"data directory {data} was made by another program: choose a new one")
    control.query("DROP DATABASE IF EXISTS default")
    control.query("CREATE DATABASE default ENGINE = Atomic")
