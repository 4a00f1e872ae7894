"""`livewatch policy check | test | show`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.errors import CommandError

app = typer.Typer(
    name="policy",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Who is told of a flag at which level: the policy file.

    Examples:

        livewatch policy show > policy.yaml      the shipped one, to begin with

        livewatch policy check policy.yaml

        livewatch policy test cases.yaml --policy policy.yaml
    """,
)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The policy, YAML.")]) -> None:
    """Say whether a policy can be used, and if not what is wrong where.

    Example: livewatch policy check policy.yaml
    """
    from pipelines.policy.load import PolicyError, load

    try:
        policy = load(file)
    except PolicyError as error:
        raise CommandError(_lines(error)) from None
    sys.stdout.write(
        f"{file}: policy {policy.name} can be used: {len(policy.grades)} lines of grades, "
        f"{len(policy.maintenance)} maintenance windows, {len(policy.shadow)} in shadow\n"
    )


@app.command("test")
def run_cases(
    file: Annotated[
        Path | None, typer.Argument(help="The cases, YAML; the shipped ones when left out.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="The policy under test; the shipped one.")
    ] = None,
) -> None:
    """Run cases: flags in, level and recipients expected. Exit code 1 where one fails.

    Examples:

        livewatch policy test

        livewatch policy test cases.yaml --policy policy.yaml
    """
    from pipelines.policy.cases import parse_cases, run
    from pipelines.policy.load import PolicyError, default_text, load, read

    try:
        rules = load(policy)
        text = default_text("cases.yaml") if file is None else read(file)
        cases = parse_cases(text, str(file or "the shipped cases"))
        outcomes = [run(case, rules) for case in cases]
    except PolicyError as error:
        raise CommandError(_lines(error), 2) from None
    for outcome in outcomes:
        sys.stdout.write(f"{'FAIL' if outcome.faults else 'ok  '}  {outcome.name}\n")
        for fault in outcome.faults:
            sys.stdout.write(f"        {fault}\n")
    failed = sum(1 for outcome in outcomes if outcome.faults)
    sys.stdout.write(f"{len(outcomes)} cases, {failed} failed\n")
    if failed:
        raise typer.Exit(1)


@app.command()
def show() -> None:
    """Print the shipped policy.

    Example: livewatch policy show > policy.yaml
    """
    from pipelines.policy.load import default_text

    sys.stdout.write(default_text())


def _lines(error: Exception) -> str:
    return str(error).replace("\n", "\nlivewatch: ")
