"""What Prometheus reads at `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """One registry to a server, so that two servers in a process do not collide."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.statements = Counter(
            "clickhouse_embedded_statements",
            "Statements ended, by interface and ClickHouse error code (0: none)",
            ["interface", "code"],
            registry=self._registry,
        )
        self.running = Gauge(
            "clickhouse_embedded_running", "Statements running now", registry=self._registry
        )
        self.rows_inserted = Counter(
            "clickhouse_embedded_rows_inserted",
            "Rows written by inserts of data, those of materialized views included",
            registry=self._registry,
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)
