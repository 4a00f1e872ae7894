"""How long a worker takes from its start to having all state: 50,000 sessions on one worker.

    python -m benchmarks.recovery [--quick]

Sends minutes of telemetry, waits until they are closed and checkpointed, kills the worker and times
its successor, first with its own copy of the state and then without. Prints one JSON object.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.flood import City, Flood
from deploy.stack.cli import fill_in
from deploy.stack.home import Home
from deploy.stack.running import RunningStack
from deploy.stack.settings import HOST, Ports, StackSettings
from schemas.telemetry import SampleType

MINUTE_MS = 60_000


def metrics(settings: StackSettings, name: str) -> list[float]:
    """Values of a metric of the worker; empty while it does not answer."""
    url = f"http://{HOST}:{settings.ports.worker_base}/metrics"
    try:
        lines = httpx.get(url, timeout=30, trust_env=False).text.splitlines()
    except httpx.HTTPError:
        return []
    return [
        float(line.rpartition(" ")[2])
        for line in lines
        if line.partition(" ")[0].partition("{")[0] == name
    ]


@contextmanager
def beating(flood: Flood) -> Iterator[None]:
    """Heartbeats meanwhile: a partition is loaded at its first record."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.is_set():
            for sample in SampleType:
                flood.nothing(sample, round(time.time() * 1000))
            ended.wait(2)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def fill(settings: StackSettings, flood: Flood, minutes: int) -> None:
    """Every session sampled each minute for so many minutes that end now."""
    now = round(time.time() * 1000)
    for minute in range(minutes):
        until = now - (minutes - 1 - minute) * MINUTE_MS
        flood.everyone(until)
    flood.flush()
    _until(lambda: sum(metrics(settings, "livewatch_rows_total")) >= flood.rows, 300)
    # The sources fall silent, so all that was sent closes and is checkpointed.
    time.sleep(45)


def _until(done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("the worker does not keep up: nothing to measure")
        time.sleep(0.2)


def kill_and_time(stack: RunningStack, settings: StackSettings, *, wipe: bool) -> dict[str, Any]:
    """Kill the worker; seconds from its successor's start to all partitions loaded."""
    old = stack.state()
    assert old is not None
    stack.kill_process("w1")
    if wipe:
        shutil.rmtree(Home(settings.home).state / "w1", ignore_errors=True)
    _until(lambda: (s := stack.state()) and s.processes["w1"].pid != old.processes["w1"].pid, 60)
    _until(lambda: any(metrics(settings, "livewatch_start_seconds")), 180)
    loads = metrics(settings, "livewatch_recovery_seconds")
    return {
        "ready_s": round(metrics(settings, "livewatch_start_seconds")[0], 1),
        "slowest_partition_s": round(max(loads), 2),
        "sessions": round(sum(metrics(settings, "livewatch_sessions"))),
    }


def main() -> None:
    sessions = 5_000 if "--quick" in sys.argv else 50_000
    root = Path(tempfile.mkdtemp(prefix="livewatch-bench-"))
    settings = StackSettings(root, fill_in(Ports(*[0] * 8), 1), 1, screen=False, unsigned="accept")
    stack = RunningStack(settings, lambda line: print(line, file=sys.stderr))
    try:
        stack.await_ready(lambda seconds: bool(time.sleep(seconds)))
        flood = Flood(settings.bootstrap, City(sessions, settings.partitions))
        fill(settings, flood, 8)
        report: dict[str, Any] = {"load": "recovery"}
        with beating(flood):
            for name, wipe in (("own_disk", False), ("no_disk", True)):
                took = kill_and_time(stack, settings, wipe=wipe)
                report |= {f"{name}_{key}": value for key, value in took.items()}
        flood.close()
        print(json.dumps(report), flush=True)
    finally:
        stack.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
