"""`livewatch doctor` and `livewatch ops retention`: commands that only look."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from deploy.operations.commands import HomeOption
from deploy.stack import statefile
from deploy.stack.home import Home
from deploy.stack.settings import HOST, default_home


def doctor(
    home: HomeOption = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(help="Base URL of a worker's pages.", show_default="the local stack's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at everything and say in plain words what is wrong, and which page helps.

    Exit code 0 when all is well, 1 when something is not.

    Examples:

        livewatch doctor

        livewatch doctor --worker http://10.0.0.5:6066 --worker http://10.0.0.6:6066
    """
    from deploy.operations.doctor import examine
    from deploy.operations.target import target

    at = target(home)
    root = (home or default_home()).expanduser().absolute()
    state = statefile.read(Home(root).state_file)
    urls = worker or ([] if state is None else _pages(state))
    found = examine(at, urls, [root] if root.is_dir() else [])
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], ensure_ascii=False) + "\n")
    else:
        for one in found:
            page = f"  -> docs/runbooks/{one.page}.md" if one.page else ""
            sys.stdout.write(f"{'ok ' if one.well else 'BAD'}  {one.what}: {one.said}{page}\n")
    if not all(one.well for one in found):
        raise typer.Exit(1)


def retention(home: HomeOption = None) -> None:
    """Show how long everything is kept, as declared and as it is; exit code 1 where they differ.

    Examples:

        livewatch ops retention
    """
    from deploy.operations.retention import of_tables, of_topics
    from deploy.operations.tables import client
    from deploy.operations.target import admin, plain_errors, target

    at = target(home)
    with plain_errors(at), admin(at) as kafka, client(at) as db:
        lines = [*of_tables(db), *of_topics(kafka, at)]
    for one in lines:
        mark = "ok " if one.as_declared else "BAD"
        said = "missing" if one.actual is None else one.actual
        more = "" if one.as_declared else f" (declared: {one.declared})"
        sys.stdout.write(f"{mark}  {one.what}  {one.setting} = {said}{more}\n")
    if not all(one.as_declared for one in lines):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add these verbs to `livewatch ops`."""
    app.command()(retention)


def _pages(state: statefile.State) -> list[str]:
    names = [n for n in state.processes if n.startswith("w") and n[1:].isdigit()]
    return [f"http://{HOST}:{state.processes[n].ports['http']}" for n in sorted(names)]
