"""Counts of a minute that are of a platform and category, not of a session (contract 1.1).

What a platform does not tell is not counted: a row without `due_48h` says nothing of shipping.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.fold.rows import known, numbers
from pipelines.core.fold.sessions import CATEGORIES
from pipelines.core.fold.state import FoldState
from pipelines.core.minute import OpenMinute
from pipelines.core.partials import COHORT, Rows, TallyKey
from pipelines.core.quantiles import bucket
from pipelines.core.values import VALUES_EVERY
from schemas.telemetry import SampleType

Ints = npt.NDArray[np.int64]
Adder = Callable[[str, npt.NDArray[np.bool_], Ints], None]
MAX_COHORT = 30
"""Refunds of older orders are in no window."""
_COUNTS = {
    SampleType.ORDERS: ("due_48h", "shipped_48h"),
    SampleType.COMPLAINTS: ("closed", "resolved"),
}


def add_tallies(
    into: OpenMinute,
    sample: SampleType,
    platform: str,
    category: npt.NDArray[np.int8],
    rows: pa.RecordBatch,
) -> None:
    """Count the rows [n] of one platform, whose sessions are of `category` [n]."""

    def add(name: str, at: npt.NDArray[np.bool_], weights: Ints) -> None:
        if at.any():
            sums = np.bincount(category[at], weights[at], len(CATEGORIES))
            into.tally(name, platform, sums.astype(np.int64))

    for name in _COUNTS.get(sample, ()):
        add(name, known(rows, name), numbers(rows, name))
    if sample is SampleType.ORDERS:
        refunds, age = numbers(rows, "refunds"), numbers(rows, "cohort_days")
        told = known(rows, "cohort_days") & (refunds > 0) & (age <= MAX_COHORT)
        for days in np.unique(age[told]).tolist():
            add(f"{COHORT}{days}", told & (age == days), refunds)
    elif sample is SampleType.COMPLAINTS:
        minutes = numbers(rows, "response_minutes")
        told = known(rows, "response_minutes")
        _spread(add, "response", told, bucket("I13", minutes), numbers(rows, "responded"))
    elif sample is SampleType.REVIEWS:
        told = known(rows, "latency_ms")
        at = bucket("I16", numbers(rows, "latency_ms"))
        _spread(add, "latency", told, at, numbers(rows, "reviews"))


def _spread(
    add: Adder, name: str, told: npt.NDArray[np.bool_], buckets: Ints, weights: Ints
) -> None:
    for one in np.unique(buckets[told]).tolist():
        add(f"{name}.{one:02d}", told & (buckets == one), weights)


def tally_rows(opened: OpenMinute, minute: int, state: FoldState) -> Rows:
    """The tallies of a closing minute, with the sessions that began in it (I17), and at the end of
    a bin those that are live and those of them that were reviewed (I15)."""
    sessions, tallies = state.sessions, dict(opened.tallies)
    began = sessions.live & (sessions.since == minute)
    counted = {"begun": began & (sessions.certified >= 0), "certified": sessions.certified == 1}
    counted["certified"] &= began
    if (minute + 1) % VALUES_EVERY == 0:
        told = state.reviewed_platforms()
        of = np.array([p in told for p in sessions.platforms] or [False], bool)[sessions.platform]
        live = sessions.live & (minute - state.last_seen < VALUES_EVERY) & of
        counted["live"] = live
        counted["reviewed"] = live & (minute - state.last_review < VALUES_EVERY)
    for name, some in counted.items():
        slots = np.flatnonzero(some)
        for i in np.unique(sessions.platform[slots]).tolist():
            mine = sessions.category[slots[sessions.platform[slots] == i]]
            sums = np.bincount(mine, minlength=len(CATEGORIES)).astype(np.int64)
            tallies[name, sessions.platforms[i]] = sums
    keys: list[TallyKey] = []
    counts: list[int] = []
    for (name, platform), sums in sorted(tallies.items()):
        for at in np.flatnonzero(sums).tolist():
            keys.append((name, platform, CATEGORIES[at]))
            counts.append(int(sums[at]))
    return Rows(keys, {"n": np.array(counts, np.int64)})
