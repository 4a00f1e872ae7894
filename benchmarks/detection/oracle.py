"""A bound: the same filter, told each series' true mean and dispersion at every bin.

All else is ours: the cap on a bin's evidence, looks at open bins, what critical asks of the whole
hour. Its threshold is its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from benchmarks.detection.worlds import CITY, World, open_bins
from pipelines.backtest.ladder import Ladder
from pipelines.core.detect import SpikePolicy
from pipelines.core.detect.evidence import capped
from pipelines.core.detect.whole_hour import of_window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SEED = 20_201_204
_THRESHOLDS = np.arange(-30.0, 12.0, 0.1)
_WARM = 72
"""Bins until the odds have settled."""
_FREQUENT, _RARE = 200.0, 20.0
"""Alerts a day between which the line is drawn that leads on to one."""


@dataclass
class Filter:
    """Odds of n series whose truth is told, and their window."""

    policy: SpikePolicy
    size: int
    raised: Floats = field(init=False)
    normal: Floats = field(init=False)
    counts: Floats = field(init=False)
    means: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.raised = np.full((len(self.policy.regimes), self.size), 1e-9)
        self.normal = np.ones(self.size)
        self.counts = np.zeros((self.size, self.policy.window_bins))
        self.means = np.zeros((self.size, self.policy.window_bins))

    def look(self, some: NDArray[np.int64], counts: Floats, mean: Floats, phi: Floats) -> Floats:
        """What critical goes by [n] if the bin closed now with ``counts``; changes nothing."""
        stay, rest = self._step(self.raised[:, some], self.normal[some], counts, mean, phi)
        window = _next(self.counts[some], counts), _next(self.means[some], mean)
        held = self._held(np.log(stay.sum(axis=0) / rest), *window, phi)
        return held - self.policy.open_cost

    def close(self, counts: Floats, mean: Floats, phi: Floats) -> Floats:
        """The same of a closed bin, which is kept."""
        stay, rest = self._step(self.raised, self.normal, counts, mean, phi)
        total = stay.sum(axis=0) + rest
        self.raised, self.normal = stay / total, rest / total
        self.counts, self.means = _next(self.counts, counts), _next(self.means, mean)
        return self._held(np.log(stay.sum(axis=0) / rest), self.counts, self.means, phi)

    def _step(
        self, raised: Floats, normal: Floats, counts: Floats, mean: Floats, phi: Floats
    ) -> tuple[Floats, Floats]:
        p = self.policy
        base = _log_nb(counts, p.rho * mean, phi)
        ratio = np.array([_log_nb(counts, q * mean, phi) - base for q in p.regimes])
        ratios = np.exp(capped(ratio, p))
        stay: Floats = ((1 - p.delta) * raised + p.pi / len(p.regimes) * normal) * ratios
        return stay, (1 - p.pi) * normal + p.delta * raised.sum(axis=0)

    def _held(self, score: Floats, counts: Floats, means: Floats, phi: Floats) -> Floats:
        enough = counts.sum(axis=1) >= self.policy.min_count_critical
        return np.where(enough, score - of_window(counts, means, phi, self.policy), -np.inf)


def _next(ring: Floats, now: Floats) -> Floats:
    """[n, bins] with the oldest bin gone and ``now`` [n] at the end."""
    return np.column_stack([ring[:, 1:], now])


def _log_nb(counts: Floats, mean: Floats, phi: Floats) -> Floats:
    r = mean / (phi - 1)
    value: Floats = gammaln(counts + r) - gammaln(r) - r * np.log(phi)
    return value + counts * np.log1p(-1 / phi)


def looks(
    run: Filter, world: World, ticks: int, factor: float | Floats = 1.0
) -> list[tuple[NDArray[np.int64], Floats]]:
    """(series, what critical goes by) for each look at the world's next bin, the close last."""
    counts, seen_by = world.bin(factor), []
    for share, seen in open_bins(counts, world.rng, ticks):
        some = np.flatnonzero(seen)
        mean, phi = world.mean[some] * share, world.phi[some]
        seen_by.append((some, run.look(some, seen[some], mean, phi)))
    everyone = np.arange(world.mean.size)
    return [*seen_by, (everyone, run.close(counts, world.mean, world.phi))]


def threshold(
    policy: SpikePolicy, series: int, bins: int, ticks: int, progress: Callable[[float], None]
) -> float:
    """For one alert a day over 50,000 series: the tail's exponential fall, read on from a run.

    Odds above h come by once in about e^h bins, so the line through 200 and 20 a day is carried
    on to one.
    """
    world, run = World.null(series, _SEED), Filter(policy, series)
    ladder = Ladder(series, _THRESHOLDS, 0, policy.refractory_bins)
    for t in range(_WARM + bins):
        for some, held in looks(run, world, ticks):
            if t >= _WARM:
                ladder.take(t, some, held, np.full(some.size, np.inf))
        if t % 24 == 0:
            progress(t / (_WARM + bins))
    days = series * bins / 288 / CITY
    low, high = (ladder.threshold_for(rate * days)[0] for rate in (_FREQUENT, _RARE))
    return float(high + (high - low) * np.log(_RARE) / np.log(_FREQUENT / _RARE))


def oracle(
    policy: SpikePolicy, world: World, factor: Floats, ticks: int, threshold: float
) -> Bools:
    """Which rises [n] are found within an hour, ticks on open bins included."""
    run = Filter(policy, world.mean.size)
    for _ in range(_WARM):
        run.close(world.bin(), world.mean, world.phi)
    found = np.zeros(world.mean.size, bool)
    for _ in range(policy.window_bins):
        for some, held in looks(run, world, ticks, factor):
            found[some] |= held >= threshold
    return found
