"""`livewatch producer-check`."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer


def producer_check(
    short: Annotated[bool, typer.Option("--short", help="A small run, without speed.")] = False,
) -> None:
    """Prove that a producer cannot leak, cannot lose and cannot impersonate.

    Real Kafka, ClickHouse and worker, on free ports; needs nobody. Personal data is planted, back
    ends, gateway and broker are killed, batches are forged, a Java program sends, the gateway is
    fuzzed and measured. The last line is a JSON object; exit code 0 only when nothing passed, was
    lost, doubled or crashed.
    """
    from deploy.producer_check.run import SHORT, Size, run

    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:6.1f} s] {line}\n")
        sys.stdout.flush()

    report = run(SHORT if short else Size(), say)
    sys.stdout.write(json.dumps(report) + "\n")
    if not report["passed"]:
        raise typer.Exit(1)
