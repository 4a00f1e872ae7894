"""Charts as SVG: text stays text, the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

Bar = tuple[str, float | None, str]
"""Label, value (None: not shown), and the value as it is written."""
_INK, _BAR, _SOFT = "#1f2d3d", "#0b6e75", "#d9dee3"
#: So many bars have room for their figures.
_WITH_FIGURES = 8
_STYLE = 'font-family="inherit" font-size="11"'


def columns(bars: Sequence[Bar], title: str, unit: str) -> str:
    """Upright bars, for what has an order in time. Every bar's value is in its tooltip."""
    width, height, left, top = 680.0, 190.0, 8.0, 34.0
    floor = height - 22
    step = (width - 2 * left) / max(len(bars), 1)
    most = max((v for _, v, _ in bars if v), default=0.0) or 1.0
    every = max(1, -(-len(bars) // 16))
    wide = min(step * 0.7, 48.0)
    parts = [_open(width, height, title), _axis(left, width, floor)]
    for i, (label, value, said) in enumerate(bars):
        x, tall = left + i * step, 0.0 if value is None else (floor - top) * value / most
        if value is None:
            parts.append(
                _hatched(
                    x + (step - wide) / 2,
                    top + (floor - top) * 0.85,
                    wide,
                    (floor - top) * 0.15,
                    label,
                    said,
                )
            )
        else:
            parts.append(_bar(x + (step - wide) / 2, floor - tall, wide, tall, label, said))
            if len(bars) <= _WITH_FIGURES:
                parts.append(_text(x + step / 2, floor - tall - 4, said, "middle"))
        if i % every == 0:
            parts.append(_text(x + step / 2, height - 6, label, "middle"))
    peak = max(bars, key=lambda b: b[1] or 0.0, default=None)
    caption = unit
    if peak is not None and peak[1] and len(bars) > _WITH_FIGURES:
        caption = f"{unit} · {peak[0]}: {peak[2]}"
    parts.append(_text(left, 12, caption, "start"))
    return "".join([*parts, "</svg>"])


def rows(bars: Sequence[Bar], title: str) -> str:
    """Lying bars with their labels, the largest first."""
    height, label_width, width = 20.0, 150.0, 680.0
    room = width - label_width - 130
    most = max((v for _, v, _ in bars if v), default=0.0) or 1.0
    parts = [_open(width, height * len(bars) + 4, title)]
    for i, (label, value, said) in enumerate(bars):
        y = i * height + 3
        parts.append(_text(label_width - 8, y + 11, label, "end"))
        if value is None:
            parts.append(_hatched(label_width, y, 40, height - 7, label, said))
            parts.append(_text(label_width + 48, y + 11, said, "start"))
        else:
            wide = max(room * value / most, 1.0)
            parts.append(_bar(label_width, y, wide, height - 7, label, said))
            parts.append(_text(label_width + wide + 6, y + 11, said, "start"))
    return "".join([*parts, "</svg>"])


def _open(width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'role="img" aria-label={quoteattr(title)} {_STYLE} fill="{_INK}">'
        f'<defs><pattern id="gone" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="2" height="5" fill="{_SOFT}"/>'
        "</pattern></defs>"
    )


def _axis(left: float, width: float, y: float) -> str:
    ends = f'x1="{_n(left)}" x2="{_n(width - left)}" y1="{_n(y)}" y2="{_n(y)}"'
    return f'<line {ends} stroke="{_SOFT}"/>'


def _bar(x: float, y: float, width: float, height: float, label: str, said: str) -> str:
    return _rect(x, y, width, height, f'fill="{_BAR}"', label, said)


def _hatched(x: float, y: float, width: float, height: float, label: str, said: str) -> str:
    return _rect(x, y, width, height, f'fill="url(#gone)" stroke="{_SOFT}"', label, said)


def _rect(x: float, y: float, width: float, height: float, fill: str, label: str, said: str) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" {fill}>'
        f"<title>{escape(label)}: {escape(said)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
