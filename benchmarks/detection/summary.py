"""The last line of the report: one JSON object."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.alerts import Alerts, Found
from benchmarks.detection.matched import FALSE_RATES, Result
from benchmarks.detection.sizes import DRIFTS, RISES
from pipelines.core.detect import Grade, SpikePolicy

Lifted = dict[tuple[str, float], tuple[Found, float]]
"""By rise and drift: ours, and the share that the oracle finds."""


def summary(
    policy: SpikePolicy,
    quiet: dict[float, Alerts],
    lifted: Lifted,
    matched: list[Result],
    published: dict[str, float],
) -> dict[str, Any]:
    """All but the city."""
    line: dict[str, Any] = {}
    for drift, alerts in quiet.items():
        name = "null" if drift == DRIFTS[0] else "drift"
        for grade in sorted(Grade, reverse=True):
            key = f"{name}_{grade.name.lower()}"
            line[f"{key}_per_day"] = per_day(alerts, policy, grade)
        line[f"{name}_critical_alerts"] = count(alerts, policy, Grade.CRITICAL)
        line[f"{name}_critical_episodes_per_day"] = round(
            alerts.per_city_day(alerts.grades[Grade.CRITICAL.name]), 2
        )
    for (name, drift), (found, bound) in lifted.items():
        line |= _rise(name + suffix(drift), policy, found, bound)
    line["delay_p50_bins"] = line[f"delay_p50_bins_{next(iter(RISES))}"]
    line["peers_as_published_per_day"] = published
    return line | _beside(matched)


def suffix(drift: float) -> str:
    """Of the keys of rises in a world that walks so far a day."""
    return "" if drift == DRIFTS[0] else "_drift_0_35"


def count(alerts: Alerts, policy: SpikePolicy, grade: Grade) -> int:
    """Alerts at a grade's threshold."""
    ladder = alerts.ladders[policy.guard(grade)]
    at = int(np.searchsorted(ladder.thresholds, policy.threshold(grade) - 1e-9))
    return int(ladder.alerts[at])


def per_day(alerts: Alerts, policy: SpikePolicy, grade: Grade) -> float:
    """The same a day per 50,000 series."""
    return round(alerts.per_city_day(count(alerts, policy, grade)), 2)


def _rise(name: str, policy: SpikePolicy, found: Found, bound: float) -> dict[str, Any]:
    line: dict[str, Any] = {f"found_{name}": round(found.share(policy.critical), 3)}
    line[f"oracle_{name}"] = round(bound, 3)
    line[f"found_raised_{name}"] = round(found.share(policy.raised, Grade.RAISED), 3)
    for kind, grade in (("", Grade.CRITICAL), ("raised_", Grade.RAISED)):
        delays = found.delays(policy.threshold(grade), grade)
        line[f"delay_{kind}p50_bins_{name}"] = float(np.median(delays)) if delays.size else None
    return line


def _beside(matched: list[Result]) -> dict[str, Any]:
    asked = [r for r in matched if r.asked]
    return {
        "false_rates": FALSE_RATES,
        "scenarios": {
            r.scenario.name: {
                "yield": round(r.scenario.yields, 1),
                **{k: [[round(x, 3) for x in pair] for pair in v] for k, v in r.found.items()},
            }
            for r in matched
        },
        "scenarios_asked": len(asked),
        "not_above": {r.scenario.name: r.below() for r in asked if r.below()},
    }
