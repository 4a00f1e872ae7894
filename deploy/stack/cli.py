"""`livewatch up | down | status | logs`."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.errors import UsageError
from deploy.stack import control, logs, ports
from deploy.stack.home import Home
from deploy.stack.services import steps
from deploy.stack.settings import Detours, Ports, StackSettings, default_home
from deploy.stack.supervisor import Supervisor

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="LIVEWATCH_HOME",
        help="Directory of the stack's data, logs and secrets.",
        show_default=".livewatch in the checkout",
    ),
]
_PORT = {"help": "0 takes a free one.", "min": 0, "max": 65535, "rich_help_panel": "Ports"}
_VIA: dict[str, Any] = {"min": 0, "max": 65535, "hidden": True}
_DEFAULTS = Ports()


def up(
    home: HomeOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what earlier runs stored.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once everything is ready.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 2,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic.")] = 8,
    screen: Annotated[bool, typer.Option(help="Serve the screen.")] = True,
    api: Annotated[bool, typer.Option(help="Serve the API, and keep the ledger.")] = True,
    rollups: Annotated[
        bool, typer.Option(help="Bring hours and days up to date every five minutes.")
    ] = True,
    unsigned: Annotated[
        str, typer.Option(help="Batches without a signature: refuse, or accept for a demo.")
    ] = "refuse",
    brokers: Annotated[
        int, typer.Option(help="Kafka brokers: 1, or 3 with every topic on all three.")
    ] = 1,
    kafka_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.kafka,
    kafka_controller_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.kafka_controller,
    clickhouse_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.clickhouse,
    clickhouse_http_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.clickhouse_http,
    screen_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.screen,
    worker_port: Annotated[
        int, typer.Option(**{**_PORT, "help": "HTTP port of the first worker; 0 takes a free run."})
    ] = _DEFAULTS.worker_base,
    alerts: Annotated[
        bool, typer.Option(help="Tell flags to webhooks (secrets/receivers.yml) and Alertmanager.")
    ] = False,
    alertmanager: Annotated[
        str, typer.Option(help="With --alerts: http://host:port of Alertmanager.")
    ] = "",
    alerts_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.alerts,
    api_port: Annotated[int, typer.Option(**_PORT)] = _DEFAULTS.api,
    kafka_via: Annotated[
        int, typer.Option(**{**_VIA, "help": "Port that the first broker tells its clients."})
    ] = 0,
    clickhouse_via: Annotated[
        int, typer.Option(**{**_VIA, "help": "Port where workers look for ClickHouse."})
    ] = 0,
) -> None:
    """Start Kafka, ClickHouse, the workers, the screen and the API, and keep them running.

    Ctrl-C stops everything in order. State is kept between runs.

    Examples:

        livewatch up                          in the foreground

        livewatch up -d && livewatch status   in the background

        livewatch up --fresh --workers 1      forget earlier runs, one worker

        livewatch up --screen-port 0          any free port for the screen

        livewatch up --fresh --brokers 3      a cluster that goes on when one broker dies

        livewatch up --alerts --alertmanager http://127.0.0.1:9093   tell flags, too
    """
    chosen = Ports(
        kafka_port,
        kafka_controller_port,
        clickhouse_port,
        clickhouse_http_port,
        screen_port,
        worker_port,
        alerts_port,
        api_port,
    )
    where = _home(home)
    settings = StackSettings(
        where,
        fill_in(chosen, workers, brokers),
        workers,
        partitions,
        screen,
        brokers=brokers,
        detours=Detours(kafka_via, clickhouse_via),
        unsigned=unsigned,
        alerts=alerts,
        alertmanager=alertmanager,
        api=api,
        rollups=rollups,
    )
    control.refuse_if_running(where)
    if detach:
        control.detach(where, arguments_of(settings, fresh=fresh), say)
        return
    Home(where).prepare()
    clean = Supervisor(settings, steps(settings), say).run(fresh=fresh)
    if not clean:
        raise typer.Exit(1)


def down(home: HomeOption = None) -> None:
    """Stop what `livewatch up` started, in order.

    Examples:

        livewatch down

        livewatch down --home /tmp/stack
    """
    if not control.stop(_home(home), say):
        raise typer.Exit(1)


def status(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show each process, whether it answers, since when, how often it was restarted.

    Exit code 0 when everything is ready, 1 when something is not.

    Examples:

        livewatch status

        livewatch status --json | jq .processes
    """
    from deploy.stack.status import look, show

    found = look(_home(home))
    if as_json:
        sys.stdout.write(json.dumps(found.as_json()) + "\n")
    else:
        show(found, Console())
    if not found.all_ready:
        raise typer.Exit(1)


def show_logs(
    name: Annotated[
        str | None, typer.Argument(help="kafka, clickhouse, w1, ...; all when left out.")
    ] = None,
    home: HomeOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Last lines of each.")] = 20,
) -> None:
    """Show what the processes wrote.

    Examples:

        livewatch logs w1 -f

        livewatch logs kafka -n 100
    """
    files = logs.chosen(Home(_home(home)).logs, name)
    if lines:
        logs.tail(files, lines, say)
    if follow:
        try:
            logs.follow(files, say, logs.sleep_for_ever)
        except KeyboardInterrupt:
            return


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command("logs")(show_logs)


def fill_in(chosen: Ports, workers: int, brokers: int = 1) -> Ports:
    """Replace each 0 by a free port."""
    names = [f.name for f in fields(Ports)]
    if all(getattr(chosen, name) for name in names):
        return chosen
    free = ports.free_ports(workers, brokers)
    return Ports(**{name: getattr(chosen, name) or getattr(free, name) for name in names})


def say(line: str) -> None:
    """One line for the user, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _home(home: Path | None) -> Path:
    if home is None:
        return default_home()
    if home.exists() and not home.is_dir():
        raise UsageError(f"--home: {home} is not a directory")
    return home.expanduser().absolute()


def arguments_of(settings: StackSettings, *, fresh: bool) -> list[str]:
    """The same choice as command-line arguments."""
    ports_given = {
        f"--{f.name.replace('_', '-')}-port": getattr(settings.ports, f.name) for f in fields(Ports)
    }
    ports_given["--worker-port"] = ports_given.pop("--worker-base-port")
    numbers = {
        "--workers": settings.workers,
        "--partitions": settings.partitions,
        "--brokers": settings.brokers,
        "--kafka-via": settings.detours.kafka,
        "--clickhouse-via": settings.detours.clickhouse,
    } | ports_given
    arguments = ["--home", str(settings.home)]
    for option, number in numbers.items():
        arguments += [option, str(number)]
    arguments += ["--unsigned", settings.unsigned]
    arguments.append("--screen" if settings.screen else "--no-screen")
    if settings.alerts:
        arguments += ["--alerts", "--alertmanager", settings.alertmanager]
    arguments.append("--api" if settings.api else "--no-api")
    arguments.append("--rollups" if settings.rollups else "--no-rollups")
    return [*arguments, "--fresh"] if fresh else arguments
