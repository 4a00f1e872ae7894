"""Which erasures the warehouse has on record; asked when a partition is taken over."""

from __future__ import annotations

from pipelines.core.erasure import Erasure, Erasures
from pipelines.sinks.warehouse import Warehouse

QUERY = (
    "SELECT platform_id, session_id, toInt64(toUnixTimestamp(before)) * 1000, "
    "toUnixTimestamp64Milli(erased_at) FROM erasures"
)


async def erasures(warehouse: Warehouse) -> Erasures:
    """All of them. Waits for ClickHouse: without the list nothing may be folded."""
    rows = await warehouse.query(QUERY, {})
    return Erasures(Erasure(str(p), str(s), int(b), int(at)) for p, s, b, at in rows)
