"""`livewatch flags ...`: the operator's way to the ledger, straight to Kafka and ClickHouse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.errors import CommandError

if TYPE_CHECKING:
    from pipelines.core.ledger.book import Book
    from pipelines.core.ledger.entry import Entry

app = typer.Typer(
    name="flags",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Flags and their files: what was decided about each, by whom and why.

    Kafka and ClickHouse are found through LIVEWATCH_BOOTSTRAP, LIVEWATCH_CLICKHOUSE_HOST and so on.

    Examples:

        livewatch flags list --state OPEN --level warning

        livewatch flags show F01:merchant/p01/9f3c...:1772596800000

        livewatch flags ack FLAG --account lin

        livewatch flags verify
    """,
)
FlagId = Annotated[str, typer.Argument(help="The flag's id, as `flags list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def show_list(
    state: Annotated[str, typer.Option(help="OPEN, ACKED, APPEALED, ...")] = "",
    level: Annotated[str, typer.Option(help="notice, warning or action, and above.")] = "",
    rule: Annotated[str, typer.Option(help="F01 to F12.")] = "",
    platform: Annotated[str, typer.Option(help="Id of a platform.")] = "",
    district: Annotated[str, typer.Option(help="Code of a district.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List flags, the newest first.

    Examples:

        livewatch flags list --state OPEN

        livewatch flags list --level warning --platform p01 --json
    """
    from itertools import islice

    from pipelines.ledger.output import table
    from pipelines.ledger.read import Filter, newest_first
    from pipelines.ledger.read import as_json as told

    if level not in ("", "notice", "warning", "action"):
        raise CommandError(f"--level must be notice, warning or action, not {level!r}", 2)
    chosen = Filter(state.upper(), rule.upper(), platform, level, district)
    book = _book()
    found = list(islice(newest_first(reversed(book.files.values()), chosen, None), limit))
    if as_json:
        for file in found:
            sys.stdout.write(json.dumps(told(file), ensure_ascii=False) + "\n")
        return
    table([told(file) for file in found])


@app.command()
def show(flag_id: FlagId, as_json: Json = False) -> None:
    """Show one flag: its figures, its file, and every entry of the ledger about it.

    Example: livewatch flags show F01:merchant/p01/9f3c...:1772596800000
    """
    from pipelines.ledger.output import lines
    from pipelines.ledger.read import as_json as told
    from pipelines.ledger.read import entry_json

    entries: list[Entry] = []
    book = _book(lambda e: entries.append(e) if e.flag_id == flag_id else None)
    file = book.files.get(flag_id)
    if file is None:
        raise CommandError(f"there is no flag {flag_id}")
    found = told(file) | {
        "figures": _figures(flag_id),
        "entries": [entry_json(entry) for entry in entries],
    }
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, default=str) + "\n")
        return
    for line in lines(found):
        sys.stdout.write(line + "\n")


def _book(on_entry: Callable[[Entry], None] | None = None) -> Book:
    from pipelines.cli import settings
    from pipelines.core.ledger.book import BrokenChainError
    from pipelines.ledger.errors import LedgerError
    from pipelines.ledger.read import snapshot

    try:
        return snapshot(settings(), on_entry)
    except BrokenChainError as error:
        raise CommandError(f"{error}; see docs/runbooks/chain-broken.md") from None
    except LedgerError as error:
        raise CommandError(str(error)) from None


def _figures(flag_id: str) -> dict[str, Any] | None:
    """None, and a word on stderr, where ClickHouse does not answer: unknown is not zero."""
    from clickhouse_driver import errors as driver_errors

    from pipelines.cli import settings
    from pipelines.ledger.read import figures
    from pipelines.warehouse.client import connect

    try:
        with connect(settings()) as client:
            return figures(client, [flag_id]).get(flag_id)
    except (driver_errors.Error, OSError, EOFError) as error:
        typer.echo(f"livewatch: figures unknown, ClickHouse: {type(error).__name__}", err=True)
        return None
