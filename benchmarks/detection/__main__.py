"""`make detection-report`: quality of the complaint-spike detector on simulated truth.

    python -m benchmarks.detection --out report            # says how long it takes
    python -m benchmarks.detection --out report --short    # small sizes: is it all in order?
    python -m benchmarks.detection --calibrate             # thresholds, on the calibration seeds

OUT gets report.json and index.html with plots. The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection import city, page, sizes
from benchmarks.detection.alerts import Alerts, null_alerts, rise
from benchmarks.detection.matched import SCENARIOS, as_published, compare
from benchmarks.detection.oracle import oracle, threshold
from benchmarks.detection.progress import Progress
from benchmarks.detection.sizes import CALIBRATION_SEED, DRIFTS, REPORT_SEED, RISES, Sizes
from benchmarks.detection.summary import Lifted, summary
from benchmarks.detection.worlds import World
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy

_ORACLE_BINS = 600


def nulls(policy: SpikePolicy, size: Sizes, seed: int, progress: Progress) -> dict[float, Alerts]:
    """Stretches without a rise, by drift."""
    return {
        drift: null_alerts(
            policy,
            World.null(size.null_series, seed + int(100 * drift), drift),
            size.null_days,
            size.ticks,
            progress.stage(f"{sizes.NULLS}, drift {drift}"),
        )
        for drift in DRIFTS
    }


def rises(policy: SpikePolicy, size: Sizes, progress: Progress) -> Lifted:
    """By rise and drift: ours, and the share that the oracle finds at its own threshold."""
    out, n = {}, size.rises
    told_at = threshold(policy, size.oracle, _ORACLE_BINS, size.ticks, progress.stage(sizes.ORACLE))
    factors = np.repeat([factor for factor, _ in RISES.values()], n)
    means = np.repeat([mean for _, mean in RISES.values()], n)
    for drift in DRIFTS:
        progress.stage(f"{sizes.RISE}, drift {drift}")
        seed = REPORT_SEED + int(1_000 * drift)
        found = rise(policy, World.of_means(means, seed, drift), factors, size.ticks)
        world = World.of_means(means, seed + 1, drift)
        told = oracle(policy, world, factors, size.ticks, told_at)
        for k, name in enumerate(RISES):
            some = slice(k * n, (k + 1) * n)
            out[name, drift] = found.take(some), float(told[some].mean())
    return out


def calibrate(policy: SpikePolicy, size: Sizes, progress: Progress) -> dict[str, float]:
    """Thresholds for 1,000, 10 and 1 alerts a day; critical also for 5 with drift 0.35."""
    found = nulls(policy, size, CALIBRATION_SEED, progress)
    calm, walking = found[0.1], found[0.35]
    few, many = policy.min_count, policy.min_count_critical
    return {
        "watch": calm.threshold(few, 1_000),
        "raised": calm.threshold(few, 10),
        "critical": calm.threshold(many, 1),
        "critical_drift": walking.threshold(many, 5),
    }


def report(policy: SpikePolicy, size: Sizes, out: Path) -> dict[str, Any]:
    """Run everything; writes report.json and index.html into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    progress = Progress(size.work())
    quiet = nulls(policy, size, REPORT_SEED, progress)
    lifted = rises(policy, size, progress)
    progress.stage(sizes.PEERS)
    published = as_published(10 * size.matched, REPORT_SEED + 700)
    matched = compare(SCENARIOS[:: size.every], size.matched, REPORT_SEED + 500, policy)
    line = summary(policy, quiet, lifted, matched, published)
    line["city"] = city.run(policy, REPORT_SEED + 900, size.city, progress.stage(sizes.CITY_STAGE))
    (out / "report.json").write_text(json.dumps(line, indent=1), "utf-8")
    page.write(out, policy, quiet, lifted, matched, line)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("detection-report"))
    parser.add_argument("--short", action="store_true", help="small sizes: is it all in order?")
    parser.add_argument("--calibrate", action="store_true", help="thresholds for the policy")
    parser.add_argument("--set", action="append", default=[], help="policy field, name=number")
    args = parser.parse_args()
    size = sizes.SHORT if args.short else sizes.FULL
    changes = {k: float(v) for k, v in (item.split("=") for item in args.set)}
    policy = replace(DEFAULT_POLICY, **changes)  # type: ignore[arg-type]
    if args.calibrate:
        print(json.dumps(calibrate(policy, size, Progress(size.work()))))
        return
    print(json.dumps(report(policy, size, args.out)))


if __name__ == "__main__":
    main()
