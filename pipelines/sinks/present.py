"""Which batches ClickHouse has already, when a partition is taken over (protocol, step 2).

Rows written twice are one row to every reader; asking first keeps them from being written twice
at all, so that tables do not swell with each restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.fold.rows import RAW_TABLES
from pipelines.sinks.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.agents.fold import Present
    from pipelines.agents.partition import Partition


async def present_batches(warehouse: Warehouse, number: int, partition: Partition) -> Present:
    """Batches from the acknowledged positions on: (rows, late rows) by batch."""
    found: Present = {}
    for sample, table in RAW_TABLES.items():
        topic = partition.topics[sample.topic]
        if topic.position.next >= topic.end_at_load:
            continue
        rows = await warehouse.query(
            f"SELECT platform_id, source, epoch, sequence, count(), sum(late) FROM {table} "  # noqa: S608
            "WHERE kafka_partition = %(p)s AND kafka_offset >= %(o)s "
            "AND broker_time >= fromUnixTimestamp64Milli(toInt64(%(b)s)) "
            "GROUP BY platform_id, source, epoch, sequence",
            {"p": number, "o": topic.acknowledged, "b": topic.acknowledged_broker_ms},
        )
        for platform, source, epoch, sequence, count, late in rows:
            key = (sample.topic, platform, source, epoch, sequence)
            found[key] = (int(count), int(late))
    return found
