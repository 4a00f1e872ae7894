"""What flag F01 costs on one core over 50,000 series: ms a bin and a tick, bytes a series.

    python -m benchmarks.spike_speed

Prints one JSON object with the limit and the aim beside the figure. Process time, so other
programs on the machine count by the caches that they take only.
"""

from __future__ import annotations

import json
import time
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from benchmarks.detection.worlds import CITY, GROUP_MEAN, World, open_bins
from pipelines.core.detect import DEFAULT_POLICY, SpikeDetector
from pipelines.core.spikes import SpikeMonitor

BINS = 30
LIMIT_MS, AIM_MS = 60, 15


class Cost(NamedTuple):
    """Process time in ms, medians but for `close_min_ms`."""

    close_ms: float
    close_min_ms: float
    tick_ms: float
    bytes_per_series: float


def measure() -> Cost:
    """Of a detector that has seen some bins of the city without a rise."""
    world = World.null(CITY, 1)
    detector, slots = SpikeDetector.create(CITY), np.arange(CITY)
    closed, ticks = [], []
    for t in range(BINS):
        counts = world.bin()
        for share, seen in open_bins(counts, world.rng, 2):
            some = np.flatnonzero(seen)
            start = time.process_time()
            detector.tick(t * 300_000, some, seen[some], share, GROUP_MEAN, 2.0)
            ticks.append(time.process_time() - start)
        start = time.process_time()
        detector.close_bin(t * 300_000, slots, counts, 1.0, GROUP_MEAN, 2.0)
        closed.append(time.process_time() - start)
    return Cost(
        1_000 * float(np.median(closed[BINS // 2 :])),
        1_000 * min(closed),
        1_000 * float(np.median(ticks[BINS // 2 :])),
        held(CITY) / CITY,
    )


def held(series: int) -> int:
    """Bytes that the monitor of so many series keeps: the filter, exposures, the open bin."""
    monitor = SpikeMonitor.create(DEFAULT_POLICY)
    monitor.grow(series)
    parts: list[tuple[object, str]] = [(monitor, one.name) for one in fields(monitor)]
    parts += [(monitor.exposure, one.name) for one in fields(monitor.exposure)]
    values = [getattr(part, name) for part, name in parts]
    own = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
    return monitor.detector.state.nbytes + own


def main() -> None:
    cost = measure()
    print(
        json.dumps(
            {
                "series": CITY,
                "f01_ms_per_bin": round(cost.close_ms, 1),
                "f01_ms_per_bin_limit": LIMIT_MS,
                "f01_ms_per_bin_aim": AIM_MS,
                "f01_ms_per_bin_best": round(cost.close_min_ms, 1),
                "f01_ms_per_look": round(cost.tick_ms, 1),
                "f01_bytes_per_series": round(cost.bytes_per_series),
            }
        )
    )


if __name__ == "__main__":
    main()
