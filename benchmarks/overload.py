"""More than the machine can take: do complaints keep their own latency, and is it caught up?

    python -m benchmarks.overload [--quick]

Viewers and orders are sent faster than one worker can fold them. Every second one record brings a
session that was quiet over the threshold; measured is the time from Kafka having that record to
its flag being readable in ClickHouse. Then the burst ends, and the catch-up is timed. Prints one
JSON object.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.flood import City, Flood
from deploy.check.warehouse import Warehouse
from deploy.stack.cli import fill_in
from deploy.stack.running import RunningStack
from deploy.stack.settings import HOST, Ports, StackSettings
from pipelines.core.detect import DEFAULT_POLICY
from schemas.telemetry import SampleType

MS = 1000
BIN_MS = DEFAULT_POLICY.bin_ms


@dataclass(frozen=True)
class Load:
    """Rows a second while the burst lasts; `warm_s` of ordinary load come before."""

    sessions: int
    viewers: int
    orders: int
    warm_s: int
    burst_s: int
    ordinary: int = 2_000


FULL = Load(10_000, 240_000, 20_000, 30, 120)
QUICK = Load(4_000, 180_000, 15_000, 10, 25)


@dataclass
class Watch:
    """Seconds from a record in Kafka to its flag in ClickHouse; looked at every 0.1 s."""

    warehouse: Warehouse
    waiting: dict[str, float] = field(default_factory=dict)
    delays: list[tuple[float, float]] = field(default_factory=list)
    """(clock time of the record, seconds)"""
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until `stop`: a thread of its own."""
        while not self.stop.wait(0.1):
            if self.waiting:
                self.look()

    def look(self) -> None:
        """One query for all that is waited for."""
        some = dict(self.waiting)
        sql = "SELECT DISTINCT entity FROM flag_events WHERE entity IN %(ids)s"
        found = self.warehouse.rows(sql, {"ids": tuple(some)})
        for (session,) in found:
            self.delays.append((some[session], time.time() - some[session]))
            del self.waiting[session]


class Bench:
    """A stack with one worker, and what is sent to it."""

    def __init__(self, load: Load, root: Path) -> None:
        self.load = load
        ports = fill_in(Ports(*[0] * 8), 1)
        self.settings = StackSettings(root, ports, 1, screen=False, unsigned="accept")
        self.stack = RunningStack(self.settings, lambda line: print(line, file=sys.stderr))
        self.city = City(load.sessions, self.settings.partitions)
        self.rss: list[int] = []
        self.lag_s: list[float] = []
        self._spiked = 0
        self.catch_up_rate = 0.0

    def run(self) -> dict[str, Any]:
        """The whole story."""
        self.stack.await_ready(_wait)
        flood = Flood(self.settings.bootstrap, self.city)
        self.spikes = Flood(self.settings.bootstrap, self.city, "spikes")
        watch = Watch(Warehouse.of(self.settings))
        watcher = threading.Thread(target=watch.run, daemon=True)
        watcher.start()
        for _ in range(self.load.warm_s):
            self._second(flood, self.load.ordinary, self.load.ordinary, None)
        flood.flush()
        before, began = flood.rows, time.time()
        folded = self._metric("livewatch_rows_total")
        for _ in range(self.load.burst_s):
            self._second(flood, self.load.viewers, self.load.orders, watch)
        burst_s, offered = time.time() - began, flood.rows - before
        sustained = self._metric("livewatch_rows_total") - folded
        caught_up_s, behind = self._catch_up(flood, watch)
        time.sleep(1)
        watch.stop.set()
        watcher.join(10)
        flood.close()
        self.spikes.close()
        return self._report(watch, burst_s, offered, sustained, caught_up_s, behind)

    def _second(self, flood: Flood, viewers: int, orders: int, watch: Watch | None) -> None:
        """Send one second, and wait for it to be over where there is time left."""
        began = time.time()
        self.spikes.nothing(SampleType.COMPLAINTS, round(began * MS) - BIN_MS - 1)
        flood.second(round(began * MS), viewers, orders)
        if watch is not None:
            self._spike(watch)
        self._look()
        time.sleep(max(0.0, 1 - (time.time() - began)))

    def _spike(self, watch: Watch) -> None:
        """A record that crosses the threshold by itself.

        No single bin may do that, so it has complaints of this bin and of the one before; its
        source is one that is slow, and holds that bin open.
        """
        partition, at = self._spiked % self.city.partitions, self._spiked // self.city.partitions
        self._spiked += 1
        now = round(time.time() * MS)
        at = len(self.city.columns[partition]["session_id"]) - 1 - at
        session = self.city.ids(partition)[at]
        pick, when = np.array([at, at]), np.array([now // BIN_MS * BIN_MS - 1, now])
        sent = self.spikes.send(
            SampleType.COMPLAINTS, partition, pick, when, now - BIN_MS - 1, {"complaints": 40}
        )
        watch.waiting[session] = sent.get(30).timestamp / MS

    def _catch_up(self, flood: Flood, watch: Watch) -> tuple[float, float]:
        """(seconds until all is folded and stored, rows that were behind at the burst's end)."""
        flood.flush()
        folded = self._metric("livewatch_rows_total")
        behind, began = flood.rows - folded, time.time()
        while time.time() - began < 900:
            self._second(flood, self.load.ordinary, self.load.ordinary, watch)
            if self._metric("livewatch_lag_records") < 40 and not watch.waiting:
                break
        seconds = time.time() - began
        self.catch_up_rate = (self._metric("livewatch_rows_total") - folded) / seconds
        return seconds, behind

    def _look(self) -> None:
        self.rss.append(self._process().memory_info().rss)
        self.lag_s.append(
            self._metric("livewatch_lag_seconds", f'topic="{SampleType.VIEWERS.topic}"', top=True)
        )

    def _process(self) -> psutil.Process:
        state = self.stack.state()
        assert state is not None
        return psutil.Process(state.processes["w1"].id.pid)

    def _metric(self, name: str, label: str = "", *, top: bool = False) -> float:
        url = f"http://{HOST}:{self.settings.ports.worker_base}/metrics"
        lines = httpx.get(url, timeout=60, trust_env=False).text.splitlines()
        found = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.partition(" ")[0].partition("{")[0] == name and label in line
        ]
        return max(found, default=0.0) if top else sum(found)

    def _report(
        self,
        watch: Watch,
        burst_s: float,
        offered: float,
        sustained: float,
        caught_up_s: float,
        behind: float,
    ) -> dict[str, Any]:
        delays = np.array([seconds for _, seconds in watch.delays])
        return {
            "load": "overload",
            "offered_rows_per_s": round(offered / burst_s),
            "folded_rows_per_s": round(sustained / burst_s),
            "viewers_lag_max_s": round(max(self.lag_s), 1),
            "flags_waited_for": len(delays) + len(watch.waiting),
            "flags_missing": len(watch.waiting),
            "flag_p50_s": round(float(np.quantile(delays, 0.5)), 2) if len(delays) else None,
            "flag_p99_s": round(float(np.quantile(delays, 0.99)), 2) if len(delays) else None,
            "flag_max_s": round(float(delays.max()), 2) if len(delays) else None,
            "behind_rows": round(behind),
            "catch_up_s": round(caught_up_s, 1),
            "catch_up_rows_per_s": round(self.catch_up_rate),
            "worker_rss_max_mb": round(max(self.rss) / 1e6),
        }


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="livewatch-bench-"))
    bench = Bench(QUICK if "--quick" in sys.argv else FULL, root)
    try:
        print(json.dumps(bench.run()), flush=True)
    finally:
        bench.stack.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
