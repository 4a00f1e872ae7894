"""From the moment a row was due to the moment the engine stored it."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.check.warehouse import Warehouse
from producers.clock import EventClock
from schemas.telemetry import SampleType


@dataclass(frozen=True)
class Latency:
    """Over all rows, ms; whatever the simulator itself was late is in it."""

    p50_ms: float
    p99_ms: float


def measure(clock: EventClock, warehouse: Warehouse) -> Latency | None:
    """Quantiles of stored_at minus due time; None for a run without pacing or without rows.

    A row of event time t was due at start_wall + (t - start_event) / speed.
    """
    if clock.speed is None:
        return None
    due = (
        f"{clock.start_wall_ms} + (toUnixTimestamp64Milli(event_time) - {clock.start_event_ms})"
        f" / {clock.speed}"
    )
    parts = " UNION ALL ".join(
        f"SELECT toUnixTimestamp64Milli(stored_at) - ({due}) AS ms FROM v_{sample.value}"  # noqa: S608
        for sample in SampleType
    )
    told = warehouse.rows(f"SELECT count(), quantilesTDigest(0.5, 0.99)(ms) FROM ({parts})")  # noqa: S608
    count, (p50, p99) = told[0]
    return Latency(round(float(p50), 1), round(float(p99), 1)) if count else None
