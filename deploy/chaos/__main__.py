"""`python -m deploy.chaos`, called by `make chaos`."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deploy.chaos.run import ChaosOptions, run
from deploy.errors import UserError
from deploy.stack.cli import say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0, help="No round that would end later.")] = 85.0,
    rounds: Annotated[int, typer.Option(min=0, help="End after so many rounds; 0: no limit.")] = 0,
    faults: Annotated[int, typer.Option(min=0, help="End after so many faults; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(help="Same seed, same schedule and same cities.")] = 1,
    brokers: Annotated[
        int, typer.Option(help="1 or 3; 0: the rounds have one and three in turn.")
    ] = 0,
    load: Annotated[float, typer.Option(min=60, help="Seconds of load in a round.")] = 150.0,
    spacing: Annotated[float, typer.Option(min=1, help="Seconds between faults, about.")] = 6.0,
    short: Annotated[
        bool, typer.Option("--short", help="One round on each kind of cluster, under 5 minutes.")
    ] = False,
    home: Annotated[Path | None, typer.Option(help="New directory to run in.")] = None,
) -> None:
    """Break a whole stack under load, again and again, and compare every row with the books.

    The last line is a JSON object; exit code 0 only when nothing was missing, doubled or wrong.
    """
    for noisy in ("clickhouse_driver", "kafka"):  # what they complain of is done on purpose
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    several = (1, 3) if brokers == 0 else (brokers,)
    options = ChaosOptions(seed, several, minutes, rounds, faults, load, spacing)
    if short:
        options = replace(options, rounds=len(several), load_s=66.0, spacing_s=4.0)
    root = home.absolute() if home else Path(tempfile.mkdtemp(prefix="livewatch-chaos-"))
    try:
        report, passed = run(options, root, say)
    except UserError as error:
        sys.stderr.write(f"livewatch: {error}\nhome kept in {root}\n")
        raise typer.Exit(error.exit_code) from None
    if passed:
        shutil.rmtree(root, ignore_errors=True)
    sys.stdout.write(json.dumps(report.as_json()) + "\n")
    if not passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
