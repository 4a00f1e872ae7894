"""Every speed and size that the README and the docs give, one JSON object a line.

    make bench [ARGS=--quick]

What is measured is said on stderr, and in the end how the queries of the dashboards grow from 1 to
100 million raw rows, as a table. The whole takes more than half an hour, most of it to fill a
warehouse with 100 million rows; --quick takes minutes and says little about a city.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import (
    end_to_end,
    fold,
    gateway,
    overload,
    queries,
    recovery,
    rules,
    sdk,
    spike_speed,
)

QUICK = "--quick" in sys.argv
BENCHMARKS: dict[str, Callable[[], None]] = {
    "the worker's fold": fold.main,
    "F01, the complaint spike": spike_speed.main,
    "all detectors": rules.main,
    "the platforms' SDK": sdk.main,
    "the gateway": lambda: gateway.measure_and_print(3.0 if QUICK else 8.0),
    "the whole way": end_to_end.main,
    "overload": overload.main,
    "recovery": recovery.main,
    "queries of the dashboards": queries.main,
}

if __name__ == "__main__":
    for number, (what, measure) in enumerate(BENCHMARKS.items(), 1):
        print(f"[{number}/{len(BENCHMARKS)}] {what}", file=sys.stderr, flush=True)
        measure()
