"""What all detectors, F01 to F12, cost on one core over 50,000 series.

    python -m benchmarks.rules

Prints two JSON objects, each with its limit: milliseconds a bin, and bytes a series (all detectors
of a session, or of a merchant: the larger). Every
detector has 50,000 series: those of sessions 50,000 sessions, those of merchants 50,000
merchants; the three that look at platforms (F06, F09, and F11 for gaps) have nine. F11 for frozen
values looks at every minute, so a bin is five looks.
"""

from __future__ import annotations

import json
import time

import numpy as np

from benchmarks.spike_speed import measure as measure_f01
from pipelines.core.rules import RuleBoard
from pipelines.core.rules.boards import (
    MERCHANT_COLUMNS,
    PLATFORM_COLUMNS,
    SESSION_COLUMNS,
    merchant_board,
    platform_board,
    session_board,
)
from pipelines.core.silence import STEADY, FrozenWatch

SERIES, PLATFORMS, BINS = 50_000, 9, 24
LIMIT_MS, LIMIT_BYTES = 120, 600
MEANS = {"clicks": 20.0, "interactions": 60.0, "viewer_milliminutes": 150_000.0, "seen": 1.0}
MEANS |= {"orders": 0.1, "refunds": 0.03, "live": 100.0, "reviewed": 98.0, "mix": 30.0}


def measure(board: RuleBoard, names: tuple[str, ...], n: int) -> tuple[float, float]:
    """(CPU ms a bin, the median; bytes a series) of a board over `n` series."""
    rng, took = np.random.default_rng(1), []
    live, group = np.ones(n, bool), rng.integers(0, 36, n)
    for bin_ in range(BINS):
        started = 0.0
        for minute in range(bin_ * 5, bin_ * 5 + 5):
            shapes = {k: (n, 12) if k == "mix" else n for k in names}
            columns = {k: rng.poisson(MEANS.get(k, 0.0005), shape) for k, shape in shapes.items()}
            at = time.process_time()
            board.close_minute(minute, columns, live, live, group)
            started += time.process_time() - at
        took.append(1000 * started)
    return float(np.median(took)), board.nbytes / n


def measure_frozen() -> tuple[float, float]:
    """The same of F11's look for frozen values."""
    rng, watch, took = np.random.default_rng(2), FrozenWatch(SERIES), []
    seen = np.ones(SERIES, bool)
    for minute in range(BINS):
        columns = {name: rng.poisson(MEANS.get(name, 1.0), SERIES) for name in STEADY}
        at = time.process_time()
        watch.close_minute(minute, columns, seen)
        took.append(time.process_time() - at)
    return 5_000 * float(np.median(took)), watch.nbytes / SERIES


def main() -> None:
    """Measure each part and print."""
    f01 = measure_f01()
    parts = {
        "f01": (f01.close_ms, f01.bytes_per_series),
        "f11_frozen": measure_frozen(),
        "sessions": measure(session_board(), SESSION_COLUMNS, SERIES),
        "merchants": measure(merchant_board(), MERCHANT_COLUMNS, SERIES),
    }
    platforms, _ = measure(platform_board(), PLATFORM_COLUMNS, PLATFORMS)
    whole_ms = platforms + sum(ms for ms, _ in parts.values())
    told = {"series": SERIES, "all_detectors_ms_per_bin": round(whole_ms, 1)}
    told |= {"all_detectors_ms_per_bin_limit": LIMIT_MS}
    told |= {f"{name}_ms_per_bin": round(ms, 1) for name, (ms, _) in parts.items()}
    print(json.dumps(told | {"platforms_ms_per_bin": round(platforms, 1)}))
    sizes = {name: size for name, (_, size) in parts.items()}
    of = {
        "session": sizes["f01"] + sizes["f11_frozen"] + sizes["sessions"],
        "merchant": sizes["f01"] + sizes["merchants"],
    }
    told = {"series": SERIES, "all_detectors_bytes_per_series": round(max(of.values()))}
    told |= {"all_detectors_bytes_per_series_limit": LIMIT_BYTES}
    told |= {f"bytes_per_{name}": round(size) for name, size in of.items()}
    print(
        json.dumps(told | {f"{name}_bytes_per_series": round(b) for name, (_, b) in parts.items()})
    )


if __name__ == "__main__":
    main()
