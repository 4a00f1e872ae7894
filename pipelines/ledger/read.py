"""Reading: the file of a flag with its figures, and its entries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_driver import Client

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Entry
from pipelines.core.ledger.lifecycle import Act, FlagFile, Level
from pipelines.ledger.log import LedgerLog
from pipelines.settings import Settings
from pipelines.topics import LEDGER_TOPIC

FIGURES = (
    "grade", "state", "category", "observed", "expected", "exposure", "window_s", "score",
    "threshold", "muted_by", "sentence_zh", "sentence_en",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """Which files; what is empty says nothing."""

    state: str = ""
    rule: str = ""
    platform_id: str = ""
    level: str = ""
    district: str = ""

    def takes(self, file: FlagFile) -> bool:
        return (
            self.state in ("", file.state)
            and self.rule in ("", file.rule)
            and self.platform_id in ("", file.platform_id)
            and self.district in ("", file.district)
            and (not self.level or file.level >= Level.of(self.level))
        )


def newest_first(
    files: Iterable[FlagFile], chosen: Filter, before: int | None
) -> Iterator[FlagFile]:
    """Files that the filter takes, opened before entry number `before`."""
    for file in files:
        if (before is None or file.first_seq < before) and chosen.takes(file):
            yield file


def figures(client: Client, flag_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The detectors' figures by flag, as v_flags has them."""
    if not flag_ids:
        return {}
    sql = f"SELECT flag_id, {', '.join(FIGURES)} FROM v_flags WHERE flag_id IN %(ids)s"  # noqa: S608
    rows = client.execute(sql, {"ids": list(flag_ids)})
    return {row[0]: dict(zip(FIGURES, row[1:], strict=True)) for row in rows}


def as_json(file: FlagFile) -> dict[str, Any]:
    """A file for programs: times in ISO 8601, UTC; null is unknown or not so far."""
    return {
        "flag_id": file.flag_id,
        "rule": file.rule,
        "grade": file.grade,
        "entity_type": file.entity_type,
        "entity": file.entity,
        "platform_id": file.platform_id,
        "category": file.category,
        "district": file.district,
        "parent_id": file.parent_id,
        "onset": iso(file.onset),
        "opened_at": iso(file.opened_at),
        "over_at": iso(file.over_at),
        "state": file.state.value,
        "level": file.level.word,
        "told": list(file.told),
        "shadow": file.shadow,
        "held": file.held,
        "noticed_at": iso(file.noticed_at),
        "acked": _act(file.acked),
        "appealed": _act(file.appealed),
        "decided": _act(file.decided),
        "decision": file.decision,
        "cleared": _act(file.cleared),
        "counted": file.counted,
        "number": file.first_seq,
    }


def wall_ms() -> int:
    """The clock of the ledger, ms since the epoch."""
    return time.time_ns() // 1_000_000


def iso(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _act(act: Act | None) -> dict[str, Any] | None:
    if act is None:
        return None
    return {"account": act.account, "role": act.role, "at": iso(act.at), "why": act.why}


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry for programs; `at` in ISO 8601."""
    return entry.to_json() | {"at": iso(entry.at)}


def snapshot(settings: Settings, on_entry: Callable[[Entry], None] | None = None) -> Book:
    """The book as it is now, for a command that reads once. Raises LedgerAwayError, and
    BrokenChainError for a chain that does not hold."""

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def read() -> Book:
        log = LedgerLog(settings.bootstrap, LEDGER_TOPIC, settings.ledger_id, wall_ms, on_entry)
        try:
            await log.start(patience_s=2.0)
        finally:
            await log.stop()
        if log.broken is not None:
            raise log.broken
        return log.book

    return asyncio.run(read())
