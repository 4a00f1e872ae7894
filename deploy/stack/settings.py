"""What the user chose: ports, counts, home."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.errors import UsageError

HOST = "127.0.0.1"
CHECKOUT = Path(__file__).resolve().parents[2]
MAX_WORKERS = 64
BROKER_STRIDE = 10


@dataclass(frozen=True)
class Ports:
    """Loopback ports of the stack. Worker number n serves HTTP on `worker_base` + n - 1."""

    kafka: int = 19092
    kafka_controller: int = 19093
    clickhouse: int = 19000
    clickhouse_http: int = 18123
    screen: int = 18080
    worker_base: int = 18101
    alerts: int = 18091
    api: int = 18090

    def named(self, workers: int, brokers: int = 1) -> dict[str, int]:
        """Each port under the command-line option that sets it.

        Broker number n has its ports `BROKER_STRIDE` above those of the one before; several
        brokers speak to each other on the port after the controller's.
        """
        fixed = {
            "--kafka-port": self.kafka,
            "--kafka-controller-port": self.kafka_controller,
            "--clickhouse-port": self.clickhouse,
            "--clickhouse-http-port": self.clickhouse_http,
            "--screen-port": self.screen,
            "--alerts-port": self.alerts,
            "--api-port": self.api,
        }
        numbered = {f"--worker-port + {n}": self.worker_base + n for n in range(workers)}
        return fixed | numbered | self._cluster(brokers)

    def _cluster(self, brokers: int) -> dict[str, int]:
        if brokers == 1:
            return {}
        found = {"--kafka-controller-port + 1": self.kafka_controller + 1}
        for above in range(BROKER_STRIDE, brokers * BROKER_STRIDE, BROKER_STRIDE):
            found[f"--kafka-port + {above}"] = self.kafka + above
            found[f"--kafka-controller-port + {above}"] = self.kafka_controller + above
            found[f"--kafka-controller-port + {above + 1}"] = self.kafka_controller + above + 1
        return found


@dataclass(frozen=True)
class Detours:
    """Ports by which others reach a server, where something stands in between; 0: directly.

    `kafka` is what the first broker advertises to clients (the others `BROKER_STRIDE` above each
    other), `clickhouse` where the workers look for ClickHouse.
    """

    kafka: int = 0
    clickhouse: int = 0


@dataclass(frozen=True)
class StackSettings:
    """One local stack. Raises UsageError when a number is out of range."""

    home: Path
    ports: Ports = field(default_factory=Ports)
    workers: int = 2
    partitions: int = 8
    screen: bool = True
    database: str = "livewatch"
    unsigned: str = "refuse"
    """Batches without a signature: `refuse`, or `accept` as a demo does."""
    brokers: int = 1
    detours: Detours = field(default_factory=Detours)
    alerts: bool = False
    """Tell flags to Alertmanager and webhooks."""
    alertmanager: str = ""
    """Where Alertmanager is; empty: webhooks alone."""
    api: bool = False
    rollups: bool = False
    """Bring hours and days up to date every few minutes."""

    def __post_init__(self) -> None:
        if self.brokers not in (1, 3):
            raise UsageError(f"--brokers must be 1 or 3, not {self.brokers}")
        if not 0 <= self.workers <= MAX_WORKERS:
            raise UsageError(f"--workers must be from 0 to {MAX_WORKERS}, not {self.workers}")
        if not 1 <= self.partitions <= 1024:
            raise UsageError(f"--partitions must be from 1 to 1024, not {self.partitions}")
        if self.unsigned not in ("refuse", "accept"):
            raise UsageError(f"--unsigned must be refuse or accept, not {self.unsigned!r}")
        for option, port in self.ports.named(self.workers, self.brokers).items():
            if not 1 <= port <= 65535:
                raise UsageError(f"{option}: {port} is not a port (1 to 65535)")

    @property
    def bootstrap(self) -> str:
        """Brokers as clients reach them."""
        first = self.detours.kafka or self.ports.kafka
        return ",".join(f"{HOST}:{first + n * BROKER_STRIDE}" for n in range(self.brokers))

    def broker_names(self) -> list[str]:
        return ["kafka", *(f"kafka{n}" for n in range(2, self.brokers + 1))]

    def worker_names(self) -> list[str]:
        return [f"w{n}" for n in range(1, self.workers + 1)]

    def with_ports(self, ports: Ports) -> StackSettings:
        return replace(self, ports=ports)


def default_home() -> Path:
    """LIVEWATCH_HOME, or `.livewatch` in the checkout."""
    chosen = os.environ.get("LIVEWATCH_HOME", "")
    return Path(chosen).expanduser().absolute() if chosen else CHECKOUT / ".livewatch"
