"""`livewatch flags ...`: the operator's way to the ledger, straight to Kafka and ClickHouse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.errors import CommandError
from pipelines.ledger.acting import FlagId, ack, appeal, clear, decide

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


@app.command()
def evidence(
    flag_id: FlagId,
    out: Annotated[Path, typer.Option(help="File to write: .json, or .html for one page.")],
) -> None:
    """Everything that is kept of one flag, its score computed again from the stored inputs.

    Exit code 1 where a score does not agree with what was stored; the file is written all the same.

    Examples:

        livewatch flags evidence FLAG --out flag.json

        livewatch flags evidence FLAG --out flag.html
    """
    from pipelines.ledger.evidence_page import page
    from pipelines.ledger.export import collect

    if out.suffix not in (".json", ".html"):
        raise CommandError(f"--out must end in .json or .html, not {out.name!r}", 2)
    found = _collected(flag_id, collect)
    text = page(found) if out.suffix == ".html" else json.dumps(found, ensure_ascii=False, indent=1)
    try:
        out.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise CommandError(f"--out: {out}: {error.strerror}", 2) from None
    wrong = sum(one["recomputed"]["agrees"] is False for one in found["decisions"])
    sys.stdout.write(f"{out}: {len(found['decisions'])} decisions, {wrong} that do not agree\n")
    if wrong:
        raise typer.Exit(1)


def _collected(flag_id: str, collect: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    from pipelines.cli import settings
    from pipelines.ledger.errors import LedgerError

    entries: list[Entry] = []
    book = _book(lambda e: entries.append(e) if e.flag_id == flag_id else None)
    if flag_id not in book.files:
        raise CommandError(f"there is no flag {flag_id}")
    try:
        return collect(settings(), book.files[flag_id], entries)
    except LedgerError as error:
        raise CommandError(str(error)) from None


for _acting in (ack, appeal, decide, clear):
    app.command()(_acting)


@app.command()
def verify(
    anchor: Annotated[
        str, typer.Option(help="NUMBER:HASH that was noted down elsewhere, of an earlier verify.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Walk the chain in the topic and in the table, and tell where it was tampered with.

    Exit code 1 where anything is wrong. The last line's head, kept elsewhere, finds an end cut off
    both copies: give it back with --anchor.

    Examples:

        livewatch flags verify

        livewatch flags verify --anchor 1041:9f3c...
    """
    from pipelines.cli import settings
    from pipelines.ledger.errors import LedgerError
    from pipelines.ledger.verify import verify as look
    from pipelines.policy.load import PolicyError, load

    number, _, hash_ = anchor.partition(":")
    if anchor and not (number.isdigit() and hash_):
        raise CommandError("--anchor must be NUMBER:HASH", 2)
    try:
        config = settings()
        opens_from = load(config.policy_file).opens_from
        found = look(config, (int(number), hash_) if anchor else None, opens_from)
    except (LedgerError, PolicyError) as error:
        raise CommandError(str(error)) from None
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), ensure_ascii=False) + "\n")
    else:
        for line in found.lines():
            sys.stdout.write(line + "\n")
    if found.findings:
        raise typer.Exit(1)


@app.command()
def refill() -> None:
    """Fill the ledger's table again from its topic: what differs is replaced.

    Look with `flags verify` first: which of the two copies is right is for a person to say
    (docs/runbooks/chain-broken.md).

    Example: livewatch flags refill
    """
    from pipelines.cli import settings
    from pipelines.ledger.errors import LedgerError
    from pipelines.ledger.verify import refill as fill

    try:
        rows = fill(settings())
    except LedgerError as error:
        raise CommandError(str(error)) from None
    sys.stdout.write(f"{rows} entries filled in\n")


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
