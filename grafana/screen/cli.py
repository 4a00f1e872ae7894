"""`livewatch screen`: the local page with indicators and flags."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from grafana.screen.library import UnknownDashboardVersionError
from grafana.screen.serve import StartError, serve
from grafana.screen.settings import ScreenSettings


def screen(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
) -> None:
    """Show indicators and flags on a local, read-only page.

    ClickHouse is found through LIVEWATCH_CLICKHOUSE_HOST, _PORT (native TCP), _USER,
    _PASSWORD_FILE and _DATABASE.
    """
    try:
        serve(host, port, _settings(), _announce)
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


def _announce(address: str) -> None:
    typer.echo(f"screen: {address}")


app = typer.Typer(add_completion=False)
app.command()(screen)

if __name__ == "__main__":
    app()
