"""What flag F01 costs on one core over 50,000 series: ms a bin and a tick, bytes a series.

python -m benchmarks.spike_speed
"""

from __future__ import annotations

import json
import time

import numpy as np

from benchmarks.detection.worlds import CITY, GROUP_MEAN, World, open_bins
from pipelines.core.detect import SpikeDetector

BINS = 30


def main() -> None:
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
    print(
        json.dumps(
            {
                "series": CITY,
                "f01_close_ms": round(1_000 * float(np.median(closed[BINS // 2 :])), 1),
                "f01_close_min_ms": round(1_000 * min(closed), 1),
                "f01_tick_ms": round(1_000 * float(np.median(ticks[BINS // 2 :])), 1),
                "f01_bytes_per_series": round(detector.state.nbytes / CITY),
            }
        )
    )


if __name__ == "__main__":
    main()
