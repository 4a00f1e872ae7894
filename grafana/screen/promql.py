"""The few shapes of PromQL that the dashboards use, over samples read from /metrics directly.

For a machine without a Prometheus: `sum by (a) (rate(m[1m]))`, `max(m)`, `histogram_quantile`.
Everything else is refused, so that a dashboard never shows a figure that Prometheus would not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Labels = tuple[tuple[str, str], ...]
Snapshot = tuple[float, Mapping[tuple[str, Labels], float]]
"""(clock time in seconds, value by name and labels), of all targets together."""

_QUANTILE: Final = re.compile(r"histogram_quantile\(([0-9.]+), (.+)\)")
_AGGREGATE: Final = re.compile(r"(sum|max|min)(?: by \(([\w, ]+)\))? ?\((.+)\)")
_RATE: Final = re.compile(r"rate\((\w+)\[(\d+)([sm])\]\)")
_NAME: Final = re.compile(r"\w+")
_AGGREGATES: Final[dict[str, Callable[[Iterable[float]], float]]] = {
    "sum": sum,
    "max": max,
    "min": min,
}


class UnknownExpressionError(ValueError):
    """An expression of a shape that is not evaluated here."""


@dataclass(frozen=True)
class Expression:
    """aggregate by labels of a metric, or of its rate over `window_s`; then maybe a quantile."""

    metric: str
    aggregate: str
    by: tuple[str, ...]
    window_s: int | None = None
    quantile: float | None = None


def parse(text: str) -> Expression:
    """Raises UnknownExpressionError."""
    quantile = _QUANTILE.fullmatch(text)
    share, inner = (float(quantile[1]), quantile[2]) if quantile else (None, text)
    found = _AGGREGATE.fullmatch(inner)
    if found is None:
        raise UnknownExpressionError(text)
    by = tuple(b.strip() for b in (found[2] or "").split(",") if b.strip())
    rated = _RATE.fullmatch(found[3])
    if rated:
        window = int(rated[2]) * {"s": 1, "m": 60}[rated[3]]
        return Expression(rated[1], found[1], by, window, share)
    if not _NAME.fullmatch(found[3]):
        raise UnknownExpressionError(text)
    return Expression(found[3], found[1], by, None, share)


def evaluate(
    expression: Expression, history: Sequence[Snapshot], at: int
) -> dict[Labels, float | None]:
    """Value by the labels of `by` at the snapshot `at`; a quantile of nothing is None."""
    groups: dict[Labels, list[float]] = defaultdict(list)
    values = _values(expression, history, at)
    for labels, value in values.items():
        kept = tuple((k, v) for k, v in labels if k in expression.by)
        groups[kept].append(value)
    combine = _AGGREGATES[expression.aggregate]
    combined = {labels: combine(found) for labels, found in groups.items()}
    if expression.quantile is None:
        return dict(combined)
    return _quantiles(expression.quantile, combined)


def _values(expression: Expression, history: Sequence[Snapshot], at: int) -> dict[Labels, float]:
    name, window = expression.metric, expression.window_s
    time, now = history[at]
    current = {labels: v for (metric, labels), v in now.items() if metric == name}
    if window is None:
        return current
    span = [s for s in history[: at + 1] if time - s[0] <= window]
    if len(span) < 2:
        return {}
    rates = {}
    for labels in current:
        seen = [(t, s[name, labels]) for t, s in span if (name, labels) in s]
        if len(seen) >= 2:
            rates[labels] = _increase([v for _, v in seen]) / (seen[-1][0] - seen[0][0])
    return rates


def _increase(values: Sequence[float]) -> float:
    """Of a counter; where it fell it began again at zero."""
    return sum(b - a if b >= a else b for a, b in pairwise(values))


def _quantiles(share: float, buckets: Mapping[Labels, float]) -> dict[Labels, float | None]:
    """Linear within a bucket, as Prometheus does it; the last bucket gives its lower edge."""
    series: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, count in buckets.items():
        edge = float(dict(labels)["le"].replace("+Inf", "inf"))
        series[tuple(p for p in labels if p[0] != "le")].append((edge, count))
    return {labels: _quantile(share, sorted(found)) for labels, found in series.items()}


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    total = buckets[-1][1]
    if total <= 0:
        return None
    wanted, low, below = share * total, 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if edge == float("inf"):
                return low
            inside = count - below
            return low + (edge - low) * ((wanted - below) / inside if inside > 0 else 1.0)
        low, below = edge, count
    return low
