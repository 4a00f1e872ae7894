"""What is usual before a series has a history: from its platform x category, or its merchant.

Same shrinkage as the baseline, one level up: a group's mean rests on a hyper-prior (DOMAIN: 5 to 30
complaints per 10,000 orders), a merchant's on its group's, a session's on its merchant's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .policy import DEFAULT_POLICY, SpikePolicy
from .spike_state import Slots

Floats = NDArray[np.float64]

PRIOR_VERSION = 1
HYPER_MEAN = 1e-3
"""Complaints per order before anything is known (10 per 10,000)."""
HYPER_WEIGHT = 20_000.0
"""Orders that the hyper-prior is worth: 20 complaints."""
SPREAD = 0.7
"""Standard deviation of the log of the true rates within a group."""


@dataclass(slots=True)
class GroupPrior:
    """Decayed totals by platform x category."""

    counts_sum: Floats
    """S, [group]: decayed complaints."""
    exposure_sum: Floats
    """n, [group]: decayed orders, lagged."""

    @classmethod
    def empty(cls, groups: int) -> Self:
        """``groups`` that have seen nothing: their mean is the hyper-prior's."""
        return cls(np.zeros(groups), np.zeros(groups))

    def grow(self, groups: int) -> None:
        """Add empty groups until there are at least ``groups``."""
        extra = np.zeros(max(0, groups - len(self.counts_sum)))
        self.counts_sum = np.concatenate([self.counts_sum, extra])
        self.exposure_sum = np.concatenate([self.exposure_sum, extra])

    def learn(
        self, counts: ArrayLike, exposure: ArrayLike, policy: SpikePolicy = DEFAULT_POLICY
    ) -> None:
        """One closed bin of totals [group]. Groups with NaN in either are left as they are."""
        c, e = np.asarray(counts, np.float64), np.asarray(exposure, np.float64)
        known = (c >= 0) & (e >= 0) & np.isfinite(c) & np.isfinite(e)
        for total, value in ((self.counts_sum, c), (self.exposure_sum, e)):
            np.copyto(total, policy.baseline_decay * total + value, where=known)

    def mean(self) -> Floats:
        """m0 [group], complaints per order."""
        value: Floats = (HYPER_MEAN * HYPER_WEIGHT + self.counts_sum) / (
            HYPER_WEIGHT + self.exposure_sum
        )
        return value

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Copies plus ``version``, for a checkpoint."""
        return {
            "counts_sum": self.counts_sum.copy(),
            "exposure_sum": self.exposure_sum.copy(),
            "version": np.array(PRIOR_VERSION, np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore. Raises ``ValueError`` for another version."""
        if int(arrays["version"]) != PRIOR_VERSION:
            raise ValueError(f"group prior version {int(arrays['version'])}")
        sums = (np.array(arrays[key], np.float64) for key in ("counts_sum", "exposure_sum"))
        return cls(*sums)


def prior_weight(
    mean: ArrayLike,
    typical_exposure: ArrayLike,
    spread: float = SPREAD,
    weight_bins: float = DEFAULT_POLICY.default_weight_bins,
) -> Floats:
    """w0 [n], orders that the prior is worth.

    24 bins of the group's typical exposure (DESIGN), but no more than the group's spread allows: a
    gamma prior with relative variance exp(spread^2) - 1 has shape mean * w0 = 1 / (that variance).
    Beyond it, a merchant that is honestly three times worse than its group would be held to the
    group's mean for hours and be flagged for it.
    """
    allowed = 1.0 / (np.expm1(spread**2) * np.maximum(np.asarray(mean, np.float64), 1e-12))
    wanted = weight_bins * np.maximum(np.asarray(typical_exposure, np.float64), 1e-6)
    weight: Floats = np.minimum(wanted, allowed)
    return weight


def merchant_mean(
    counts_sum: Floats,
    exposure_sum: Floats,
    slots: Slots,
    group_mean: ArrayLike,
    weight: ArrayLike,
) -> Floats:
    """(S + w m) / (n + w) [n]: prior mean of a session from its merchant's baseline.

    ``counts_sum`` and ``exposure_sum`` are the merchants' (``SpikeState``), ``slots`` [n] the
    merchant of each session, ``group_mean`` m and ``weight`` w of the merchant's group.
    """
    w, m = np.asarray(weight, np.float64), np.asarray(group_mean, np.float64)
    value: Floats = (counts_sum[slots] + w * m) / (exposure_sum[slots] + w)
    return value
