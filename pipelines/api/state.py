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
        """Rows of a query. Raises WarehouseAwayError."""
        return await asyncio.to_thread(self._query, sql, params)

    def _query(self, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with connect(self.settings) as client:
                return list(client.execute(sql, params))
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
