"""`livewatch api`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.errors import CommandError

app = typer.Typer(add_completion=False)


@app.command()
def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8088,
    clerk: Annotated[
        bool, typer.Option(help="Also turn flag events into entries, and fill the tables.")
    ] = True,
) -> None:
    """Serve flags by HTTP, to accounts with roles; and keep the ledger.

    What can be asked: http://127.0.0.1:8088/docs

    Examples:

        livewatch accounts add lin --role commission

        livewatch api --port 8088

        curl -u lin http://127.0.0.1:8088/v1/flags?state=OPEN
    """
    import structlog

    from pipelines.api.serve import ServeError, serve
    from pipelines.cli import settings
    from pipelines.policy.load import PolicyError, load

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    config = settings()
    try:
        policy = load(config.policy_file)
        serve(config, policy, host, port, clerk=clerk)
    except PolicyError as error:
        raise CommandError(str(error).replace("\n", "\nlivewatch: "), 78) from None
    except ServeError as error:
        raise CommandError(str(error)) from None


if __name__ == "__main__":
    app()
