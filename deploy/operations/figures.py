"""`livewatch ops rollup`: figures that are computed from stored rows."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
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

    Repeat it at will: a run replaces what it computes. Figures: docs/adr/0032-rollups.md

    Examples:

        livewatch ops rollup

        livewatch ops rollup --every 300

        livewatch ops rollup --since 2026-11-20T00:00+08:00 --until 2026-11-21T00:00+08:00
    """
    from deploy.operations.tables import client
    from deploy.operations.target import plain_errors, target
    from pipelines.warehouse import rollups

    span = [_moment("--since", since), _moment("--until", until)]
    at = target(home)
    while True:
        with plain_errors(at), client(at) as db:
            try:
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


def register(app: typer.Typer) -> None:
    """Add these verbs to `livewatch ops`."""
    app.command()(rollup)


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
