"""`livewatch alerts`: tell flags to Alertmanager and webhooks; look after what is owed."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import ValidationError

from pipelines.alerts import receivers
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.settings import AlertSettings
from pipelines.cli import settings
from pipelines.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Flags to those who must know.")
alerts = typer.Typer()
app.add_typer(alerts, name="alerts")

OutboxOption = Annotated[
    Path | None,
    typer.Option(help="Directory of the outbox.", show_default="LIVEWATCH_ALERTS_OUTBOX"),
]
ReceiverOption = Annotated[str | None, typer.Option(help="One receiver; else all of them.")]


@app.callback()
def _root() -> None:
    """Groups commands; does nothing."""


@alerts.callback(invoke_without_command=True)
def run(
    ctx: typer.Context,
    http_host: Annotated[str, typer.Option(help="Where the pages listen.")] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of /healthz, /readyz and /metrics.")
    ] = 6067,
) -> None:
    """Tell flags to Alertmanager and to signed webhooks, until stopped.

    What is owed lies in the outbox, so that a kill at any moment loses no alert. Settings come
    from the environment, LIVEWATCH_ALERTS_...

    Examples:

        LIVEWATCH_ALERTS_ALERTMANAGER=http://127.0.0.1:9093 livewatch alerts

        LIVEWATCH_ALERTS_RECEIVERS=receivers.yml livewatch alerts --http-port 6067

        livewatch alerts status

        livewatch alerts replay --receiver commission
    """
    if ctx.invoked_subcommand is not None:
        return
    from pipelines.alerts.service import serve

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        config = settings()
        serve(config.bootstrap, alert_settings(), config.policy_file, http_host, http_port)
    except AlertsError as error:
        raise CommandError(str(error), 2) from None


@alerts.command()
def status(
    outbox: OutboxOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What is owed to whom; also while the process runs.

    livewatch alerts status --json
    """
    box = _open(outbox)
    now_ms = round(time.time() * 1000)
    rows = [
        {
            "receiver": one.receiver,
            "waiting": one.waiting,
            "dead": one.dead,
            "delivered": one.delivered,
            "oldest_s": None if one.oldest_ms is None else round((now_ms - one.oldest_ms) / 1000),
        }
        for one in box.owed()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        oldest = "" if row["oldest_s"] is None else f", the oldest for {row['oldest_s']:,} s"
        typer.echo(
            f"{row['receiver']}: {row['delivered']:,} delivered, {row['waiting']:,} waiting"
            f"{oldest}, {row['dead']:,} dead"
        )
    if not rows:
        typer.echo("nothing was ever owed to anybody")


@alerts.command()
def dead(
    outbox: OutboxOption = None,
    receiver: ReceiverOption = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 100,
) -> None:
    """The dead letters: what a receiver has not taken in time, and what it said last.

    livewatch alerts dead --receiver commission
    """
    for name, event, at_ms, error in _open(outbox).dead(receiver, limit):
        when = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
        typer.echo(f"{name}\t{event}\t{when}\t{error}")


@alerts.command()
def replay(
    outbox: OutboxOption = None,
    receiver: ReceiverOption = None,
    event: Annotated[str | None, typer.Option(help="One event, by its id.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Besides dead letters, what was delivered since (UTC)."),
    ] = None,
) -> None:
    """Owe dead letters again; their ids stay, so a receiver knows what it has.

    The running process sends them within a second or two.

    Examples:

        livewatch alerts replay --receiver commission

        livewatch alerts replay --receiver commission --since 2026-11-26T08:00:00
    """
    since_ms = None if since is None else round(since.replace(tzinfo=UTC).timestamp() * 1000)
    count = _open(outbox).replay(round(time.time() * 1000), receiver, event, since_ms)
    typer.echo(f"{count} events are owed again")


@alerts.command()
def check(file: Annotated[Path, typer.Argument(help="The file of receivers.")]) -> None:
    """Say whether a file of receivers can be used, or the first mistake.

    livewatch alerts check receivers.yml
    """
    try:
        found = receivers.load(file)
    except AlertsError as error:
        raise CommandError(str(error)) from None
    for one in found:
        desks = ", ".join(sorted(map(str, one.desks)))
        secrets = len(one.keys())
        signed = "" if secrets == 1 else f", {secrets} secrets"
        typer.echo(f"{one.name}: {one.least.word} and above, to {desks}{signed}")


@alerts.command("new-secret")
def new_secret() -> None:
    """A secret to share with one receiver; keep it in a file that only livewatch can read.

    livewatch alerts new-secret > commission.secret
    """
    from pipelines.alerts.signature import new_secret as made

    typer.echo(made())


def alert_settings() -> AlertSettings:
    """Settings from the environment; one line a wrong variable."""
    try:
        return AlertSettings()
    except ValidationError as error:
        lines = [
            f"LIVEWATCH_ALERTS_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        ]
        raise CommandError("; ".join(lines), 2) from None


def _open(directory: Path | None) -> Outbox:
    try:
        return Outbox(directory or alert_settings().outbox, exclusive=False)
    except AlertsError as error:
        raise CommandError(str(error)) from None
