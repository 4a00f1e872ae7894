"""The operator's program `livewatch`: where the parts are put together.

Commands of other packages are loaded when they are called, so that `livewatch --help` is quick
and a worker does not carry the code of the screen.
"""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from typer.core import TyperGroup

from deploy.check.command import demo_check
from deploy.demo.command import demo
from deploy.errors import UserError
from deploy.keys import app as keys
from deploy.operations.cli import app as operations
from deploy.operations.look import doctor
from deploy.producer_check.command import producer_check
from deploy.serving_check.command import serving_check
from deploy.stack import cli as stack
from deploy.stack.here import use_local_stack
from pipelines.accounts.command import app as accounts
from pipelines.ledger.command import app as flags
from pipelines.policy.command import app as policy
from producers.errors import PushError, of_file

app = typer.Typer(
    name="livewatch",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="""Operational monitoring of live commerce: telemetry in, indicators and flags out.

    Examples:

        livewatch demo                a whole city on this machine, until Ctrl-C

        livewatch up -d               the stack alone; then feed it with livewatch-push

        livewatch status              what runs, and whether it answers

        livewatch logs w1 -f          what a worker says
    """,
)
stack.register(app)
app.command()(demo)
app.command("demo-check")(demo_check)
app.command("producer-check")(producer_check)
app.command("serving-check")(serving_check)
app.add_typer(operations)
app.command()(doctor)
app.add_typer(keys, callback=use_local_stack)
app.add_typer(accounts, callback=use_local_stack)
app.add_typer(flags, callback=use_local_stack)
app.add_typer(policy)

DELEGATED: dict[str, str] = {}
"""The module in which each command lives whose code is loaded when it is called."""
LOOKS_FOR_A_STACK = frozenset(
    {"migrate", "topics", "api", "alerts", "report", "calibrate", "seasons"}
)
"""Work on the local stack where nothing else is said. The screen reads as another user; no worker
joins a stack unasked."""
_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def _delegate(name: str, module: str, summary: str) -> None:
    """Register a command that lives in the typer app `module`.app."""
    DELEGATED[name] = module

    @app.command(name, help=summary, context_settings=_PASS_ON)
    def run(ctx: typer.Context) -> None:
        if name in LOOKS_FOR_A_STACK:
            use_local_stack()
        command = typer.main.get_command(import_module(module).app)
        arguments = [name, *ctx.args] if isinstance(command, TyperGroup) else list(ctx.args)
        prog = "livewatch" if isinstance(command, TyperGroup) else f"livewatch {name}"
        code = command.main(arguments, prog_name=prog, standalone_mode=False)
        raise typer.Exit(code if isinstance(code, int) else 0)


_delegate("worker", "pipelines.cli", "Fold telemetry into indicators and flags: one worker.")
_delegate("migrate", "pipelines.cli", "Bring the warehouse's tables to this version.")
_delegate("topics", "pipelines.cli", "Create the Kafka topics.")
_delegate("api", "pipelines.api.command", "Serve flags by HTTP, and keep the ledger.")
_delegate("alerts", "pipelines.alerts.command", "Tell flags to Alertmanager and webhooks.")
_delegate("backtest", "pipelines.backtest.command", "A detector on recorded series.")
_delegate("report", "pipelines.report.command", "The industry report of a day, week or month.")
_delegate("calibrate", "pipelines.backtest.calibrate", "Thresholds of the spike from history.")
_delegate("seasons", "pipelines.backtest.learn_season", "Seasonal factors of the spike.")
_delegate("screen", "grafana.screen.cli", "Serve the page with indicators and flags.")


def main() -> None:
    """Entry point. What the user can mend is one line on stderr."""
    try:
        app(prog_name="livewatch")
    except (UserError, PushError) as error:
        sys.stderr.write(f"livewatch: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        sys.stderr.write(f"livewatch: {of_file(error)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
