"""The evidence of a flag as one page, Chinese first; nothing is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipelines.ledger.evidence import shanghai

_WIDE, _HIGH, _LEFT, _BASE = 720, 220, 40, 190
_BAR = 0.7


def page(document: Mapping[str, Any]) -> str:
    """HTML, self-contained."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["shanghai"] = shanghai
    text = resources.files(__package__).joinpath("evidence.html").read_text("utf-8")
    risen = [d for d in document["decisions"] if d["event"] in ("opened", "escalated")]
    plots = [plot(d["window"]) for d in risen]
    return environment.from_string(text).render(
        file=document["file"], wider=document["wider_flag"], entries=document["entries"],
        risen=list(zip(risen, plots, strict=True)), made_at=document["made_at"],
    )  # fmt: skip


def plot(bins: list[dict[str, Any]]) -> Markup:
    """Counts as bars, what was expected as steps; a bin that is unknown is hatched. SVG."""
    if not bins:
        return Markup("")
    high = max(
        [1.0, *(float(b[k]) for b in bins for k in ("observed", "expected") if b[k] is not None)]
    )
    step = (_WIDE - _LEFT) / len(bins)
    parts = [_axis(high)]
    for number, one in enumerate(bins):
        x = _LEFT + number * step
        parts.append(_bar(x, step, one, high, last=number == len(bins) - 1))
    starts = [shanghai(one["start"]) for one in bins]
    days = len(bins) > 1 and starts[0][11:] == starts[-1][11:]
    shown = [start[5:10] if days else start[11:] for start in starts]
    labels = [_label(_LEFT + n * step, shown[n]) for n in (0, len(bins) - 1)]
    body = "".join([*parts, *labels])
    # The parts hold numbers and times of ours only.
    head = f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="数量 counts">'
    return Markup(f"{head}{body}</svg>")  # noqa: S704


def _bar(x: float, step: float, one: Mapping[str, Any], high: float, *, last: bool) -> str:
    wide = step * _BAR
    if one["observed"] is None:
        return (
            f'<rect class="unknown" x="{x:.1f}" y="10" width="{wide:.1f}" height="{_BASE - 10}"/>'
        )
    tall = (_BASE - 10) * float(one["observed"]) / high
    kind = "own" if last else "bar"
    place = f'x="{x:.1f}" y="{_BASE - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
    out = f'<rect class="{kind}" {place}/>'
    if one["expected"] is not None:
        y = _BASE - (_BASE - 10) * float(one["expected"]) / high
        out += f'<line class="usual" x1="{x:.1f}" x2="{x + step:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return out


def _axis(high: float) -> str:
    return (
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDE}" y1="{_BASE}" y2="{_BASE}"/>'
        f'<text x="{_LEFT - 6}" y="16" text-anchor="end">{high:g}</text>'
        f'<text x="{_LEFT - 6}" y="{_BASE}" text-anchor="end">0</text>'
    )


def _label(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{_BASE + 18}">{text}</text>'
