"""`livewatch serving-check`."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer

from deploy.errors import UsageError


def serving_check(
    short: Annotated[bool, typer.Option("--short", help="A small run.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Parts: disclosure, panels, speed, browser, alerts, sharing.", show_default="all"
        ),
    ] = None,
) -> None:
    """Prove that what people see is right, reaches whom it concerns once, and nobody else.

    Real Kafka, ClickHouse, Alertmanager and Chromium, on free ports; needs nobody. The last line
    is a JSON object; exit code 0 only when every panel is right, in figures and as drawn, and
    nothing leaked, was lost or doubled. What was not asked for with --only is named in `not_run`
    and is in no verdict; a part that breaks off fails the check.

    Examples:

        livewatch serving-check

        livewatch serving-check --short

        livewatch serving-check --only disclosure --only panels
    """
    from deploy.serving_check.run import PARTS, SHORT, Size, run

    wanted = only or list(PARTS)
    if unknown := set(wanted) - PARTS.keys():
        raise UsageError(f"--only: there is no part {sorted(unknown)[0]}: {', '.join(PARTS)}")

    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:6.1f} s] {line}\n")
        sys.stdout.flush()

    report = run(SHORT if short else Size(), wanted, say)
    sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    if not report["passed"]:
        raise typer.Exit(1)
