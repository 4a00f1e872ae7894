"""`livewatch calibrate`: thresholds from history, so that false alerts keep to their budget."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from clickhouse_driver import errors as driver_errors
from rich.console import Console
from rich.progress import track

from pipelines.backtest.history import Bin, History, from_files, from_warehouse
from pipelines.backtest.measure import FalseAlerts
from pipelines.backtest.read import InputError
from pipelines.calibration import Calibration, GradeMeasure, budget_of, fingerprint
from pipelines.cli import settings
from pipelines.core.detect import DEFAULT_POLICY, Grade, GroupPrior, SpikePolicy, prior_weight
from pipelines.errors import CommandError
from pipelines.season import seasonal
from pipelines.warehouse.calibrations import store
from pipelines.warehouse.client import connect

app = typer.Typer(help="Thresholds of the complaint spike from history.")
BINS_PER_DAY = 288
STEP = 0.05


def measure(
    history: History, policy: SpikePolicy, warm: int, bins: Iterable[Bin]
) -> tuple[FalseAlerts, list[int]]:
    """Run the detector over ``bins``, counting after the first ``warm``; the bins counted in."""
    run = FalseAlerts(len(history.names), policy)
    slots, groups = np.arange(len(history.names)), int(history.group.max(initial=0)) + 1
    prior, members = GroupPrior.empty(groups), np.bincount(history.group, minlength=groups)
    counted: list[int] = []
    place = {name: i for i, name in enumerate(history.names)}
    for i, one in enumerate(bins):
        run.counting = i >= warm
        run.left_out[:] = False
        for span in history.upheld:
            if span.first <= one.number <= span.last and span.series in place:
                run.left_out[place[span.series]] = True
        e = np.nan_to_num(one.exposure)
        total = np.bincount(history.group, e, groups)
        mean = prior.mean()
        weight = prior_weight(mean, total / np.maximum(members, 1))[history.group]
        m0 = mean[history.group]
        if run.counting:
            counted.append(one.number)
            for look in one.looks:
                at = look.slots
                run.tick(one.number, at, look.counts, look.exposure, m0[at], weight[at])
        run.close(one.number, slots, one.counts, one.exposure, m0, weight)
        prior.learn(np.bincount(history.group, np.nan_to_num(one.counts), groups), total, policy)
    return run, counted


def calibrate_on(
    history: History, policy: SpikePolicy, warm: int, bins: Iterable[Bin]
) -> Calibration:
    """Thresholds that keep each grade's false alerts within its budget. Raises InputError."""
    run, counted = measure(history, policy, warm, bins)
    if not counted:
        raise InputError(f"the history must be longer than its first {warm} bins")
    days = len(counted) / BINS_PER_DAY
    grades, least = {}, -np.inf
    for grade in sorted(Grade):
        ladder, budget = run.ladders[policy.guard(grade)], budget_of(grade)
        found, _ = ladder.threshold_for(budget * days)
        threshold = max(round(found, 2), round(least + STEP, 2))
        alerts = ladder.alerts[int(np.searchsorted(ladder.thresholds, threshold - STEP / 2))]
        grades[grade.name.lower()] = GradeMeasure(threshold, budget, round(alerts / days, 3))
        least = threshold
    first, last = (_time(b - history.shift) for b in (counted[0], counted[-1] + 1))
    names = len(history.names)
    return Calibration(fingerprint(policy), first, last, round(days, 3), names, grades)


def _time(number: int) -> str:
    """Start of a bin that is counted from 1970."""
    return datetime.fromtimestamp(number * 300, UTC).isoformat()


@app.command()
def calibrate(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[INPUT]", help="A folder of CSVs; the warehouse without it."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file for the workers.")] = Path("calibration.json"),
    days: Annotated[float, typer.Option(min=0.01, help="Days in which alerts count.")] = 7.0,
    warm: Annotated[float, typer.Option(min=0, help="Days before them, to learn from.")] = 3.0,
    upheld: Annotated[
        Path | None,
        typer.Option(help="With INPUT: a CSV series,first,last of true rises, by bin."),
    ] = None,
) -> None:
    """Set the thresholds of the complaint spike from history.

    The detector runs over the merchants' past as it ran then, ticks on open bins included; flags
    that were upheld are left out. Each grade gets the lowest threshold at which its false alerts
    keep to the budget: 1,000, 10 and 1 a day. Budget, measured rate and period go into OUT, which
    workers load (LIVEWATCH_CALIBRATION_FILE), and into the table `calibrations`. From the warehouse
    it goes by the season that a worker reads (LIVEWATCH_SEASON_FILE) and the calendar of events;
    the exposure of CSVs is taken as it is.

        livewatch calibrate --days 14 --out /etc/livewatch/calibration.json

        livewatch calibrate history/ --days 5 --upheld rises.csv
    """
    warm_bins, bins = round(warm * BINS_PER_DAY), round(days * BINS_PER_DAY)
    console = Console(file=sys.stderr)
    try:
        history = from_files(source, upheld) if source else _stored(warm_bins + bins)
        shown = track(history.bins, "calibrate", history.count, console=console, transient=True)
        found = calibrate_on(history, DEFAULT_POLICY, warm_bins, shown)
        found.apply(DEFAULT_POLICY)
        out.write_text(found.to_json(), "utf-8")
        if source is None:
            store(connect(settings()), found, datetime.now(UTC))
    except (driver_errors.Error, EOFError) as error:
        raise CommandError(f"calibrate: ClickHouse: {str(error).splitlines()[0]}") from None
    except (InputError, OSError, ValueError) as error:
        raise CommandError(f"calibrate: {error}", 2) from None
    typer.echo(json.dumps(json.loads(found.to_json()) | {"out": str(out)}))


def _stored(bins: int) -> History:
    """The last ``bins`` closed bins of the warehouse, in the season that a worker runs.

    Raises InputError where there is none, and SeasonError.
    """
    season = seasonal(settings().season_file)
    client = connect(settings())
    ((last,),) = client.execute(
        "SELECT toUnixTimestamp(max(minute)) FROM indicators_session WHERE closed = 1"
    )
    end = (int(last) + 60) // 300
    history = from_warehouse(client, end - bins, end, season)
    if not history.names:
        raise InputError("the warehouse has no closed minutes of merchants in that time")
    return history
