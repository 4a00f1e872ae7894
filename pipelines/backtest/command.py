"""`livewatch backtest`: what a detector would have said about recorded series."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from enum import StrEnum
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from pipelines.backtest.policies import Season
from pipelines.backtest.read import BinLength, InputError, find, read
from pipelines.backtest.score import GRADES, score


class Detector(StrEnum):
    """Detectors that can be tested this way."""

    COMPLAINT_SPIKE = "complaint_spike"


app = typer.Typer(help="Detectors on recorded series.")


@app.command()
def backtest(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A CSV file, or a folder of them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results, a file per series.")],
    detector: Annotated[Detector, typer.Option(help="Which detector.")] = Detector.COMPLAINT_SPIKE,
    length: Annotated[
        BinLength, typer.Option("--bin", help="Length of a bin.")
    ] = BinLength.FIVE_MINUTES,
    season: Annotated[Season, typer.Option(help="What repeats.")] = Season.NONE,
) -> None:
    """What a detector would have said about recorded series, bin by bin, from the past only.

    INPUT has the columns bin,count and, if wanted, exposure. A bin is a whole number or a time;
    a count that is empty, and a bin that is missing, are unknown and not zero. For each series
    OUT gets a file with bin,score,grade: the score rises with the evidence (log odds of a raised
    rate), the grade is none, watch, raised or critical. No label is ever read.

        livewatch backtest series/ --bin 1w --season week_of_year --out results
    """
    try:
        check_season(length, season)
        files = find(source)
        _make(out, files)
        summary = list(_run(files, out, length, season))
    except (InputError, OSError) as error:
        typer.echo(f"livewatch backtest: {error}", err=True)
        raise typer.Exit(2) from None
    for one in summary:
        for remark in one["remarks"]:
            typer.echo(f"{one['series']}: {remark}", err=True)
    totals = Counter[str]()
    for one in summary:
        totals.update(one["grades"])
    line = {"detector": detector.value, "series": len(summary), "bins": sum(totals.values())}
    typer.echo(json.dumps(line | {"grades": dict(totals), "out": str(out)}))


def _make(out: Path, files: list[Path]) -> None:
    """The folder for the results. Raises InputError where they would overwrite what is read."""
    if out.exists() and any(file.parent.samefile(out) for file in files):
        raise InputError(f"--out: {out} holds the series themselves")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {out}: {error.strerror}") from None


def check_season(length: BinLength, season: Season) -> None:
    """Raises InputError for a season that bins of this length cannot show."""
    fitting = {
        BinLength.FIVE_MINUTES: (Season.NONE, Season.HOUR_OF_WEEK),
        BinLength.HOUR: (Season.NONE, Season.HOUR_OF_WEEK),
        BinLength.DAY: (Season.NONE, Season.DAY_OF_WEEK, Season.WEEK_OF_YEAR),
        BinLength.WEEK: (Season.NONE, Season.WEEK_OF_YEAR),
    }[length]
    if season not in fitting:
        names = ", ".join(s.value for s in fitting)
        raise InputError(f"--season: with --bin {length.value} it must be one of {names}")


def run_file(path: Path, out: Path, length: BinLength, season: Season) -> dict[str, Any]:
    """Score one file into `out`; returns what the summary says of it."""
    series = read(path, length)
    found, grades = score(series, length, season)
    with (out / path.name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["bin", "score", "grade"])
        writer.writerows(
            (text, f"{value:.6f}", grade)
            for text, value, grade in zip(series.text, found.tolist(), grades, strict=True)
        )
    counted = Counter(grades)
    return {
        "series": series.name,
        "remarks": series.remarks,
        "grades": {grade: counted[grade] for grade in GRADES},
    }


def _run(
    files: list[Path], out: Path, length: BinLength, season: Season
) -> Iterable[dict[str, Any]]:
    if len(files) == 1:
        return [run_file(files[0], out, length, season)]
    console = Console(file=sys.stderr)
    # Every series stands alone; processes, since small arrays leave the interpreter's lock no rest.
    with ProcessPoolExecutor(os.cpu_count(), initializer=_single_thread) as pool:
        work = pool.map(run_file, files, repeat(out), repeat(length), repeat(season), chunksize=4)
        return list(track(work, "backtest", len(files), console=console, transient=True))


def _single_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
