"""Exposure: orders lagged to delivery, times an hour-of-week factor (DESIGN section 4).

A complaint follows its order after a delay. The delay is taken as exponential: orders enter a pool,
and each bin releases the same share of it,

    E = (1 - d) (pool + orders) * factor,   pool <- d (pool + orders),   d = 2^(-1 / half-life)

so every order is released exactly once (the sum of E is the sum of orders while the factor is 1),
and the baseline's mean stays **complaints per order**.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .spike_state import Slots

Floats = NDArray[np.float64]

EXPOSURE_VERSION = 1
HOURS_PER_WEEK = 168
_HOUR_MS = 3_600_000
_SHANGHAI_HOURS = 8  # no daylight saving since 1991
_EPOCH_HOURS = 3 * 24  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class ExposurePolicy:
    """Raises ``ValueError`` for a half-life or floor that is not positive."""

    half_life_bins: float = 12.0
    """Half-life of the delay from order to complaint, bins (12 five-minute bins are an hour)."""
    floor: float = 0.05
    """Smallest exposure of a whole bin, orders: complaints come without orders too."""
    ceiling: float = 2.0**31

    def __post_init__(self) -> None:
        if not self.half_life_bins > 0 or not 0 < self.floor < self.ceiling:
            raise ValueError("exposure half-life and floor must be positive")

    @property
    def decay(self) -> float:
        """Share of the pool that stays after a bin."""
        return math.exp2(-1.0 / self.half_life_bins)


DEFAULT_EXPOSURE = ExposurePolicy()


@dataclass(slots=True)
class ExposureState:
    """Orders that have not been released yet, by slot."""

    pool: Floats
    """[slot], orders."""
    fresh: NDArray[np.bool_]
    """[slot]: warm series that have not had an order yet."""

    @classmethod
    def empty(cls, capacity: int, *, warm: bool = False) -> Self:
        """``warm``: see ``reset``."""
        return cls(np.zeros(capacity), np.full(capacity, warm))

    def grow(self, capacity: int, *, warm: bool = False) -> None:
        """Add empty slots until there are at least ``capacity``."""
        extra = max(0, capacity - len(self.pool))
        self.pool = np.concatenate([self.pool, np.zeros(extra)])
        self.fresh = np.concatenate([self.fresh, np.full(extra, warm)])

    def reset(self, slots: Slots, *, warm: bool = False) -> None:
        """Empty ``slots``. ``warm`` is for a series that was there before we looked.

        The first orders of a warm series then fill the pool as if they had always come at that
        rate: a merchant that the monitor meets in mid-day has old orders to complain about, and
        without them each would look like a spike. A session that has just begun has none.
        """
        self.pool[slots] = 0.0
        self.fresh[slots] = warm

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Copies plus ``version``, for a checkpoint."""
        version = np.array(EXPOSURE_VERSION, np.int32)
        return {"pool": self.pool.copy(), "fresh": self.fresh.copy(), "version": version}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore. Raises ``ValueError`` for another version."""
        if int(arrays["version"]) != EXPOSURE_VERSION:
            raise ValueError(f"exposure state version {int(arrays['version'])}")
        return cls(np.array(arrays["pool"], np.float64), np.array(arrays["fresh"], bool))


def close_exposure(
    state: ExposureState,
    slots: Slots,
    orders: ArrayLike,
    policy: ExposurePolicy = DEFAULT_EXPOSURE,
    factor: ArrayLike = 1.0,
) -> Floats:
    """Exposure [n] of a closed bin, orders; moves the pool on.

    ``orders`` [n] of the bin, NaN where unknown (then the result is NaN, and the pool is released
    as if no order had come); negative ones count as 0. ``factor`` ([n] or scalar) is the
    hour-of-week factor.
    """
    pool, known = _filled(state, slots, orders, policy)
    state.fresh[slots] &= ~(known & (pool > 0))
    state.pool[slots] = policy.decay * pool
    released = (1.0 - policy.decay) * pool * np.asarray(factor, np.float64)
    return _bounded(released, policy.floor, known, policy)


def open_exposure(
    state: ExposureState,
    slots: Slots,
    orders: ArrayLike,
    elapsed: float,
    policy: ExposurePolicy = DEFAULT_EXPOSURE,
    factor: ArrayLike = 1.0,
) -> Floats:
    """Exposure [n] of the part ``elapsed`` in (0, 1] of the open bin; changes nothing.

    ``orders`` [n] so far. At ``elapsed`` = 1 it is what ``close_exposure`` would give.
    """
    share = min(max(elapsed, 1e-3), 1.0)
    pool, known = _filled(state, slots, orders, policy, share)
    return _bounded(
        share * (1.0 - policy.decay) * pool * np.asarray(factor, np.float64),
        share * policy.floor,
        known,
        policy,
    )


def steady_orders(
    state: ExposureState, slots: Slots, policy: ExposurePolicy = DEFAULT_EXPOSURE
) -> Floats:
    """Orders [n] of a bin at which the pool would stay as it is: what history lets us expect."""
    return np.asarray(state.pool[slots] * (1.0 - policy.decay) / policy.decay, np.float64)


def _filled(
    state: ExposureState,
    slots: Slots,
    orders: ArrayLike,
    policy: ExposurePolicy,
    share: float = 1.0,
) -> tuple[Floats, NDArray[np.bool_]]:
    given = np.asarray(orders, dtype=np.float64)
    known = ~np.isnan(given)
    new = np.clip(np.where(known, given, 0.0), 0.0, policy.ceiling)
    steady = new / share / (1.0 - policy.decay)
    return np.where(state.fresh[slots], steady, state.pool[slots] + new), known


def _bounded(
    value: ArrayLike, floor: float, known: NDArray[np.bool_], policy: ExposurePolicy
) -> Floats:
    return np.where(known, np.clip(value, floor, policy.ceiling), np.nan)


def hour_of_week(time_ms: int) -> int:
    """0 to 167 in Asia/Shanghai, 0 is Monday 00:00 to 01:00. ``time_ms`` since the epoch."""
    return (time_ms // _HOUR_MS + _SHANGHAI_HOURS + _EPOCH_HOURS) % HOURS_PER_WEEK


def flat_week() -> Floats:
    """168 factors of 1: where the complaint rate per order is not known to vary by hour."""
    return np.ones(HOURS_PER_WEEK)
