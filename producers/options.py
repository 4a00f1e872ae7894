"""What the commands do alike with their options."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producers import metrics, settings
from producers.batcher import SealPolicy
from producers.connect import connect, endpoints
from producers.errors import UsageError
from producers.keys.files import load_signer
from producers.shell import UNSIGNED, stop_on_signals
from producers.spool.sink import SpoolSink
from producers.transport import KafkaSink, Sink, TransportPolicy


@dataclass(frozen=True)
class Access:
    """How to reach Kafka; what is None comes from the environment or is left out."""

    bootstrap: str | None
    wait_s: float | None
    metrics_port: int | None
    signing_key: Path | None = None
    spool: Path | None = None


@dataclass(frozen=True)
class Connected:
    """A sink on a Kafka that is there, its number of partitions, and the wish to stop."""

    sink: Sink
    partitions: int
    stop: threading.Event


@contextmanager
def connected(access: Access) -> Iterator[Connected]:
    """Wait for Kafka and close the sink in the end. Raises as `connect` does."""
    env = settings.load()
    where = access.bootstrap or env.bootstrap
    wait_s = env.wait_s if access.wait_s is None else access.wait_s
    endpoints(where)
    signer = load_signer(access.signing_key) if access.signing_key else None
    if signer is None:
        sys.stderr.write(UNSIGNED + "\n")
    with stop_on_signals() as stop:
        partitions = connect(where, wait_s, stop.is_set)
        if access.metrics_port is not None:
            _serve_metrics(access.metrics_port)
        policy = TransportPolicy(env.max_in_flight_batches, env.max_in_flight_bytes)
        sink: Sink
        if access.spool:
            sink = SpoolSink(access.spool, where, policy, stop.is_set, signer)
        else:
            sink = KafkaSink(where, policy, stop.is_set, signer)
        try:
            yield Connected(sink, partitions, stop)
        finally:
            sink.close()


def _serve_metrics(port: int) -> None:
    try:
        metrics.serve(port)
    except (OSError, OverflowError):
        raise UsageError(f"--metrics-port: cannot listen on {port}") from None


def pace_of(speed: float, rate: str | None) -> float | None:
    """The speed factor, None for as fast as possible. Raises UsageError."""
    if rate not in (None, "max"):
        raise UsageError("--rate: must be 'max' or left out")
    if not 0.01 <= speed <= 10_000_000:
        raise UsageError("--speed must be from 0.01 to 10,000,000")
    return None if rate else speed


def report(summary: dict[str, Any], as_json: bool) -> None:
    """The result on stdout: one JSON line, or a few words."""
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in summary["rows"].items()) or "nothing"
    done = "done" if summary["complete"] else "stopped"
    sys.stdout.write(f"{done} in {summary['wall_s']} s: {rows}; ledger {summary['ledger']}\n")


def seal_policy(speed: float | None, rows: int, linger_ms: int) -> SealPolicy:
    """Where event time flies, a second of silence is long: heartbeats come every second."""
    slow = speed is not None and speed <= 1
    try:
        return SealPolicy(rows, linger_ms, 2_000 if slow else 1_000)
    except ValueError as error:
        raise UsageError(f"--batch-rows: {error}") from None
