"""What a run tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`live` is the number of sessions on air, `in_flight` of batches not acknowledged."""

    event_ms: int
    rows: int
    live: int
    behind_s: float
    in_flight: int
