"""`livewatch screen`: the local page with indicators and flags."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from grafana.screen.library import UnknownDashboardVersionError
from grafana.screen.serve import StartError, serve
from grafana.screen.settings import ScreenSettings, ServeSettings


def screen(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    accounts: Annotated[
        Path | None,
        typer.Option(help="File of who may log in (livewatch accounts); needed beyond loopback."),
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(help="Address of a Prometheus, for pipeline health.")
    ] = None,
) -> None:
    """Show the dashboards on a local, read-only page.

        livewatch screen --port 18080

    For others than this machine it asks for a login:

        livewatch screen --host 0.0.0.0 --accounts accounts.json

    Accesses are then put on record in Kafka, at LIVEWATCH_SCREEN_AUDIT.
    ClickHouse is found through LIVEWATCH_CLICKHOUSE_HOST, _PORT (native TCP), _USER,
    _PASSWORD_FILE and _DATABASE.
    """
    try:
        serve(host, port, _settings(), _serving(accounts, prometheus), _announce)
    except (StartError, UnknownDashboardVersionError) as error:
        typer.echo(f"livewatch screen: {error}", err=True)
        # Not typer.Exit: a program that carries this command as one of its own would swallow it.
        sys.exit(1)


def _settings() -> ScreenSettings:
    try:
        return ScreenSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "LIVEWATCH_CLICKHOUSE_" + "_".join(str(p) for p in first["loc"]).upper()
        raise StartError(f"{name}: {first['msg']}") from None


def _serving(accounts: Path | None, prometheus: str | None) -> ServeSettings:
    """The environment, and what the command line says instead."""
    told = {"accounts": accounts, "prometheus": prometheus}
    return ServeSettings(**{k: v for k, v in told.items() if v is not None})  # type: ignore[arg-type]


def _announce(address: str) -> None:
    typer.echo(f"screen: {address}")


app = typer.Typer(add_completion=False)
app.command()(screen)

if __name__ == "__main__":
    app()
