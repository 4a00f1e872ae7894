"""Corrections: what a platform withdraws, and what then stands in its place (ADR 0018).

The pipeline only notes them. Rows of a correction are never on time, so no provisional figure
has them; the settled views leave out what a correction names and stands before it in the log.
"""

from __future__ import annotations

import numpy as np

from pipelines.core.columns import TableColumns
from schemas.batch import Batch
from schemas.errors import ContractError
from schemas.identity import BatchHeader, parse_supersedes
from schemas.sharding import shard_of

TABLE = "corrections"


def refuse_half(batch: Batch, partition: int, partitions: int) -> None:
    """Raise ContractError for a correction of which only a part could be taken.

    It would withdraw more than it brings, and nobody would see that a part is missing.
    """
    if not batch.header.supersedes:
        return
    rule = "must not stand on a batch with a refused row"
    if batch.refused:
        raise ContractError("ce_supersedes", f"{rule} ({batch.refused[0]})")
    ids = [i.encode() for i in batch.table.column("session_id").to_pylist()]
    if ids and (shard_of(ids, partitions) != partition).any():
        raise ContractError("ce_supersedes", f"{rule} (session_id: hashes to another partition)")


def correction_row(
    header: BatchHeader, key_id: str, offset: int, broker_ms: int, version: int
) -> TableColumns:
    """The row of a correction read at `offset`; `key_id` is whose signature it carries."""
    ident, target = header.identity, parse_supersedes(header.supersedes)
    texts = {
        "topic": ident.topic,
        "platform_id": ident.platform_id,
        "source": ident.source,
        "key_id": key_id,
        "reason": header.reason,
        "kind": "session" if target.session_id else "batch",
        "target_session": target.session_id,
    }
    numbers = {
        "kafka_partition": ident.partition,
        "epoch": ident.epoch,
        "sequence": ident.sequence,
        "kafka_offset": offset,
        "broker_time": broker_ms,
        "sent_time": header.sent_ms,
        "target_epoch": target.epoch,
        "target_sequence": target.sequence,
        "target_from": target.from_ms,
        "target_to": target.to_ms,
        "rows_brought": header.rows,
        "version": version,
    }
    out: TableColumns = {name: [text] for name, text in texts.items()}
    return out | {name: np.array([number], np.int64) for name, number in numbers.items()}
