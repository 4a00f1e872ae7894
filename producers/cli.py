"""`livewatch-push`: what a platform runs, and what stands in for platforms in a demo."""

from __future__ import annotations

import sys

import structlog
import typer

from producers.check.command import check
from producers.errors import PushError, of_file
from producers.gateway.command import gateway
from producers.gateway.keys_command import app as gateway_keys
from producers.keys.command import app as keys
from producers.replay.command import replay
from producers.shell import set_up_logs
from producers.simulate.command import simulate
from producers.spool.command import app as spool

app = typer.Typer(
    name="livewatch-push",
    help="Push live-commerce telemetry to a regulator's Kafka.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(simulate)
app.command(no_args_is_help=True)(replay)
app.command(no_args_is_help=True)(check)
app.command()(gateway)
app.add_typer(keys)
app.add_typer(gateway_keys)
app.add_typer(spool)


@app.callback()
def _group() -> None:
    """Push live-commerce telemetry to a regulator's Kafka."""


def main() -> None:
    """Console script: 0 done, 1 could not be done, 2 asked for wrongly, 130 interrupted."""
    set_up_logs()
    try:
        app()
    except PushError as error:
        structlog.get_logger("livewatch.push").debug("failed", exc_info=True)
        sys.stderr.write(f"livewatch-push: {error}\n")
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        sys.stderr.write(f"livewatch-push: {of_file(error)}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
