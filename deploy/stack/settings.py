"""What the user chose: ports, counts, home."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.errors import UsageError

HOST = "127.0.0.1"
CHECKOUT = Path(__file__).resolve().parents[2]
MAX_WORKERS = 64


@dataclass(frozen=True)
class Ports:
    """Loopback ports of the stack. Worker number n serves HTTP on `worker_base` + n - 1."""

    kafka: int = 19092
    kafka_controller: int = 19093
    clickhouse: int = 19000
    clickhouse_http: int = 18123
    screen: int = 18080
    worker_base: int = 18101

    def named(self, workers: int) -> dict[str, int]:
        """Each port under the command-line option that sets it."""
        fixed = {
            "--kafka-port": self.kafka,
            "--kafka-controller-port": self.kafka_controller,
            "--clickhouse-port": self.clickhouse,
            "--clickhouse-http-port": self.clickhouse_http,
            "--screen-port": self.screen,
        }
        numbered = {f"--worker-port + {n}": self.worker_base + n for n in range(workers)}
        return fixed | numbered


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

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= MAX_WORKERS:
            raise UsageError(f"--workers must be from 0 to {MAX_WORKERS}, not {self.workers}")
        if not 1 <= self.partitions <= 1024:
            raise UsageError(f"--partitions must be from 1 to 1024, not {self.partitions}")
        if self.unsigned not in ("refuse", "accept"):
            raise UsageError(f"--unsigned must be refuse or accept, not {self.unsigned!r}")
        for option, port in self.ports.named(self.workers).items():
            if not 1 <= port <= 65535:
                raise UsageError(f"{option}: {port} is not a port (1 to 65535)")

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.ports.kafka}"

    def worker_names(self) -> list[str]:
        return [f"w{n}" for n in range(1, self.workers + 1)]

    def with_ports(self, ports: Ports) -> StackSettings:
        return replace(self, ports=ports)


def default_home() -> Path:
    """LIVEWATCH_HOME, or `.livewatch` in the checkout."""
    chosen = os.environ.get("LIVEWATCH_HOME", "")
    return Path(chosen).expanduser().absolute() if chosen else CHECKOUT / ".livewatch"
