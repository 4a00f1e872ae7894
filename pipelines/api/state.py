"""What the routers share; made once, at the start of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from clickhouse_driver import errors as driver_errors
from fastapi import Depends, Request

from pipelines.accounts.proof import Proofs
from pipelines.api.audit import Access, Audit
from pipelines.api.limits import Limits
from pipelines.core.ledger.requests import Rules
from pipelines.ledger.log import LedgerLog
from pipelines.settings import Settings
from pipelines.warehouse.client import connect

PATIENCE_S = 10
"""How long ClickHouse may take for an answer."""


class WarehouseAwayError(Exception):
    """ClickHouse does not answer; what it would have said is unknown."""


@dataclass
class Api:
    """The parts. `proxy_secret` is empty where no proxy is trusted."""

    settings: Settings
    ledger: LedgerLog
    proofs: Proofs
    audit: Audit
    rules: Rules
    requests: Limits
    failures: Limits
    now_ms: Callable[[], int]
    proxy_secret: str = ""
    not_ready: list[str] = field(default_factory=list)

    async def query(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a query. Raises WarehouseAwayError, and TimeoutError after some seconds."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.to_thread(self._query, sql, params)

    def _query(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        limits = {"max_execution_time": PATIENCE_S}
        try:
            # A thread that waits longer than its client would keep others from theirs.
            with connect(self.settings, patience_s=PATIENCE_S + 1) as client:
                return list(client.execute(sql, params, settings=limits))
        except driver_errors.ServerException as error:
            if error.code == driver_errors.ErrorCodes.TIMEOUT_EXCEEDED:
                raise TimeoutError from None
            raise WarehouseAwayError from None
        except (driver_errors.Error, OSError, EOFError):
            raise WarehouseAwayError from None


def of(request: Request) -> Api:
    """The parts, for a route."""
    found: Api = request.app.state.api
    return found


def access_of(request: Request) -> Access:
    """The record of this access, for a route that says how much it shows, and of which flag."""
    found: Access = request.state.access
    return found


Parts = Annotated[Api, Depends(of)]
Recorded = Annotated[Access, Depends(access_of)]
