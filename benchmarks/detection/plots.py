"""The plots of the report."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.detection.alerts import Alerts
from benchmarks.detection.sizes import DRIFTS, RISES
from benchmarks.detection.summary import Lifted
from pipelines.core.detect import Grade, SpikePolicy

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def title(rise: str) -> str:
    """x10_on_0_3 as x10 on 0.3."""
    factor, mean = RISES[rise]
    return f"x{factor:g} on {mean:g}"


def alerts(path: Path, policy: SpikePolicy, quiet: dict[float, Alerts]) -> None:
    """False alerts a day by threshold, raised and critical apart; a line ends at its last alert."""
    figure, both = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
    for axes, name, guard, at, goals in (
        (both[0], "watch and raised", policy.min_count, (policy.watch, policy.raised), (1_000, 10)),
        (both[1], "critical", policy.min_count_critical, (policy.critical,), (1, 5)),
    ):
        for drift, found in quiet.items():
            ladder = found.ladders[guard]
            rate = np.where(ladder.alerts > 0, ladder.alerts * found.per_city_day(1.0), np.nan)
            axes.semilogy(ladder.thresholds, rate, label=f"rates walk {drift} a day")
        for threshold in at:
            axes.axvline(threshold, color="grey", linestyle="--", linewidth=1)
        for goal in goals:
            axes.axhline(goal, color="grey", linestyle=":", linewidth=1)
        axes.set(title=name, xlabel="threshold, log odds (dashed: in force)", xlim=(-5, 10))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("alerts a day per 50,000 series (dotted: goals)")
    both[0].legend()
    _save(figure, path)


def found(path: Path, policy: SpikePolicy, lifted: Lifted) -> None:
    """Share found at critical by minutes from the onset, one plot for each drift."""
    figure, both = plt.subplots(1, len(DRIFTS), figsize=(11, 4), sharey=True)
    for (name, drift), (ours, _) in lifted.items():
        held = ours.held[Grade.CRITICAL]
        reached = np.maximum.accumulate(held, axis=0) >= policy.critical
        minutes = 5 * np.arange(1, len(reached) + 1)
        axes = both[DRIFTS.index(drift)]
        axes.plot(minutes, reached.mean(axis=1), marker="o", markersize=3, label=title(name))
    for axes, drift in zip(both, DRIFTS, strict=True):
        axes.set(title=f"rates walk {drift} a day", xlabel="minutes from the onset", ylim=(0, 1))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("share found at critical")
    both[0].legend()
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
