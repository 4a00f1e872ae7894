"""How long the rules take: a bin of 50,000 sessions, and one of 50,000 merchants.

    python -m benchmarks.rules

Prints one JSON object: milliseconds per bin and bytes per series of each board.
"""

from __future__ import annotations

import json
import time

import numpy as np

from pipelines.core.rules import RuleBoard
from pipelines.core.rules.boards import (
    MERCHANT_COLUMNS,
    PLATFORM_COLUMNS,
    SESSION_COLUMNS,
    merchant_board,
    platform_board,
    session_board,
)

SERIES, PLATFORMS, BINS = 50_000, 9, 24
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
    size = sum(a.nbytes for a in board.to_arrays().values()) + 9 * len(names) * n
    return float(np.median(took)), size / n


def main() -> None:
    """Measure each board and print."""
    sessions = measure(session_board(), SESSION_COLUMNS, SERIES)
    merchants = measure(merchant_board(), MERCHANT_COLUMNS, SERIES)
    platforms = measure(platform_board(), PLATFORM_COLUMNS, PLATFORMS)
    boards = {"sessions": sessions, "merchants": merchants, "platforms": platforms}
    print(
        json.dumps(
            {
                "series": SERIES,
                "rules_ms_per_bin": round(sum(ms for ms, _ in boards.values()), 1),
                **{f"{name}_ms_per_bin": round(ms, 1) for name, (ms, _) in boards.items()},
                "sessions_bytes_per_series": round(sessions[1]),
                "merchants_bytes_per_series": round(merchants[1]),
            }
        )
    )


if __name__ == "__main__":
    main()
