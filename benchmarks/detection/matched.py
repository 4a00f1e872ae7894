"""Ours beside its peers at the same rate of false bins: sensitivity, and rises found.

Every detector sees the same counts. Its threshold is the one that the given share of calm bins
exceeds; the sensitivity is the share of raised bins above it, the probability of detection the
share of series with one above it within the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.peers import PEERS
from benchmarks.detection.worlds import BINS_PER_DAY, CITY, HISTORY_DAYS, World
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy, SpikeState, observe

Floats = NDArray[np.float64]
FALSE_RATES = (0.005, 0.01, 0.02)
HOUR = 12
MIN_YIELD = 5.0
"""Complaints that a rise must yield in an hour to be asked for."""


@dataclass(frozen=True)
class Scenario:
    """A kind of calm, and a rise of ``factor`` on it for an hour."""

    name: str
    mean: float
    factor: float
    drift: float = 0.1
    festival: float = 1.0
    """Orders and complaints times this from six hours before the rise on."""
    silence: bool = False
    """Three hours unknown, that end an hour before the rise."""
    bins: int = HOUR
    """How long the rise lasts."""
    ramp: bool = False
    """Whether it comes up evenly over that time, and not at once."""

    @property
    def course(self) -> Floats:
        """[12]: share of the rise by bin."""
        k = np.arange(HOUR)
        return np.where(k < self.bins, (k + 1.0) / self.bins if self.ramp else 1.0, 0.0)

    @property
    def yields(self) -> float:
        """Complaints that the rise adds in its hour."""
        return float(self.course.sum() * self.mean * self.festival * (self.factor - 1.0))


SCENARIOS = (
    *(
        Scenario(f"x{factor:g} on {mean:g}", mean, factor)
        for mean in (0.1, 0.3, 1.0, 5.0, 20.0, 50.0)
        for factor in (2.0, 3.0, 5.0, 10.0, 20.0)
    ),
    Scenario("x5 on 1, drift 0.35", 1.0, 5.0, drift=0.35),
    Scenario("x2 on 20, drift 0.35", 20.0, 2.0, drift=0.35),
    Scenario("x5 on 1, festival x4", 1.0, 5.0, festival=4.0),
    Scenario("x2 on 20, festival x4", 20.0, 2.0, festival=4.0),
    Scenario("x5 on 1, after silence", 1.0, 5.0, silence=True),
    Scenario("x5 on 1, ramp", 1.0, 5.0, ramp=True),
    Scenario("x3 on 5, ramp", 5.0, 3.0, ramp=True),
    Scenario("x5 on 1, 20 minutes", 1.0, 5.0, bins=4),
    Scenario("x10 on 0.3, 20 minutes", 0.3, 10.0, bins=4),
)


@dataclass
class Result:
    """By detector and false rate: (sensitivity, probability of detection)."""

    scenario: Scenario
    found: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether ours is asked to be ahead."""
        return self.scenario.yields >= MIN_YIELD

    def below(self) -> list[str]:
        """Peers that are ahead of ours in either figure, at any of the rates."""
        ours = self.found["ours"]
        return [
            peer
            for peer, theirs in self.found.items()
            if peer != "ours"
            and any(t[0] > o[0] or t[1] > o[1] for t, o in zip(theirs, ours, strict=True))
        ]


def simulate(scenarios: Sequence[Scenario], size: int, seed: int) -> tuple[Floats, Floats]:
    """(counts, exposure), [T, scenario x n]: three days and a rise in the last hour.

    NaN is unknown.
    """

    def each(values: list[float]) -> Floats:
        return np.repeat(np.array(values), size)

    total = 3 * BINS_PER_DAY + HOUR
    onset = total - HOUR
    means, drift = each([s.mean for s in scenarios]), each([s.drift for s in scenarios])
    world = World.of_means(means, seed, drift)
    exposure = np.ones((total, means.size))
    exposure[onset - 6 * HOUR :] *= each([s.festival for s in scenarios])
    lift = np.ones((total, means.size))
    courses = np.repeat(np.array([s.course for s in scenarios]).T, size, axis=1)
    lift[onset:] += courses * (each([s.factor for s in scenarios]) - 1.0)
    counts = np.array([world.bin(row) for row in exposure * lift])
    silent = each([float(s.silence) for s in scenarios]) > 0
    counts[onset - 4 * HOUR : onset - HOUR, silent] = np.nan
    return counts, exposure


def ours(counts: Floats, exposure: Floats, policy: SpikePolicy) -> Floats:
    """Log odds [T, n]; the prior is the mean of the first two hours, as in a backtest."""
    state = SpikeState.empty(counts.shape[1], policy)
    first = counts[: 2 * HOUR].sum(axis=0) + 0.5
    rate = first / exposure[: 2 * HOUR].sum(axis=0)
    scores = np.empty_like(counts)
    for t, (c, e) in enumerate(zip(counts, exposure, strict=True)):
        scores[t] = observe(state, slice(None), c, e, rate, 2.0, policy)
    return scores


def as_published(size: int, seed: int) -> dict[str, float]:
    """By peer: alerts a day over 50,000 series of the null at the threshold of its authors.

    As ours, one alert per series until six hours were below.
    """
    world = World.null(size, seed)
    counts = np.array([world.bin() for _ in range((HISTORY_DAYS + 1) * BINS_PER_DAY)])
    out = {}
    for name, (score, threshold) in PEERS.items():
        over = score(counts) > threshold
        until, alerts = np.full(size, -1), 0
        for t in range(HISTORY_DAYS * BINS_PER_DAY, len(counts)):
            alerts += int((over[t] & (until < t)).sum())
            until = np.where(over[t], t + DEFAULT_POLICY.refractory_bins, until)
        out[name] = round(alerts * CITY / size)
    return out


def compare(
    scenarios: Sequence[Scenario], size: int, seed: int, policy: SpikePolicy
) -> list[Result]:
    """All scenarios, all detectors, ``size`` series each."""
    counts, exposure = simulate(scenarios, size, seed)
    # Peers know of no exposure and no unknown bins: they get zeros, as they would from a table.
    known = np.nan_to_num(counts)
    scores = {"ours": ours(counts, exposure, policy)}
    scores |= {name: score(known) for name, (score, _) in PEERS.items()}
    onset, results = len(counts) - HOUR, []
    for k, scenario in enumerate(scenarios):
        some = slice(k * size, (k + 1) * size)
        calm, result = np.isfinite(counts[BINS_PER_DAY:onset, some]), Result(scenario)
        for name, value in scores.items():
            quiet, raised = value[BINS_PER_DAY:onset, some][calm], value[onset:, some]
            raised = raised[: scenario.bins]
            result.found[name] = [_at(quiet, raised, rate) for rate in FALSE_RATES]
        results.append(result)
    return results


def _at(quiet: Floats, raised: Floats, rate: float) -> tuple[float, float]:
    """Ties share a score: only what lies above it counts, so none exceeds the rate."""
    threshold = np.partition(quiet, -int(rate * quiet.size) - 1)[-int(rate * quiet.size) - 1]
    above = raised > threshold
    return float(above.mean()), float(above.any(axis=0).mean())
