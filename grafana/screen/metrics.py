"""What the screen measures about itself, declared in one place."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """One registry a screen, so that two in one process (tests) do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queries = Counter(
            "livewatch_screen_queries",
            "queries sent to ClickHouse, by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "livewatch_screen_query_seconds",
            "time from sending a query to its last row",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=self.registry,
        )
        self.up = Gauge(
            "livewatch_screen_clickhouse_up",
            "1 when the last query reached ClickHouse",
            registry=self.registry,
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)
