"""The summary on a terminal: a panel that lives, or plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.demo.figures import Figures, Flag, Indicators
from deploy.stack.status import duration

UNSIGNED = "demo: batches are unsigned"
_COLOURS = {"critical": "bold red", "raised": "yellow", "watch": "dim"}


def panel(figures: Figures, url: str, uptime_s: float) -> Panel:
    """Everything at one look."""
    body = Group(_flow(figures), Text(), _city(figures.indicators), Text(), *_flags(figures))
    title = f"livewatch {url}  up {duration(uptime_s)}"
    return Panel(body, title=title, subtitle=f"{UNSIGNED}; Ctrl-C stops everything", padding=(1, 2))


def lines(figures: Figures) -> Iterator[str]:
    """The same in a few plain lines."""
    stored, lag = _number(figures.stored), _number(figures.lag_records)
    yield (
        f"produced {figures.produced:,} rows, stored {stored}, lag {lag} batches, "
        f"closed through {_clock(figures.watermark)}, "
        f"workers {figures.workers_ready}/{figures.workers}"
    )
    if figures.indicators:
        told = (f"{name} {value}" for name, value in _indicator_texts(figures.indicators))
        yield "  " + ", ".join(told)


def flag_line(flag: Flag) -> str:
    """One flag for plain output, in both languages."""
    return f"  {flag.grade.upper()} {_clock(flag.at)} {flag.zh} | {flag.en}"


def _flow(figures: Figures) -> Table:
    table = Table.grid(padding=(0, 3))
    produced_at = datetime.fromtimestamp(figures.produced_event_ms / 1000, UTC)
    lag_s = "" if figures.lag_seconds is None else f" ({figures.lag_seconds:.1f} s)"
    for pair in (
        ("samples produced", f"{figures.produced:,}", "event time", _clock(produced_at)),
        ("samples stored", _number(figures.stored), "closed through", _clock(figures.watermark)),
        ("lag, batches", _number(figures.lag_records) + lag_s, "late rows",
         _number(figures.late_rows)),
        ("workers ready", f"{figures.workers_ready} of {figures.workers}", "flags", ", ".join(
            f"{grade} {count}" for grade, count in sorted(figures.flag_counts.items())) or "none"),
    ):  # fmt: skip
        table.add_row(*pair)
    return table


def _city(indicators: Indicators | None) -> Table | Text:
    if indicators is None:
        return Text("no closed minute yet: the first closes 2 minutes of event time later")
    table = Table.grid(padding=(0, 3))
    texts = list(_indicator_texts(indicators))
    for left, right in zip(texts[::2], texts[1::2], strict=True):
        table.add_row(*left, *right)
    return table


def _indicator_texts(now: Indicators) -> Iterator[tuple[str, str]]:
    yield "I01 active sessions", f"{now.active:,}"
    yield "I02 viewers", f"{now.viewers:,}"
    yield "I04 orders a minute", f"{now.orders_per_min:,}"
    yield "I05 GMV in 5 min, yuan", f"{now.gmv_5m_yuan:,.0f}"
    yield "I06 order value, yuan", _decimal(now.order_value_yuan)
    yield "I09 orders per 1,000 viewer-min", _decimal(now.orders_per_1000_viewer_min)
    yield "I11 complaints per 10,000 orders", _decimal(now.complaints_per_10000)
    yield "I22 completeness, %", _decimal(now.completeness_pct)


def _flags(figures: Figures) -> Iterator[Text]:
    if not figures.flags:
        yield Text("no complaint spike has been raised yet")
    for flag in figures.flags:
        head = f"{flag.grade:<8} {_clock(flag.at)} {flag.entity_type}, {flag.state}"
        yield Text(head, style=_COLOURS.get(flag.grade, ""))
        yield Text(f"   {flag.zh}")
        yield Text(f"   {flag.en}", style="dim")


def _clock(when: datetime | None) -> str:
    return f"{when:%m-%d %H:%M} UTC" if when else "unknown"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _decimal(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
