"""How much the HTTP gateway takes, with a real Kafka behind it, on this machine.

`python -m benchmarks.gateway` prints one JSON object. `*_per_s` count rows from the first request
until Kafka has the last one; latency is measured at half of the stated targets (20,000 rows/s as
JSON batches of 100, 200,000 as Arrow batches of 4,000), from when a request was due.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from deploy.stack.kafka import Broker, Cluster, not_ready
from deploy.stack.ports import free_run
from deploy.stack.process import Child, last_lines
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.keys.files import create_key
from schemas.keys import FOR_EVER_MS
from schemas.telemetry import TOPICS

TARGETS = {"json": 20_000, "arrow": 200_000}
ROWS = {"json": 100, "arrow": 4_000}
CONNECTIONS = {"json": 24, "arrow": 8}
_PARTITIONS = 8


@contextmanager
def broker(root: Path) -> Iterator[str]:
    """A real Kafka with the three topics; its address."""
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic

    port = free_run(2)
    kafka = Broker(Cluster(root, port, port + 1))
    child = Child(kafka.command(), {}, root / "kafka.log")
    try:
        _wait(lambda: not_ready(kafka.bootstrap) is None, child, root / "kafka.log")
        with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
            settings = {"message.timestamp.type": "LogAppendTime"}
            admin.create_topics(
                [NewTopic(t, _PARTITIONS, 1, topic_configs=settings) for t in TOPICS],
                wait_for_metadata=True,
            )
        yield kafka.bootstrap
    finally:
        child.kill()


class Served:
    """A gateway process; its port, a key file, and what is still in its spool."""

    def __init__(self, root: Path, bootstrap: str) -> None:
        self.port = free_run(2)
        create_key(root / "gw.pem")
        entry, text = new_key("p01", "", 0, FOR_EVER_MS)
        ApiKeyFile(root / "keys.json").add(entry)
        self.key_file = root / "key"
        self.key_file.write_text(text)
        command = [
            *(sys.executable, "-m", "producers.cli", "gateway", "--key", str(root / "gw.pem")),
            *("--keys", str(root / "keys.json"), "--spool", str(root / "spool")),
            *("--bootstrap", bootstrap, "--port", str(self.port)),
            *("--metrics-port", str(self.port + 1), "--rows-per-s", "10000000"),
            *("--requests-per-s", "100000"),
        ]
        log = root / "gateway.log"
        self._child = Child(command, {"PYTHONPATH": os.pathsep.join(sys.path)}, log)
        _wait(self._answers, self._child, log)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as r:
                return bool(r.status == 200)
        except OSError:
            return False

    def spooled(self) -> float:
        """Bytes that Kafka does not have yet."""
        url = f"http://127.0.0.1:{self.port + 1}/metrics"
        with urllib.request.urlopen(url, timeout=5) as reply:
            for line in reply.read().decode().splitlines():
                if line.startswith("livewatch_gateway_spool_bytes "):
                    return float(line.split()[1])
        raise AssertionError("the gateway has no spool metric")

    def cpu_s(self) -> float:
        """Processor time of the gateway so far."""
        spent = psutil.Process(self._child.pid).cpu_times()
        return float(spent.user + spent.system)

    def close(self) -> None:
        self._child.kill()


def load(served: Served, kind: str, seconds: float, rate: float = 0) -> dict[str, Any]:
    """Figures of one load; then everything is with Kafka, and `per_s` counts that wait."""
    began, cpu = time.perf_counter(), served.cpu_s()
    command = [
        *(sys.executable, "-m", "benchmarks.http_load", "--port", str(served.port)),
        *("--key-file", str(served.key_file), "--kind", kind, "--rows", str(ROWS[kind])),
        *("--connections", str(CONNECTIONS[kind]), "--seconds", str(seconds)),
        *("--rate", str(rate)),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    ended = time.perf_counter()
    while served.spooled() > 0:
        time.sleep(0.05)
    taken = found["rows"] / found["rows_per_s"] + time.perf_counter() - ended
    found |= {"per_s": round(found["rows"] / taken), "wall_s": round(ended - began, 1)}
    found["rows_per_cpu_s"] = round(found["rows"] / (served.cpu_s() - cpu))
    return found


def measure(seconds: float) -> dict[str, Any]:
    """All figures: rates, and latency at half of the targets."""
    root = Path(tempfile.mkdtemp(prefix="livewatch-bench-"))
    try:
        with broker(root) as bootstrap, closing(Served(root, bootstrap)) as served:
            load(served, "json", 1)  # caches, connections, the broker's JIT
            load(served, "arrow", 1)
            most = {kind: load(served, kind, seconds) for kind in TARGETS}
            # The burst's half gigabyte of broker log is not what a paced request waits for.
            os.sync()
            half = {k: load(served, k, seconds, target / 2) for k, target in TARGETS.items()}
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {
        "gateway_json_per_s": most["json"]["per_s"],
        "gateway_arrow_per_s": most["arrow"]["per_s"],
        "gateway_p99_ms": max(h["p99_ms"] for h in half.values()),
        "detail": {"most": most, "half": half},
    }


def _wait(ready: Any, child: Child, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if child.exit_code() is not None or time.monotonic() > deadline:
            raise AssertionError("\n".join(last_lines(log, 20)))
        time.sleep(0.1)


def measure_and_print(seconds: float) -> None:
    print(json.dumps(measure(seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    measure_and_print(parser.parse_args().seconds)


if __name__ == "__main__":
    main()
