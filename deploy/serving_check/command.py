"""`livewatch serving-check`."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer


def serving_check(
    short: Annotated[bool, typer.Option("--short", help="A small run.")] = False,
) -> None:
    """Prove that what people see is right, reaches whom it concerns once, and nobody else.

    Real Kafka, ClickHouse and Alertmanager, on free ports; needs nobody. The last line is a JSON
    object; exit code 0 only when every panel is right and nothing leaked, was lost or doubled. What
    could not be run is named in `not_run` and is in no verdict.

    Examples:

        livewatch serving-check

        livewatch serving-check --short
    """
    from deploy.serving_check.run import SHORT, Size, run

    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:6.1f} s] {line}\n")
        sys.stdout.flush()

    report = run(SHORT if short else Size(), say)
    sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    if not report["passed"]:
        raise typer.Exit(1)
