"""What a decision of the spike filter rests on: kept with the flag, so that anyone can compute the
score again from it.

The score of a bin follows from the series' state before the bin, the bin's count and exposure, and
the prior of its group. A dossier is those, as JSON; numbers are written so that they read back as
the same ones. `score_again` computes the score from them and from nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .policy import SpikePolicy
from .spike_filter import may_reach, peek
from .spike_state import Slots, SpikeState, slot_numbers

VERSION = 1
STATISTIC = "spike_log_odds"
Floats = NDArray[np.float64]
Index = NDArray[np.int64]


class BinInputs(NamedTuple):
    """Of one bin, [n] each: complaints, orders, and the group's rate and its weight in orders."""

    counts: Floats
    exposure: Floats
    prior_mean: Floats
    prior_weight: Floats


class Dossiers(NamedTuple):
    """State before the bin and inputs of the bin, for some series: rows of `state` and `inputs`."""

    slots: Index
    state: SpikeState
    inputs: BinInputs
    bin_start_ms: int

    def of(self, slot: int, policy: SpikePolicy) -> str:
        """The dossier of a series, as JSON; empty where there is none."""
        found = np.flatnonzero(self.slots == slot)
        if not found.size:
            return ""
        row = int(found[0])
        kept = SpikeState(
            **{f.name: getattr(self.state, f.name)[[row]] for f in fields(SpikeState)}
        )
        arrays = kept.to_arrays()
        told = {
            "v": VERSION,
            "statistic": STATISTIC,
            "bin": {
                "start_ms": self.bin_start_ms,
                **{name: float(column[row]) for name, column in self.inputs._asdict().items()},
            },
            "state": {name: array.tolist() for name, array in arrays.items()},
            "policy": asdict(policy),
        }
        return json.dumps(told, separators=(",", ":"), allow_nan=False)


def suspects(state: SpikeState, slots: Slots, inputs: BinInputs, policy: SpikePolicy) -> Index:
    """Positions in ``slots`` [n] that the closed bin can bring to a grade: more complaints than
    were usual in the bin before, for the same orders, and odds that are near enough. A copy of all
    would cost more than the filter."""
    may = may_reach(state, slots, inputs.counts, policy.watch, policy)
    near = np.flatnonzero(may & (inputs.counts > 0))
    index = slot_numbers(state, slots)[near]
    last = (state.cursor[index] - 1) % policy.window_bins
    usual = state.ring_expected[index, last] / np.maximum(state.ring_exposure[index, last], 1e-6)
    return near[inputs.counts[near] > 0.9 * usual * inputs.exposure[near]]


def gather(
    state: SpikeState, slots: Index, inputs: BinInputs, which: Index, bin_start_ms: int
) -> Dossiers:
    """Copies for the series at positions `which` of `slots` [n], before the bin changes them."""
    some = slots[which]
    copied = SpikeState(**{f.name: getattr(state, f.name)[some] for f in fields(SpikeState)})
    return Dossiers(some, copied, BinInputs(*(column[which] for column in inputs)), bin_start_ms)


def score_again(told: Mapping[str, Any]) -> float:
    """The score that follows from a dossier. Raises ValueError where it is none."""
    try:
        if told["v"] != VERSION or told["statistic"] != STATISTIC:
            raise ValueError("a dossier of another kind")
        # A dossier of before the restless were asked for more knows nothing of it.
        # Nor is one of today asked what the grades once asked beside the score.
        known = {field.name for field in fields(SpikePolicy)}
        parameters = {"restless_cost": 0.0} | told["policy"]
        policy = SpikePolicy(**{k: _frozen(v) for k, v in parameters.items() if k in known})
        arrays = {name: np.array(values) for name, values in told["state"].items()}
        state = SpikeState.from_arrays(arrays, policy)
        c, e, mean, weight = (float(told["bin"][name]) for name in BinInputs._fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a dossier ({type(error).__name__})") from None
    score = peek(state, np.array([0]), [c], [e], [mean], [weight], policy)
    return float(score[0])


def window_of(
    told: Mapping[str, Any],
) -> list[tuple[int, float | None, float | None, float | None]]:
    """The bins that the series had in its last hour and the one of the decision, the oldest first:
    (start in ms, complaints, expected, orders); None where a bin is unknown."""
    state, policy = told["state"], told["policy"]
    size, step, start = policy["window_bins"], policy["bin_ms"], told["bin"]["start_ms"]
    cursor = state["cursor"][0]
    rings = [state[f"ring_{name}"][0] for name in ("counts", "expected", "exposure")]
    out: list[tuple[int, float | None, float | None, float | None]] = []
    for back in range(size, 0, -1):
        at = (cursor + size - back) % size
        count, usual, orders = (ring[at] for ring in rings)
        known = usual > 0
        row = (count, usual, orders) if known else (None, None, None)
        out.append((start - back * step, *row))
    return out


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
