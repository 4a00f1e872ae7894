"""How every receiver stands, as gauges."""

from __future__ import annotations

from collections.abc import Collection

from pipelines.alerts import metrics
from pipelines.alerts.outbox import Outbox


def measure(outbox: Outbox, names: Collection[str], now_s: float) -> None:
    """Of `names`, the receivers of the file. What is owed to one that has left it stays owed and
    calls nobody: `livewatch alerts status` shows it."""
    for gauge in (metrics.WAITING, metrics.DEAD, metrics.OLDEST):
        gauge.clear()
    for one in outbox.owed(names):
        if one.receiver not in names:
            continue
        age = 0.0 if one.oldest_ms is None else max(0.0, now_s - one.oldest_ms / 1000)
        metrics.WAITING.labels(one.receiver).set(one.waiting)
        metrics.DEAD.labels(one.receiver).set(one.dead)
        metrics.OLDEST.labels(one.receiver).set(age)
