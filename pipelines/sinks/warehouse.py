"""Writing to ClickHouse from the event loop: in a thread, until it is acknowledged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import structlog
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors
from prometheus_client import Counter, Histogram
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from pipelines.core.columns import TableColumns
from pipelines.settings import Settings
from pipelines.warehouse.client import connect, insert

log = structlog.get_logger()
T = TypeVar("T")
_AWAY = (driver_errors.Error, OSError, EOFError)


class StoreMetrics(Protocol):
    """What writing is measured by."""

    @property
    def store_seconds(self) -> Histogram: ...
    @property
    def stored(self) -> Counter: ...
    @property
    def store_errors(self) -> Counter: ...


class Warehouse:
    """Inserts and queries on a small pool of threads, each with its own connection.

    A write is repeated until ClickHouse acknowledges it: while it is away the pipeline waits,
    and reading stops when too much is pending. Writing the same rows twice is harmless.
    """

    def __init__(self, settings: Settings, instruments: StoreMetrics, threads: int = 2) -> None:
        self._settings = settings
        self._instruments = instruments
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="warehouse")
        self._local = threading.local()
        self.failing = False
        """Whether the last answer of ClickHouse was a refusal, or none came."""

    async def store(self, table: str, columns: TableColumns) -> int:
        """Insert one block; returns its rows once they are acknowledged."""
        with self._instruments.store_seconds.labels(table).time():
            rows = await self._until_done(lambda client: insert(client, table, columns))
        self._instruments.stored.labels(table).inc(rows)
        return rows

    async def query(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a query with bound parameters."""
        return await self._until_done(lambda client: list(client.execute(sql, params)))

    def close(self) -> None:
        """Stop the threads; a write at hand is finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _until_done(self, work: Callable[[Client], T]) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_AWAY),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            before_sleep=self._on_failure,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                done = await asyncio.get_running_loop().run_in_executor(
                    self._pool, self._with_client, work
                )
                self.failing = False
                return done
        raise AssertionError("retrying never ends without a result")

    def _with_client(self, work: Callable[[Client], T]) -> T:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = connect(self._settings)
        try:
            return work(client)
        except BaseException:
            client.disconnect()
            self._local.client = None
            raise

    def _on_failure(self, state: Any) -> None:
        self._instruments.store_errors.inc()
        self.failing = True
        error = state.outcome.exception()
        # The driver's messages may quote the query, never the rows.
        log.warning(
            "clickhouse write failed, trying again",
            error=type(error).__name__,
            code=getattr(error, "code", None),
            attempt=state.attempt_number,
            detail=str(error).splitlines()[0][:200] if str(error) else "",
        )
