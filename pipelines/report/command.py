"""`livewatch report`: the periodic industry report."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from clickhouse_driver import errors as driver_errors

from pipelines.cli import settings
from pipelines.errors import CommandError
from pipelines.report.model import Audience, Period, span_of

app = typer.Typer(add_completion=False)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="File to write: .html or .pdf.")],
    period: Annotated[Period, typer.Option(help="Its length; weeks begin on Monday.")] = Period.DAY,
    audience: Annotated[
        Audience, typer.Option(help="Who reads it: everybody, city agencies, or one platform.")
    ] = Audience.PUBLIC,
    lang: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    day: Annotated[
        str, typer.Option("--date", help="A day of the period.", show_default="the last whole one")
    ] = "",
    platform: Annotated[str, typer.Option(help="With --audience platform: which.")] = "",
) -> None:
    """Write the industry report of a day, a week or a month.

    For the public and for agencies it is made of published days only (livewatch ops publish); for a
    platform of its own figures. The same data gives the same bytes. Page: docs/reports.md

    Examples:

        livewatch report --period week --out week.pdf

        livewatch report --period month --audience agency --lang en --date 2026-11-01 --out m.html

        livewatch report --audience platform --platform p-one --out p-one.pdf
    """
    from pipelines.report.gather import NothingThereError, gather
    from pipelines.report.pdf import PdfError, pdf
    from pipelines.report.render import html
    from pipelines.warehouse.client import connect

    if lang not in ("zh", "en"):
        raise CommandError("--lang must be zh or en", 2)
    if out.suffix not in (".html", ".pdf"):
        raise CommandError("--out must end in .html or .pdf", 2)
    if (audience is Audience.PLATFORM) != bool(platform):
        raise CommandError("--platform names whose report it is, with --audience platform", 2)
    config = settings()
    span = span_of(period, _day(day))
    try:
        with connect(config) as db:
            text = html(gather(db, audience, span, platform), "zh" if lang == "zh" else "en")
    except NothingThereError as error:
        how = "livewatch ops rollup" if platform else "livewatch ops publish"
        raise CommandError(f"{error}: {how}") from None
    except (driver_errors.Error, OSError, EOFError) as error:
        where = f"{config.clickhouse_host}:{config.clickhouse_port}"
        raise CommandError(f"ClickHouse at {where}: {str(error).splitlines()[0]}") from None
    try:
        whole = pdf(text, f"{span.last:%Y%m%d}") if out.suffix == ".pdf" else text.encode()
        out.write_bytes(whole)
    except PdfError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"--out: {error.strerror}: {out}") from None
    typer.echo(f"{out}: {span.first} to {span.last}, {len(whole):,} bytes")


_YEARS = 2000, 2100


def _day(text: str) -> date:
    if not text:
        return (datetime.now(UTC) + timedelta(hours=8)).date() - timedelta(days=1)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--date: {text} is no day, such as 2026-11-20", 2) from None
    if not _YEARS[0] <= day.year <= _YEARS[1]:
        raise CommandError(f"--date must be in the years {_YEARS[0]} to {_YEARS[1]}", 2)
    return day
