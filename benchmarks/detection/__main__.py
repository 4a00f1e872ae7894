"""`make detection-report`: quality of the complaint-spike detector on simulated truth.

    python -m benchmarks.detection --out report            # about 25 minutes of one core
    python -m benchmarks.detection --out report --short    # a tenth of the sizes, for CI
    python -m benchmarks.detection --calibrate             # thresholds, on the calibration seeds

OUT gets report.json and index.html with plots. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection import city, page
from benchmarks.detection.alerts import Alerts, Found, null_alerts, rise
from benchmarks.detection.matched import FALSE_RATES, MIN_YIELD, SCENARIOS, Result, compare
from benchmarks.detection.oracle import oracle
from benchmarks.detection.worlds import World
from pipelines.core.detect import DEFAULT_POLICY, Grade, SpikePolicy

CALIBRATION_SEED, REPORT_SEED = 20_201_204, 7_310_115
DRIFTS = (0.1, 0.35)
RISES = {
    "x5_on_1": (5.0, 1.0),
    "x10_on_0_3": (10.0, 0.3),
    "x3_on_5": (3.0, 5.0),
    "x2_on_20": (2.0, 20.0),
}


@dataclass(frozen=True)
class Sizes:
    """How much is simulated."""

    null_series: int
    null_days: int
    rises: int
    matched: int
    city_days: int
    ticks: int
    scenarios: int


FULL = Sizes(50_000, 3, 1_000, 100, 1, 5, len(SCENARIOS))
SHORT = Sizes(1_500, 1, 100, 20, 0, 3, 6)
MIDDLE = Sizes(12_000, 3, 400, 40, 1, 3, len(SCENARIOS))


class Progress:
    """One line on stderr: the stage, how far it is, since when."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def stage(self, name: str) -> Callable[[float], None]:
        def show(share: float) -> None:
            seconds = time.monotonic() - self.start
            sys.stderr.write(f"\r{seconds:6.0f} s  {name} {share:4.0%}\033[K")
            sys.stderr.flush()

        show(0.0)
        return show

    def done(self) -> None:
        sys.stderr.write("\n")


def nulls(policy: SpikePolicy, sizes: Sizes, seed: int, progress: Progress) -> dict[float, Alerts]:
    """Stretches without a rise, by drift."""
    return {
        drift: null_alerts(
            policy,
            World.null(sizes.null_series, seed + int(100 * drift), drift),
            sizes.null_days,
            sizes.ticks,
            progress.stage(f"null, drift {drift}"),
        )
        for drift in DRIFTS
    }


def rises(
    policy: SpikePolicy, sizes: Sizes, progress: Progress
) -> dict[tuple[str, float], tuple[Found, float]]:
    """By rise and drift: ours, and the share that the oracle finds at its own threshold."""
    out, n = {}, sizes.rises
    factors = np.repeat([factor for factor, _ in RISES.values()], n)
    means = np.repeat([mean for _, mean in RISES.values()], n)
    for drift in DRIFTS:
        progress.stage(f"rises, drift {drift}")(0.0)
        seed = REPORT_SEED + int(1_000 * drift)
        world = World.of_means(means, seed, drift)
        found = rise(policy, world, factors, sizes.ticks)
        told = oracle(policy, World.of_means(means, seed + 1, drift), factors)
        for k, name in enumerate(RISES):
            some = slice(k * n, (k + 1) * n)
            out[name, drift] = found.take(some), float(told[some].mean())
    return out


def calibrate(policy: SpikePolicy, sizes: Sizes, progress: Progress) -> dict[str, float]:
    """Thresholds for 1,000, 10 and 1 alerts a day; critical also for 5 with drift 0.35."""
    found = nulls(policy, sizes, CALIBRATION_SEED, progress)
    calm, walking = found[0.1], found[0.35]
    few, many = policy.min_count, policy.min_count_critical
    return {
        "watch": calm.threshold(few, 1_000),
        "raised": calm.threshold(few, 10),
        "critical": calm.threshold(many, 1),
        "critical_drift": walking.threshold(many, 5),
    }


def per_day(alerts: Alerts, guard: int, threshold: float) -> float:
    """Alerts a day per 50,000 series at a threshold."""
    ladder = alerts.ladders[guard]
    at = int(np.searchsorted(ladder.thresholds, threshold - 1e-9))
    return round(alerts.per_city_day(float(ladder.alerts[at])), 2)


def episodes(alerts: Alerts, grade: Grade) -> float:
    """Episodes of the book that reached ``grade``, a day per 50,000 series."""
    return round(alerts.per_city_day(alerts.grades[grade.name]), 2)


def summary(
    policy: SpikePolicy,
    quiet: dict[float, Alerts],
    lifted: dict[tuple[str, float], tuple[Found, float]],
    matched: list[Result],
) -> dict[str, Any]:
    """The last line."""
    guard, h = policy.min_count_critical, policy.critical
    line: dict[str, Any] = {
        "null_critical_per_day": per_day(quiet[0.1], guard, h),
        "drift_critical_per_day": per_day(quiet[0.35], guard, h),
        "null_critical_episodes_per_day": episodes(quiet[0.1], Grade.CRITICAL),
        "drift_critical_episodes_per_day": episodes(quiet[0.35], Grade.CRITICAL),
        "null_raised_per_day": per_day(quiet[0.1], policy.min_count, policy.raised),
        "null_watch_per_day": per_day(quiet[0.1], policy.min_count, policy.watch),
    }
    for (name, drift), (found, bound) in lifted.items():
        suffix = "" if drift == DRIFTS[0] else "_drift_0_35"
        line[f"found_{name}{suffix}"] = round(found.share(h), 3)
        line[f"oracle_{name}{suffix}"] = round(bound, 3)
    delays = lifted["x5_on_1", DRIFTS[0]][0].delays(h)
    line["delay_p50_bins"] = float(np.median(delays)) if delays.size else None
    line["false_rates"] = FALSE_RATES
    line["scenarios"] = {
        r.scenario.name: {
            "yield": round(r.scenario.yields, 1),
            **{k: [[round(x, 3) for x in pair] for pair in v] for k, v in r.found.items()},
        }
        for r in matched
    }
    asked = [r for r in matched if r.scenario.yields >= MIN_YIELD]
    line["not_above"] = {r.scenario.name: r.below() for r in asked if r.below()}
    return line


def report(policy: SpikePolicy, sizes: Sizes, out: Path) -> dict[str, Any]:
    """Run everything; writes report.json and index.html into ``out``."""
    progress = Progress()
    quiet = nulls(policy, sizes, REPORT_SEED, progress)
    lifted = rises(policy, sizes, progress)
    progress.stage("beside the peers")(0.0)
    chosen = SCENARIOS[:: len(SCENARIOS) // sizes.scenarios]
    matched = compare(chosen, sizes.matched, REPORT_SEED + 500, policy)
    line = summary(policy, quiet, lifted, matched)
    if sizes.city_days:
        line["city"] = city.run(
            policy, REPORT_SEED + 900, sizes.city_days, progress.stage("the sparse city")
        )
    progress.done()
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(line, indent=1), "utf-8")
    page.write(out, policy, quiet, lifted, matched, line)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("detection-report"))
    parser.add_argument("--short", action="store_true", help="small sizes: is it all in order?")
    parser.add_argument("--middle", action="store_true", help="about a fifth of the sizes")
    parser.add_argument("--calibrate", action="store_true", help="thresholds for the policy")
    parser.add_argument("--set", action="append", default=[], help="policy field, name=number")
    args = parser.parse_args()
    sizes = SHORT if args.short else MIDDLE if args.middle else FULL
    changes = {k: float(v) for k, v in (item.split("=") for item in args.set)}
    policy = replace(DEFAULT_POLICY, **changes)  # type: ignore[arg-type]
    if args.calibrate:
        print(json.dumps(calibrate(policy, sizes, Progress())))
        return
    print(json.dumps(report(policy, sizes, args.out)))


if __name__ == "__main__":
    main()
