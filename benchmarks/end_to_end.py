"""The whole way on this machine: simulator, Kafka, workers, ClickHouse, screen.

    python -m benchmarks.end_to_end [--quick]

Two loads over 50,000 sessions: one for throughput, one for latency. Per load it prints one JSON
object: rows a second from the first to the last row stored, how far the simulator was behind its
schedule (its own fault or Kafka's), latency from due to stored, memory and processor time.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.check import indicators, latency
from deploy.check.warehouse import Warehouse
from deploy.simulator import Simulator, SimulatorOptions
from deploy.stack.cli import fill_in
from deploy.stack.home import Home
from deploy.stack.running import RunningStack
from deploy.stack.settings import Ports, StackSettings
from schemas.telemetry import SampleType


@dataclass(frozen=True)
class Load:
    """A load: `speed` sets the rate, since the number of sessions is the city's."""

    name: str
    sessions: int
    speed: float
    wall_s: int

    def options(self) -> SimulatorOptions:
        minutes = max(1, round(self.wall_s * self.speed / 60))
        return SimulatorOptions(
            self.sessions, self.speed, sample_every="10s", duration=f"{minutes}m", seed=3
        )


LOADS = (Load("latency", 50_000, 3.5, 90), Load("throughput", 50_000, 9.0, 90))
QUICK = (Load("quick", 5_000, 10.0, 25),)


class Meter:
    """Peak memory and processor time of the stack's processes."""

    def __init__(self) -> None:
        self.rss: dict[str, int] = {}
        self.cpu_s: dict[str, float] = {}

    def look(self, pids: dict[str, int]) -> None:
        for name, pid in pids.items():
            try:
                process = psutil.Process(pid)
                self.rss[name] = max(self.rss.get(name, 0), process.memory_info().rss)
                times = process.cpu_times()
                self.cpu_s[name] = times.user + times.system
            except psutil.NoSuchProcess:
                continue


def run(load: Load, workers: int) -> dict[str, Any]:
    """One load on a fresh stack."""
    root = Path(tempfile.mkdtemp(prefix="livewatch-bench-"))
    settings = StackSettings(root, fill_in(Ports(*[0] * 8), workers), workers, unsigned="accept")
    stack = RunningStack(settings, lambda line: print(line, file=sys.stderr))
    meter = Meter()
    try:
        stack.await_ready(_wait)
        simulator = Simulator(
            load.options(), settings.bootstrap, root / "push", Home(root).logs / "simulator.log"
        )
        before = _cpu(stack)
        while simulator.exit_code() is None:
            _wait(0.5)
            meter.look(_pids(stack) | {"simulator": simulator.process.pid})
        simulator.check()
        simulator.ledger.read()
        warehouse = Warehouse.of(settings)
        drained = _drain(warehouse, simulator)
        meter.look(_pids(stack))
        return _report(load, simulator, warehouse, meter, before, drained)
    finally:
        stack.stop()
        shutil.rmtree(root, ignore_errors=True)


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _pids(stack: RunningStack) -> dict[str, int]:
    state = stack.state()
    return {n: p.id.pid for n, p in state.processes.items()} if state else {}


def _cpu(stack: RunningStack) -> dict[str, float]:
    meter = Meter()
    meter.look(_pids(stack))
    return meter.cpu_s


def _drain(warehouse: Warehouse, simulator: Simulator) -> float:
    """Seconds after the simulator's end until every row is stored and every minute closed."""
    began = time.monotonic()
    newest = simulator.ledger.newest_event_ms
    while time.monotonic() - began < 300:
        closed = indicators.closed_through(warehouse)
        if (
            closed
            and closed.timestamp() * 1000 + 60_000 > newest
            and _stored(warehouse) >= (simulator.ledger.total)
        ):
            break
        time.sleep(0.2)
    return time.monotonic() - began


def _stored(warehouse: Warehouse) -> int:
    counts = (f"SELECT count() AS n FROM raw_{s.value}" for s in SampleType)
    return int(warehouse.rows(f"SELECT sum(n) FROM ({' UNION ALL '.join(counts)})")[0][0])


def _report(
    load: Load,
    simulator: Simulator,
    warehouse: Warehouse,
    meter: Meter,
    before: dict[str, float],
    drained: float,
) -> dict[str, Any]:
    spans = " UNION ALL ".join(
        f"SELECT min(stored_at) AS a, max(stored_at) AS b FROM raw_{s.value}" for s in SampleType
    )
    seconds = warehouse.rows(
        f"SELECT toFloat64(toUnixTimestamp64Milli(max(b)) - toUnixTimestamp64Milli(min(a))) / 1000"
        f" FROM ({spans})"
    )[0][0]
    clock = simulator.clock()
    lag = latency.measure(clock, warehouse) if clock else None
    cpu = {n: round(s - before.get(n, 0.0), 1) for n, s in meter.cpu_s.items()}
    workers = {n: r for n, r in meter.rss.items() if n.startswith("w")}
    return {
        "load": load.name,
        "sessions": load.sessions,
        "rows": simulator.ledger.total,
        "rows_per_s": round(simulator.ledger.total / seconds),
        "simulator_behind_max_s": simulator.summary()["behind_max_s"],
        "drained_after_s": round(drained, 1),
        "latency_p50_ms": lag.p50_ms if lag else None,
        "latency_p99_ms": lag.p99_ms if lag else None,
        "worker_rss_max_mb": round(max(workers.values()) / 1e6),
        "rss_mb": {n: round(r / 1e6) for n, r in meter.rss.items()},
        "cpu_s": cpu,
        "rows_per_cpu_s": round(simulator.ledger.total / sum(cpu.values())),
    }


def main() -> None:
    loads = QUICK if "--quick" in sys.argv else LOADS
    for load in loads:
        print(json.dumps(run(load, workers=1)), flush=True)


if __name__ == "__main__":
    main()
