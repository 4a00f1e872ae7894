"""What the spike filter remembers of each series: a struct of arrays, 345 bytes a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .policy import DEFAULT_POLICY, SpikePolicy

STATE_VERSION = 2

Slots = slice | NDArray[np.integer[Any]]
"""Which series: a slice, or an array of distinct slot numbers."""


def rows(array: NDArray[np.float64], slots: Slots) -> NDArray[np.float64]:
    """[grid, n] of a state array [slot, grid]: sums over the grid then run along rows.

    A view where ``slots`` is a slice: not to be written to.
    """
    return array.T[:, slots] if isinstance(slots, slice) else np.take(array.T, slots, axis=1)


def put_rows(array: NDArray[np.float64], slots: Slots, values: NDArray[np.float64]) -> None:
    """Write ``values`` [grid, n] into a state array [slot, grid]."""
    array.T[:, slots] = values


@dataclass(slots=True)
class SpikeState:
    """Arrays along the first axis by slot; those with a grid lie column by column in memory.

    J = len(drifts), K = len(phi_grid), Q = len(regimes), W = window bins.
    """

    counts_sum: NDArray[np.float64]
    """S, [slot, J]: decayed complaints."""
    exposure_sum: NDArray[np.float64]
    """n, [slot, J]: decayed exposure, orders."""
    prior_left: NDArray[np.float64]
    """[slot, J]: what the forgetting has left of the prior's weight."""
    log_drift: NDArray[np.float64]
    """[slot, J]: log likelihoods of the drifts, maximum 0."""
    log_weight: NDArray[np.float64]
    """[slot, K]: log weights of the dispersion grid, maximum 0."""
    raised: NDArray[np.float64]
    """A, [slot, Q]: probabilities of the raised regimes."""
    normal: NDArray[np.float64]
    """P, [slot]: probability of the normal regime; P + sum A = 1."""
    score: NDArray[np.float64]
    """[slot]: after the last closed bin; the log odds, less what a restless series is asked."""
    floor: NDArray[np.float64]
    """[slot]: running mean of the score while nothing happens."""
    age: NDArray[np.int32]
    """[slot]: closed bins seen, gaps left out."""
    held: NDArray[np.int32]
    """[slot]: how much of the freeze allowance is used, bins."""
    ring_counts: NDArray[np.float32]
    """[slot, W]: complaints of the last W bins."""
    ring_expected: NDArray[np.float32]
    """[slot, W]: mu of the last W bins; 0 marks a bin that is unknown."""
    ring_exposure: NDArray[np.float32]
    """[slot, W]: exposure of the last W bins, orders."""
    cursor: NDArray[np.int8]
    """[slot]: where in the ring the next bin goes."""

    @classmethod
    def empty(cls, capacity: int, policy: SpikePolicy = DEFAULT_POLICY) -> Self:
        """State of ``capacity`` series that have seen nothing."""
        k, q, w = len(policy.phi_grid), len(policy.regimes), policy.window_bins
        j = len(policy.drifts)
        odds = policy.pi / policy.delta
        return cls(
            counts_sum=np.zeros((j, capacity)).T,
            exposure_sum=np.zeros((j, capacity)).T,
            prior_left=np.ones((j, capacity)).T,
            log_drift=np.zeros((j, capacity)).T,
            log_weight=np.zeros((k, capacity)).T,
            raised=np.full((q, capacity), odds / (1.0 + odds) / q).T,
            normal=np.full(capacity, 1.0 / (1.0 + odds)),
            score=np.full(capacity, policy.rest_score),
            floor=np.full(capacity, policy.rest_score),
            age=np.zeros(capacity, np.int32),
            held=np.zeros(capacity, np.int32),
            ring_counts=np.zeros((capacity, w), np.float32),
            ring_expected=np.zeros((capacity, w), np.float32),
            ring_exposure=np.zeros((capacity, w), np.float32),
            cursor=np.zeros(capacity, np.int8),
        )

    @property
    def capacity(self) -> int:
        """Number of slots."""
        return int(self.normal.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        return sum(int(getattr(self, f.name).nbytes) for f in fields(self))

    def grow(self, capacity: int, policy: SpikePolicy = DEFAULT_POLICY) -> None:
        """Add fresh slots until there are at least ``capacity``; never shrinks."""
        if capacity <= self.capacity:
            return
        extra = SpikeState.empty(capacity - self.capacity, policy)
        for f in fields(self):
            both = (getattr(self, f.name), getattr(extra, f.name))
            # Columns stay columns: the transposes are joined along their rows.
            joined = np.concatenate([part.T for part in both], axis=-1).T
            setattr(self, f.name, np.ascontiguousarray(joined) if _by_row(f.name) else joined)

    def reset(self, slots: Slots, policy: SpikePolicy = DEFAULT_POLICY) -> None:
        """Forget everything about ``slots``, for reuse by another series."""
        fresh = SpikeState.empty(1, policy)
        for f in fields(self):
            getattr(self, f.name)[slots] = getattr(fresh, f.name)[0]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of all arrays plus ``version``, for a checkpoint."""
        arrays: dict[str, NDArray[Any]] = {
            f.name: getattr(self, f.name).copy() for f in fields(self)
        }
        arrays["version"] = np.array(STATE_VERSION, np.int32)
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], policy: SpikePolicy = DEFAULT_POLICY
    ) -> Self:
        """Restore what ``to_arrays`` gave.

        What version 1 wrote (one baseline, no drifts) is upgraded. Raises ``ValueError`` for any
        other version, a missing array, or shapes that do not fit ``policy``: a filter must not run
        on state that means something else.
        """
        version = int(arrays["version"]) if "version" in arrays else None
        if version == 1:
            version, arrays = STATE_VERSION, _from_version_1(arrays, policy)
        if version != STATE_VERSION:
            raise ValueError(f"spike state version {version}, this code reads {STATE_VERSION}")
        fresh = cls.empty(0, policy)
        missing = [f.name for f in fields(cls) if f.name not in arrays]
        if missing:
            raise ValueError(f"spike state lacks {', '.join(missing)}")
        capacity = len(arrays["normal"])
        restored = {}
        for f in fields(cls):
            wanted = getattr(fresh, f.name)
            order: Any = "C" if _by_row(f.name) else "F"
            array = np.array(arrays[f.name], dtype=wanted.dtype, order=order)
            if array.shape != (capacity, *wanted.shape[1:]):
                raise ValueError(f"spike state {f.name} has shape {array.shape}")
            restored[f.name] = array
        return cls(**restored)


def _by_row(name: str) -> bool:
    """Rings are read and written a series at a time, one bin of each."""
    return name.startswith("ring_")


def slot_numbers(state: SpikeState, slots: Slots) -> NDArray[np.int64]:
    """``slots`` as an array of slot numbers."""
    if isinstance(slots, slice):
        return np.arange(*slots.indices(state.capacity))
    return np.asarray(slots, dtype=np.int64)


_PHI_1 = (1.15, 1.4, 1.8, 2.3, 3.0)
"""Dispersion grid of version 1."""


def _from_version_1(arrays: Mapping[str, NDArray[Any]], policy: SpikePolicy) -> dict[str, Any]:
    """Its one baseline under each drift, its prior whole; nothing known of the drift yet.

    Its grid of dispersions is read onto that of ``policy``.
    """
    out, drifts = dict(arrays), len(policy.drifts)
    for name in ("counts_sum", "exposure_sum"):
        if name in arrays:
            out[name] = np.repeat(np.asarray(arrays[name])[:, None], drifts, axis=1)
    if "raised" in arrays:
        total = np.array(arrays["raised"])
        last = len(policy.regimes) - 1
        # Its regimes were these and x100, which goes to the largest.
        out["raised"] = np.column_stack([total[:, :last], total[:, last:].sum(axis=1)])
        out["prior_left"] = np.ones((len(total), drifts))
        out["log_drift"] = np.zeros((len(total), drifts))
    if "log_weight" in arrays:
        old = np.asarray(arrays["log_weight"])
        new = np.array([np.interp(policy.phi_grid, _PHI_1, row) for row in old])
        out["log_weight"] = new.reshape(len(old), len(policy.phi_grid))
    return out
