"""One whole row of each sample type, as JSON carries it. Every document shows these."""

from __future__ import annotations

from typing import Any

from schemas.telemetry import SampleType, columns

NOW_MS = 1_790_000_000_000
_SESSION: dict[str, Any] = {
    "event_time": NOW_MS - 1_000,
    "session_id": "8f14e45fceea167a5a36dedd4bea2543",
    "room_pid": "c9f0f895fb98ab9159f51fd0297e236d",
    "streamer_pid": "45c48cce2e2d7fbdea1afc51c7c6ad26",
    "mcn_pid": None,
    "merchant_pid": "d3d9446802a44259755d38e6d163e820",
    "base_id": "base-310115-003",
    "district": "310115",
    "category": "food",
    "scenario": "night_food",
    "venue_id": "lujiazui",
    "origin_region": "530000",
    "brand_type": "time_honoured",
    "streamer_certified": True,
    "streamer_tier": "mid",
}
_MEASURES: dict[SampleType, dict[str, Any]] = {
    SampleType.VIEWERS: {
        "viewers": 1203, "unique_viewers": 5400, "clicks": 77, "interactions": 310,
    },
    SampleType.ORDERS: {
        "orders": 12, "paid_fen": 118_800, "refunds": 1, "refunded_fen": 9_900,
        "cohort_days": 3, "due_48h": 9, "shipped_48h": 8, "vouchers_redeemed": None,
    },
    SampleType.COMPLAINTS: {
        "code": "C0301", "channel": "platform", "complaints": 2,
        "responded": 1, "response_minutes": 95, "resolved": 1, "closed": 1,
    },
    SampleType.REVIEWS: {
        "mode": "machine", "outcome": "passed", "reviews": 6, "latency_ms": 240,
    },
}  # fmt: skip


def example(sample: SampleType) -> dict[str, Any]:
    """A row with every column, as of NOW_MS."""
    return _SESSION | _MEASURES[sample]


def shortest(sample: SampleType) -> dict[str, Any]:
    """The same with the required columns alone."""
    row = example(sample)
    return {c.name: row[c.name] for c in columns(sample) if not c.nullable}
