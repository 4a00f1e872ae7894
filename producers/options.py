"""What the commands do alike with their options."""

from __future__ import annotations

import json
import sys
from typing import Any

from producers.batcher import SealPolicy
from producers.errors import UsageError


def report(summary: dict[str, Any], as_json: bool) -> None:
    """The result on stdout: one JSON line, or a few words."""
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in summary["rows"].items()) or "nothing"
    done = "done" if summary["complete"] else "stopped"
    sys.stdout.write(f"{done} in {summary['wall_s']} s: {rows}; ledger {summary['ledger']}\n")


def seal_policy(speed: float | None, rows: int, linger_ms: int) -> SealPolicy:
    """Where event time flies, a second of silence is long: heartbeats come every second."""
    slow = speed is not None and speed <= 1
    try:
        return SealPolicy(rows, linger_ms, 2_000 if slow else 1_000)
    except ValueError as error:
        raise UsageError(f"--batch-rows: {error}") from None
