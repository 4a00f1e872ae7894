"""Values that contract 1.1 brought: refunds by cohort, answers, reviews, certificates, shipping."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.core.partials import GROUP_METRICS, Partial
from pipelines.core.quantiles import EDGES, quantile
from pipelines.core.spans import TALLY, Spans
from pipelines.core.values import Scope, Values

Ints = npt.NDArray[np.int64]
_ROW = GROUP_METRICS.index(TALLY)
CITY = Scope("city")


def scopes_of(platform: str, category: str) -> tuple[Scope, Scope, Scope]:
    """What a count of a platform's category is part of."""
    return Scope("category", platform, category), Scope("platform", platform), CITY


def _sums(spans: Spans, window: Ints) -> dict[Scope, dict[str, int]]:
    """Counts by scope and kind."""
    out: dict[Scope, dict[str, int]] = {}
    for at in np.flatnonzero(window[_ROW]).tolist():
        key = spans.keys.keys[at]
        if key is not None and key[0] not in ("mcn", "scenario", "night"):
            for scope in scopes_of(key[1], key[2]):
                into = out.setdefault(scope, {})
                into[key[0]] = into.get(key[0], 0) + int(window[_ROW, at])
    return out


def care_values(out: Values, spans: Spans, minute: int) -> None:
    """I10, I13, I14, I16, I17 and I18. What a platform does not tell is unknown."""
    days, hours = spans.days, spans.hours
    windows = {"1d": days.window(minute, 0, 0), "7d": days.window(minute, 0, 6)}
    windows |= {"30d": days.window(minute, 0, 29), "1h": hours.window(minute, 0, 0)}
    for window, sums in windows.items():
        for scope, counts in _sums(spans, sums).items():
            if window in ("7d", "30d") and "refunded" in counts:
                _share(out, "I10", window, scope, counts["refunded"], counts.get("category", 0))
            if window == "7d":
                _quantiles(out, "I13", window, scope, (counts, "response."), 60.0, (0.5, 0.95))
                if "due_48h" in counts:
                    shipped = counts.get("shipped_48h", 0)
                    _share(out, "I18", window, scope, shipped, counts["due_48h"])
            if window == "30d" and "closed" in counts:
                _share(out, "I14", window, scope, counts.get("resolved", 0), counts["closed"])
            if window == "1d" and "begun" in counts:
                _share(out, "I17", window, scope, counts.get("certified", 0), counts["begun"])
            if window == "1h":
                _quantiles(out, "I16", window, scope, (counts, "latency."), 1000.0, (0.95,))


def review_values(out: Values, partials: Iterable[Partial]) -> None:
    """I15: reviewed of the live sessions in the five minutes."""
    sums: dict[Scope, dict[str, int]] = {}
    for partial in partials:
        for i, (name, platform, category) in enumerate(partial.tallies.keys):
            if name in ("live", "reviewed"):
                for scope in scopes_of(platform, category):
                    into = sums.setdefault(scope, {})
                    into[name] = into.get(name, 0) + int(partial.tallies.values["n"][i])
    for scope, counts in sums.items():
        _share(out, "I15", "5m", scope, counts.get("reviewed", 0), counts.get("live", 0))


def _share(out: Values, indicator: str, window: str, scope: Scope, top: int, bottom: int) -> None:
    value = 100 * top / bottom if bottom else float("nan")
    out.add(indicator, window, scope, value, (top, bottom, bottom))


def _quantiles(
    out: Values,
    indicator: str,
    window: str,
    scope: Scope,
    buckets: tuple[dict[str, int], str],
    unit: float,
    wanted: tuple[float, ...],
) -> None:
    """Quantiles of a histogram, a kind a bucket; its edges are in 1 / `unit` of the value."""
    counts, prefix = buckets
    table = np.zeros(len(EDGES[indicator]) + 1, np.int64)
    for name, n in counts.items():
        if name.startswith(prefix):
            table[int(name[len(prefix) :])] += n
    total = int(table.sum())
    for share in wanted if total else ():
        value = quantile(indicator, table, share) / unit
        out.add(indicator, window, scope, value, (0, 0, total), f"p{round(100 * share)}")
