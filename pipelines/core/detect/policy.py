"""What the complaint-spike detector (flag F01) is told: the rule, apart from any state.

All rates are per bin of ``bin_ms``; all scores and thresholds are natural log odds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import IntEnum

EVEN = 0.0
"""Log odds at which a rise is as likely as none."""


class Grade(IntEnum):
    """Grade of evidence of an episode. Ordered: watch < raised < critical."""

    WATCH = 1
    RAISED = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class SpikePolicy:
    """Parameters of the two-regime filter and of the episodes built on its score.

    Raises ``ValueError`` at construction for a value outside its meaning, so that a typing
    error in a configuration file fails at start and not as a silent detector.

    The defaults go together: the thresholds below hold for these parameters and no others. They
    differ from the prototype's (DESIGN section 4) where simulation said so: docs/detection.md has
    what they find, ADR 0007 and 0023 why.
    """

    bin_ms: int = 300_000
    """Length of a bin, ms. Half-lives and windows below count these."""

    rho: float = 1.1
    """Rates up to rho times the baseline still count as normal."""
    regimes: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0, 30.0)
    """Raised regimes, as multiples of the baseline."""
    pi: float = 1e-4
    """Probability per bin that a rise starts (shared equally by the regimes)."""
    delta: float = 0.05
    """Probability per bin that a rise ends: what makes the filter forget."""

    phi_grid: tuple[float, ...] = (1.15, 1.5, 2.0, 2.8)
    """Over-dispersions (variance / mean) that the mixture weighs; each above 1."""
    dispersion_half_life: float = 6_000.0
    """Half-life of the evidence about phi, bins."""
    dispersion_cap: float = 4.0
    """What one bin can say at most about one phi against another, log odds."""
    drifts: tuple[float, ...] = (0.05, 0.15, 0.45)
    """How far the log of a true rate may walk in a day, standard deviations: a grid ..."""
    drift_weights: tuple[float, ...] = (0.4, 0.4, 0.2)
    """... and what each is worth before a series has shown its own."""
    drift_half_life: float = 2_000.0
    """Half-life of the evidence about the drift, bins."""
    drift_cap: float = 20.0
    """How far apart two drifts can be at most, log odds."""
    gain_min: float = 1 / 2_000
    """Share of the baseline that is forgotten with a bin, at least (a week's memory) ..."""
    gain_max: float = 0.03
    """... and at most (two hours): a rise must not become usual within its first hour."""
    restless_cost: float = 4.0
    """Log odds that a series has to bring beyond the others' where it surely walks at the fastest
    drift; in proportion where that is less sure, nothing up to what it was worth at the start."""
    drift: float = 0.05
    """s: what the baseline can be off by beside all that, standard deviation of the log rate."""

    evidence_cap: float = 3.0
    """ln L_q up to which a bin's evidence counts in full ..."""
    evidence_slope: float = 0.1
    """... and the share that counts beyond it. False alerts come from single wild bins, true rises
    from several high ones; only a truly absurd bin (200 times the usual) is an alert by itself."""

    baseline_half_life: float = 288.0
    """Half-life of what a group's prior rests on, bins (288 five-minute bins are a day)."""
    freeze_bins: int = 72
    """An episode stops the baseline from learning for at most so many bins (6 h)."""
    young_bins: int = 576
    """Below this age (bins seen, 2 days) a series always learns the credible part of a bin."""
    learn_spread: float = 2.5
    """A bin's count is credible, and learned at once, up to mu + learn_spread * sqrt(mu) ..."""
    learn_extra: float = 0.5
    """... + learn_extra; the rest is learned when the bin leaves the window, an hour later ..."""
    learn_excess: float = 50.0
    """... but no more of it than learn_excess * (mu + 1)."""

    default_mean: float = 1e-3
    """Complaints per order where a prior is missing or invalid (DOMAIN: 5 to 30 per 10,000)."""
    default_weight_bins: float = 24.0
    """Prior weight in bins of the bin's own exposure where none is given."""
    exposure_floor: float = 1e-3
    """Smallest exposure of a bin, orders. Zero and negative exposures count as this."""
    exposure_ceiling: float = 2.0**31
    """Largest exposure of a bin, orders."""
    count_ceiling: float = 1e6
    """Larger counts of a bin are read as this."""

    watch: float = -2.0
    """Thresholds, log odds, for some 1,000, 10 and 1 false alerts a day over 50,000 series
    whose rates walk 0.1 a day, ticks on open bins included (``benchmarks.detection``, calibration
    seeds; docs/detection.md has what came of it). ``livewatch calibrate`` sets a city's own."""
    raised: float = 1.5
    critical: float = 2.4
    hour_cost: float = 5.0
    """Critical asks so many log odds more for each unit that the window's z (``whole_hour``) ..."""
    hour_usual: float = 4.0
    """... lies below this, and fewer for each above it ..."""
    hour_unsure: float = 0.005
    """... where z allows for so much relative variance of what was expected ..."""
    bin_cost: float = 0.8
    """... and so many for each bin of the window of at least twice what was expected that is ..."""
    bins_usual: float = 5.0
    """... missing from so many; fewer for each more ..."""
    climb_cost: float = 4.0
    """... and so many for each unit of log by which the fast baseline is above the slow one ..."""
    size_cost: float = 0.5
    """... and so many fewer for each unit of log by which what is expected of a bin ..."""
    size_most: float = 1.0
    """... lies below this, complaints ..."""
    size_least: float = 0.3
    """... or this, where it is less still ..."""
    open_cost: float = 1.0
    """... and so many in a bin that is still open: each look at it is one more chance to err."""

    window_bins: int = 12
    """Window of the count guard, of the clear rule and of what an event reports, bins."""
    min_count: int = 5
    min_count_critical: int = 8
    clear_ratio: float = 1.5
    """Clear only where observed < clear_ratio * expected over the window."""
    clear_odds: float = 0.1
    """Clear only where the odds are below this share of the watch threshold's odds ..."""
    clear_floor: float = 2.0
    """... or within this factor of the series' floor: the odds it has when nothing happens."""
    floor_half_life: float = 72.0
    """Half-life of the running mean that tracks the floor, bins."""
    refractory_bins: int = 72
    """After an episode is cleared, none of the same or a lower grade opens for so long (6 h)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if not math.isfinite(number):
                    raise ValueError(f"SpikePolicy.{field.name} must be finite, got {value!r}")
        if not 0 < self.pi < 1 or not 0 < self.delta < 1:
            raise ValueError("SpikePolicy.pi and .delta are probabilities inside (0, 1)")
        if not self.regimes or min(self.regimes) <= self.rho:
            raise ValueError("SpikePolicy.regimes must all lie above .rho")
        if self.evidence_cap < 0 or not 0 <= self.evidence_slope <= 1:
            raise ValueError("SpikePolicy.evidence_cap must be >= 0, .evidence_slope in [0, 1]")
        if min(self.learn_spread, self.learn_extra, self.learn_excess, self.dispersion_cap) < 0:
            raise ValueError("SpikePolicy.learn_* and .dispersion_cap must not be negative")
        if self.rho < 1:
            raise ValueError("SpikePolicy.rho must be at least 1")
        if not self.phi_grid or min(self.phi_grid) <= 1:
            raise ValueError("SpikePolicy.phi_grid must lie above 1 (negative binomial)")
        if len(self.drifts) != len(self.drift_weights) or not self.drifts:
            raise ValueError("SpikePolicy.drifts and .drift_weights must be as many")
        if min(self.drifts) < 0 or min(self.drift_weights) <= 0 or self.drift_cap < 0:
            raise ValueError("SpikePolicy.drifts must be >= 0 and their weights above 0")
        costs = (self.restless_cost, self.hour_cost, self.bin_cost, self.climb_cost)
        if min(*costs, self.size_cost, self.open_cost, self.hour_unsure) < 0:
            raise ValueError("SpikePolicy costs and .hour_unsure must not be negative")
        if not 0 < self.size_least <= self.size_most:
            raise ValueError("SpikePolicy sizes must be positive, .size_least <= .size_most")
        if not 0 < self.gain_min <= self.gain_max < 1:
            raise ValueError("SpikePolicy gains must be in (0, 1), .gain_min <= .gain_max")
        if not self.watch < self.raised < self.critical:
            raise ValueError("SpikePolicy thresholds must rise: watch < raised < critical")
        lives = (self.dispersion_half_life, self.baseline_half_life, self.drift_half_life)
        if min(*lives, self.floor_half_life) <= 0:
            raise ValueError("SpikePolicy half-lives must be positive")
        if min(self.bin_ms, self.window_bins) < 1 or self.window_bins > 127:
            raise ValueError("SpikePolicy.bin_ms and .window_bins must be positive (window <= 127)")
        if not 0 < self.exposure_floor < self.exposure_ceiling:
            raise ValueError("SpikePolicy.exposure_floor must be positive and below the ceiling")

    def threshold(self, grade: Grade) -> float:
        """Log odds from which ``grade`` is reached; for critical ``whole_hour`` adds to it."""
        return {
            Grade.WATCH: self.watch,
            Grade.RAISED: self.raised,
            Grade.CRITICAL: self.critical,
        }[grade]

    def asked(self, grade: Grade, beyond: float) -> float:
        """Score that ``grade`` takes, of a window that asks so much beyond (``whole_hour``)."""
        threshold = self.threshold(grade)
        return max(threshold + beyond, EVEN) if grade is Grade.CRITICAL else threshold

    def guard(self, grade: Grade) -> int:
        """Complaints that the window must hold for ``grade``."""
        return self.min_count_critical if grade is Grade.CRITICAL else self.min_count

    @property
    def baseline_decay(self) -> float:
        """Factor per bin on the sums of a group."""
        return math.exp2(-1.0 / self.baseline_half_life)

    @property
    def bin_days(self) -> float:
        """Length of a bin in days."""
        return self.bin_ms / 86_400_000

    @property
    def drift_decay(self) -> float:
        """Factor per bin on the log weights of the drifts."""
        return math.exp2(-1.0 / self.drift_half_life)

    @property
    def dispersion_decay(self) -> float:
        """Factor per bin on the log weights of phi."""
        return math.exp2(-1.0 / self.dispersion_half_life)

    @property
    def rest_score(self) -> float:
        """Score of a series about which nothing is known: stationary where every L_q is 1."""
        return math.log(self.pi / self.delta)


DEFAULT_POLICY = SpikePolicy()
