"""`livewatch-push check`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from producers.check.read import pieces
from producers.errors import UsageError
from producers.pacing import wall_ms
from schemas.errors import RowError
from schemas.telemetry import SampleType


def check(
    file: Annotated[Path, typer.Argument(help="JSON, NDJSON, CSV, Arrow or Parquet.")],
    sample: Annotated[SampleType, typer.Option("--as", help="What its rows are.")],
    limit: Annotated[int, typer.Option(min=0, help="Errors to list; the rest is counted.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Say row by row what in a file does not follow the contract.

    Rows are numbered from 0. Values are never repeated: they may be personal data. Exit code 0:
    every row is good; 1: some are not; 2: the file cannot be read.

    Examples:

        livewatch-push check orders.ndjson --as orders

        livewatch-push check viewers.parquet --as viewers --limit 5 --json
    """
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    rows, rules = 0, Counter[tuple[str, str]]()
    listed: list[RowError] = []
    for piece in pieces(file, sample, wall_ms()):
        rows += piece.rows
        rules.update((e.field, e.rule) for e in piece.errors)
        listed += piece.errors[: max(0, limit - len(listed))]
    bad = rules.total()
    if as_json:
        errors = [{"row": e.row, "field": e.field, "rule": e.rule} for e in listed]
        sys.stdout.write(json.dumps({"rows": rows, "refused": bad, "errors": errors}) + "\n")
    else:
        sys.stdout.write("".join(f"{error}\n" for error in listed))
        if bad > len(listed):
            sys.stdout.write(f"... and {bad - len(listed):,} more\n")
        for (field, rule), count in rules.most_common(limit):
            sys.stdout.write(f"{count:,} x {field}: {rule}\n")
        sys.stdout.write(f"{rows:,} rows, {bad:,} refused\n")
    if bad:
        raise typer.Exit(1)
