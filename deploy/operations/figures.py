"""`livewatch ops rollup | publish`: figures that are computed from stored rows."""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, date, datetime
from types import FrameType
from typing import Annotated

import typer

from deploy.errors import UsageError
from deploy.operations.commands import HomeOption
from deploy.shanghai import shown


def rollup(
    home: HomeOption = None,
    since: Annotated[
        str, typer.Option(help="Compute every closed hour from then on (ISO 8601, with a zone).")
    ] = "",
    until: Annotated[str, typer.Option(help="... up to then.", show_default="the newest")] = "",
    every: Annotated[
        float, typer.Option(min=0, help="Go on, with so many seconds between; 0: once.")
    ] = 0.0,
) -> None:
    """Bring hours and days up to date: what is new, came late or was corrected since the last run.

    Completeness, and the hours that dashboards read over days, too. Repeat it at will: a run
    replaces what it computes. Figures: docs/adr/0032-rollups.md,
    docs/adr/0037-completeness-kept.md, docs/adr/0041-kept-hours.md

    Examples:

        livewatch ops rollup

        livewatch ops rollup --every 300

        livewatch ops rollup --since 2026-11-20T00:00+08:00 --until 2026-11-21T00:00+08:00
    """
    from deploy.operations.tables import client
    from deploy.operations.target import plain_errors, target
    from pipelines.warehouse import completeness, hours, rollups

    span = [_moment("--since", since), _moment("--until", until)]
    at = target(home)
    signal.signal(signal.SIGTERM, _end)
    while True:
        with plain_errors(at), client(at) as db:
            try:
                completeness.run(db)
                hours.run(db)
                done = rollups.run(db, span[0], span[1])
            except ValueError as error:
                raise UsageError(f"--since: {error}") from None
        through = "nothing is closed yet"
        if done.closed_through is not None:
            through = f"closed through {shown(done.closed_through)}"
        sys.stdout.write(f"{len(done.hours)} hours, {len(done.days)} days computed; {through}\n")
        sys.stdout.flush()
        if not every:
            return
        time.sleep(every)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Orderly at any moment: the next run makes up for what this one leaves undone."""
    raise SystemExit(0)


def publish(
    home: HomeOption = None,
    day: Annotated[
        str, typer.Option(help="Only this day of Shanghai, settled or not.", show_default="all due")
    ] = "",
    settle_days: Annotated[
        int, typer.Option(min=0, help="Whole days to wait for late rows and corrections.")
    ] = 3,
    least_hours: Annotated[
        int, typer.Option(min=1, max=24, help="Closed hours that a day must have.")
    ] = 24,
) -> None:
    """Publish the settled figures of days, suppressed, for other agencies and for everybody.

    A day is published once and never changed: the difference of two versions would tell what is
    suppressed. How cells are chosen: docs/disclosure.md

    Examples:

        livewatch ops publish

        livewatch ops publish --day 2026-11-20
    """
    from deploy.operations.tables import client
    from deploy.operations.target import plain_errors, target
    from pipelines.warehouse import publish as publishing

    wanted = None if not day else _date("--day", day)
    at = target(home)
    with plain_errors(at), client(at) as db:
        days = publishing.ready_days(db, settle_days, least_hours) if wanted is None else [wanted]
        for one in days:
            try:
                done = publishing.publish(db, one, datetime.now(UTC))
            except ValueError as error:
                raise UsageError(f"--day: {error}") from None
            said = "was published before; nothing changed"
            if not done.before:
                said = "; ".join(
                    f"{a}: {done.cells[a]} cells, {done.suppressed[a]} of them suppressed"
                    for a in done.cells
                )
            sys.stdout.write(f"{one}  {said}\n")
    if not days:
        sys.stdout.write("no day is due\n")


def register(app: typer.Typer) -> None:
    """Add these verbs to `livewatch ops`."""
    app.command()(rollup)
    app.command()(publish)


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text} is no day, such as 2026-11-20") from None


def _moment(option: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text} is no time, such as 2026-11-20T00:00+08:00") from None
    if found.tzinfo is None:
        raise UsageError(f"{option}: say the zone too, as in {text}+08:00")
    return found.astimezone(UTC)
