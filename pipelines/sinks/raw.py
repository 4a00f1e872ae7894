"""Raw rows on their way to ClickHouse: gathered from all partitions, one block a table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.core.columns import TableColumns, concat
from pipelines.sinks.warehouse import Warehouse


@dataclass(slots=True)
class _Table:
    parts: list[TableColumns] = field(default_factory=list)
    marks: list[Callable[[], None]] = field(default_factory=list)
    rows: int = 0


class RawRows:
    """Rows folded and not yet stored. `mark` is called when ClickHouse has the rows."""

    def __init__(self, warehouse: Warehouse, max_block: int = 200_000) -> None:
        self._warehouse = warehouse
        self._max_block = max_block
        self._tables: dict[str, _Table] = {}
        self._one_at_a_time = asyncio.Lock()
        self.pending_rows = 0

    def add(self, table: str, columns: TableColumns, mark: Callable[[], None]) -> None:
        """Rows of one record; all parts of a table have the same columns."""
        into = self._tables.setdefault(table, _Table())
        into.parts.append(columns)
        into.marks.append(mark)
        rows = len(next(iter(columns.values())))
        into.rows += rows
        self.pending_rows += rows

    async def flush(self) -> None:
        """Store what is gathered now; returns when it, and all before it, is acknowledged."""
        async with self._one_at_a_time:
            tables, self._tables = self._tables, {}
            for name, table in tables.items():
                await self._store(name, table)

    async def _store(self, name: str, table: _Table) -> None:
        at = 0
        while at < len(table.parts):
            end, rows = at, 0
            while end < len(table.parts) and (end == at or rows < self._max_block):
                rows += len(next(iter(table.parts[end].values())))
                end += 1
            parts = table.parts[at:end]
            block = {key: concat([p[key] for p in parts]) for key in parts[0]}
            await self._warehouse.store(name, block)
            self.pending_rows -= rows
            for mark in table.marks[at:end]:
                mark()
            at = end
