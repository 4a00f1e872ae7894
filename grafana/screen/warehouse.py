"""Bounded, read-only queries to ClickHouse from a few threads, one connection each."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from clickhouse_driver import Client, errors

from grafana.screen import frames
from grafana.screen.errors import (
    AwayError,
    ScreenError,
    no_access,
    not_ready,
    refused,
    too_many_rows,
    too_slow,
)
from grafana.screen.metrics import Metrics
from grafana.screen.settings import ScreenSettings

# After a failed connection, refuse for this long without trying: a page asks for twenty
# panels at once, and each would wait for its own timeout.
_PAUSE_S: Final = 1.0
_CONNECT_S: Final = 2
_TOO_SLOW: Final = frozenset({159, 160})  # TIMEOUT_EXCEEDED, TOO_SLOW
_TOO_MANY: Final = 396  # TOO_MANY_ROWS_OR_BYTES
_NOT_READY: Final = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_NO_ACCESS: Final = frozenset({192, 193, 194, 497, 516})  # unknown user, password, rights
_SHUTTING_DOWN: Final = frozenset({210, 236})  # NETWORK_ERROR, ABORTED


class Warehouse:
    """Runs SQL; raises AwayError or QueryError, never a driver's error."""

    def __init__(self, settings: ScreenSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._password = settings.password()
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="clickhouse")
        self._closed_until = 0.0

    async def query(self, sql: str) -> frames.Frame:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, sql)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, sql: str) -> frames.Frame:
        if time.monotonic() < self._closed_until:
            raise AwayError
        started = time.monotonic()
        client = self._client()
        client.last_query = None  # the driver sets it once it has a connection to ask on
        try:
            columns, types = client.execute(sql, columnar=True, with_column_types=True)
        except (errors.Error, OSError, EOFError) as problem:
            error = self._translated(problem, asked=client.last_query is not None)
            self._drop()
            self._count(error.code, up=not isinstance(error, AwayError))
            raise error from problem
        self._metrics.seconds.observe(time.monotonic() - started)
        self._count("ok", up=True)
        return frames.frame(types, columns)

    def _translated(self, problem: Exception, *, asked: bool) -> ScreenError:
        limit = self._settings
        # The driver's network errors are server errors too, but carry codes of their own.
        if isinstance(problem, errors.ServerException) and problem.code not in _SHUTTING_DOWN:
            if problem.code in _TOO_SLOW:
                return too_slow(limit.max_execution_time)
            if problem.code == _TOO_MANY:
                return too_many_rows(limit.max_result_rows)
            if problem.code in _NOT_READY:
                return not_ready()
            if problem.code in _NO_ACCESS:
                return no_access(problem.code)
            return refused(problem.code)
        if isinstance(problem, errors.SocketTimeoutError | TimeoutError) and asked:
            # It took the question: it has other work, and is not away for the other panels.
            return too_slow(limit.max_execution_time)
        self._closed_until = time.monotonic() + _PAUSE_S
        return AwayError()

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connected()
        return client

    def _connected(self) -> Any:
        s = self._settings
        return Client(
            host=s.host,
            port=s.port,
            user=s.user,
            password=self._password,
            database=s.database,
            client_name="livewatch-screen",
            connect_timeout=_CONNECT_S,
            # The server stops at max_execution_time; the socket only guards a server that hangs.
            send_receive_timeout=s.max_execution_time + 3,
            sync_request_timeout=_CONNECT_S,
            settings={
                "max_threads": s.max_threads,
                "max_execution_time": s.max_execution_time,
                "max_result_rows": s.max_result_rows,
                "result_overflow_mode": "throw",
            },
        )

    def _drop(self) -> None:
        client = getattr(self._local, "client", None)
        if client is not None:
            self._local.client = None
            client.disconnect()

    def _count(self, outcome: str, *, up: bool) -> None:
        self._metrics.queries.labels(outcome).inc()
        self._metrics.up.set(1 if up else 0)
