"""The evidence of a flag, for the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clickhouse_driver import errors as driver_errors

from pipelines.core.ledger.entry import Entry
from pipelines.core.ledger.lifecycle import FlagFile
from pipelines.ledger.errors import LedgerAwayError
from pipelines.ledger.evidence import WIDER, events_of, evidence
from pipelines.ledger.read import entry_json, wall_ms
from pipelines.settings import Settings
from pipelines.warehouse.client import connect


def collect(settings: Settings, file: FlagFile, entries: Sequence[Entry]) -> dict[str, Any]:
    """Raises LedgerAwayError where ClickHouse does not answer."""
    try:
        with connect(settings) as client:
            events = events_of(client.execute, file.flag_id)
            above = client.execute(WIDER, {"f": file.flag_id})
    except (driver_errors.Error, OSError, EOFError) as error:
        raise LedgerAwayError(f"ClickHouse: {str(error).splitlines()[0]}") from None
    wider = str(above[0][0]) if above else None
    return evidence(file, events, [entry_json(entry) for entry in entries], wall_ms(), wider)
