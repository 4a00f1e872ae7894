"""F03 and F05: too many successes for the trials (orders on clicks, refunds on orders).

Beta-binomial with shrinkage: a series' own decayed sums on top of its group's mean,

    a = p0 w + S,   b = (1 - p0) w + N - S,   w = prior / p0,   a + b cut to keep a <= firm

so a young series is judged by its group, an old one by itself, and none is trusted beyond what the
drift of a true rate allows (`firm` successes: a coefficient of variation of 1 / sqrt(firm)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .protocol import Bin, Bools, Floats, Inputs, Ints, Kept, Scores
from .table import Rule
from .tails import log10_tail

_FINER = 20.0
"""Which of the orders so far are refunded within the window is chance, too, where refunds come
late: their number is gamma-Poisson, the limit of a beta-binomial of many finer trials with the
same mean. A beta-binomial of the orders themselves is too sure where most are refunded."""


@dataclass(frozen=True, slots=True)
class SharePolicy:
    """What the rule's table does not say."""

    successes: str
    trials: str
    start: float
    """The share where nothing is known of a group."""
    prior: float = 3.0
    """Successes that the group's mean is worth."""
    firm: float = 30.0
    half_life_bins: float = 288.0
    group_half_life_bins: float = 2_016.0
    lag_bins: float = 0.0
    """Mean delay from trial to success: trials are released from a pool at this pace."""
    witness: str = ""
    """A column that must be there for zero trials to mean zero ..."""
    least_witness: int = 3
    """... in so many minutes of a bin."""
    young_bins: int = 12
    """A group's mean counts after so many bins with trials: until then nothing is said of it."""
    least_ratio: float = 2.5
    """The rate must be so many times the usual one: a large series is significant too early."""
    late: bool = False
    """Whether a series learns a bin when it leaves the window: a surge is not its own baseline."""


class ShareOutlier(Kept):
    """Windows of successes and trials, and what is usual."""

    START: ClassVar[dict[str, tuple[type, float, int]]] = {
        "own_successes": (np.float64, 0.0, 0),
        "own_trials": (np.float64, 0.0, 0),
        "pool": (np.float32, 0.0, 0),
        "fresh": (np.bool_, True, 0),
        "recent_successes": (np.float32, 0.0, 6),
        "recent_trials": (np.float32, 0.0, 6),
    }

    def __init__(self, rule: Rule, policy: SharePolicy) -> None:
        super().__init__()
        self.rule, self.policy = rule, policy
        self._group = np.zeros((3, 1))
        """Decayed successes, decayed trials, and bins that had trials, of each group."""

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n, p = len(bin_.known), self.policy
        self.grow(n)
        inputs = self.before(bin_, frozen)
        known = bin_.known & bin_.live
        if p.witness:
            known &= bin_.column(p.witness) >= p.least_witness
        wins = np.where(known, bin_.column(p.successes), 0.0)
        trials = np.where(known, self._due(bin_.column(p.trials), known), 0.0)
        a, b = self._prior(bin_.group)
        ring = bin_.number % self.rule.window_bins
        left = self._leaving(n, ring)
        self.at["recent_successes"][:n, ring] = wins
        self.at["recent_trials"][:n, ring] = trials
        k, m = self._window("recent_successes", n), self._window("recent_trials", n)
        usual = m * a / (a + b)
        young = self._group[2][bin_.group] < p.young_bins
        finer = _FINER if p.lag_bins > 0 else 1.0
        tail = self._score(k, np.maximum(m * finer, k), a, (a + b) * finer - a, usual)
        judged = np.where(young, 0.0, tail)
        score = np.where(known, judged, np.nan)
        share = np.where(young, 1.0, a / (a + b))
        learn = known & ~frozen
        self._learn_group(bin_.group, learn, wins, trials, share)
        own_wins, own_trials = left if p.late else (wins, trials)
        self._learn_own(learn, own_wins, own_trials, share)
        return Scores(score, k, k, usual, m, inputs=inputs)

    def before(self, bin_: Bin, frozen: Bools) -> Inputs:
        """The sums of the series' group belong to it."""
        groups = int(bin_.group.max(initial=0)) + 1
        if groups > self._group.shape[1]:
            self._group = np.pad(self._group, ((0, 0), (0, groups - self._group.shape[1])))
        own, group = super().before(bin_, frozen), self._group.copy()

        def told(slot: int) -> dict[str, Any]:
            out = own(slot)
            out["state"]["group"] = group[:, bin_.group[slot]].tolist()
            return out

        return told

    def _due(self, trials: Floats, known: Bools) -> Floats:
        """Trials whose outcome is due in this bin."""
        if self.policy.lag_bins <= 0:
            return trials
        stay = float(np.exp(-1.0 / self.policy.lag_bins))
        n = len(trials)
        pool, fresh = self.at["pool"], self.at["fresh"]
        # A series that was there before we looked has old trials: as many as the first bin says.
        steady = trials * stay / (1 - stay)
        waiting = np.where(fresh[:n], steady, pool[:n]) + trials
        fresh[:n] &= ~(known & (trials > 0))
        pool[:n] = stay * waiting
        return np.asarray((1 - stay) * waiting, np.float64)

    def _leaving(self, n: int, ring: int) -> tuple[Floats, Floats]:
        """(successes, trials) [n] of the bin whose place in the window the next one takes."""
        wins, trials = self.at["recent_successes"][:n, ring], self.at["recent_trials"][:n, ring]
        return wins.astype(np.float64), trials.astype(np.float64)

    def _window(self, name: str, n: int) -> Floats:
        some = self.at[name][:n, : self.rule.window_bins]
        return np.asarray(some.sum(axis=1, dtype=np.float64))

    def _prior(self, group: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """(a, b) of each series before this bin."""
        p, n = self.policy, len(group)
        wins, trials, _ = self._group
        share = (wins + p.prior * 2) / (trials + p.prior * 2 / p.start)
        p0 = np.clip(share, 1e-7, 0.95)[group]
        w = p.prior / p0
        a = p0 * w + self.at["own_successes"][:n]
        b = (1 - p0) * w + np.maximum(self.at["own_trials"][:n] - self.at["own_successes"][:n], 0)
        scale = np.minimum(1.0, p.firm / np.maximum(a, 1e-9))
        return np.maximum(a * scale, 1e-6), np.maximum(b * scale, 1e-6)

    def _score(self, k: Floats, m: Floats, a: Floats, b: Floats, usual: Floats) -> Floats:
        """-log10 of the tail; only for the few series worth a logarithm."""
        out = np.zeros(len(k))
        at = np.flatnonzero((k >= self.rule.guard) & (k >= self.policy.least_ratio * usual))
        if len(at):
            out[at] = -log10_tail(k[at], m[at], a[at], b[at])
        return out

    def _learn_own(self, known: Bools, wins: Floats, trials: Floats, usual: Floats) -> None:
        n, keep = len(known), 0.5 ** (1 / self.policy.half_life_bins)
        some, tried = _credible(known, wins, trials, usual)
        self.at["own_successes"][:n] = keep * self.at["own_successes"][:n] + some
        self.at["own_trials"][:n] = keep * self.at["own_trials"][:n] + tried

    def _learn_group(
        self, group: Ints, known: Bools, wins: Floats, trials: Floats, usual: Floats
    ) -> None:
        slow, groups = 0.5 ** (1 / self.policy.group_half_life_bins), self._group.shape[1]
        some, tried = _credible(known, wins, trials, usual)
        self._group[0] = slow * self._group[0] + np.bincount(group, some, groups)
        self._group[1] = slow * self._group[1] + np.bincount(group, tried, groups)
        self._group[2] += np.bincount(group, tried, groups) > 0

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return super().to_arrays() | {"group": self._group.copy()}

    def restore(self, arrays: Any) -> None:
        super().restore(arrays)
        if "group" in arrays:
            self._group = arrays["group"].copy()


def _credible(known: Bools, wins: Floats, trials: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """(successes, trials) [n] that may be learned: all in a young group (``usual`` is 1)."""
    mean = trials * usual
    credible = np.minimum(wins, mean + 4 * np.sqrt(mean) + 1)
    return np.where(known, np.minimum(credible, trials), 0.0), np.where(known, trials, 0.0)
