"""What is usual for a short, regular series: a regression refitted at each bin on its past.

Where there are few bins and a season (complaints by day or week), decayed sums know too little. Per
series, log-linear in level, trend, one harmonic and the days of the week; quasi-Poisson, fitted by
iteratively reweighted least squares with a ridge; past bins weigh less with age, where the filter
took them for a rise, and where they lie far above the fit (after Farrington 1996 and Noufaily 2013,
which cut such residuals off; here the ridge and the decay take the place of their windows).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MU_RANGE = (1e-4, 1e13)
"""Bounds of a bin's mean: beyond any count that is read."""
_ETA_RANGE = (-9.0, 30.0)


@dataclass(frozen=True, slots=True)
class RegressionPolicy:
    """How a series is fitted. Lengths are in bins, standard deviations are of log rates."""

    half_life: float
    """Age at which a bin weighs half."""
    period: float = 0.0
    """Length of the season that the harmonic has; 0: none."""
    days: int = 0
    """7: a factor for each day of the week; 0: none."""
    level_sd: float = 3.0
    trend_sd: float = 0.3
    """Prior of the change of the log rate over one half-life."""
    season_sd: float = 0.7
    day_sd: float = 0.5
    drift: float = 0.08
    """Change of the true log rate that the fit cannot know of yet, standard deviation."""
    residual: float = 2.0
    """Standardised residuals above this lose weight with their square."""
    rounds: int = 3
    """Least-squares rounds a bin, each from the coefficients of the bin before."""
    window_half_lives: float = 4.0
    """Older bins than this are left out: they weigh under a sixteenth."""

    def __post_init__(self) -> None:
        if min(self.half_life, self.window_half_lives, self.residual) <= 0 or self.rounds < 1:
            raise ValueError("RegressionPolicy: half-life, window, residual, rounds are positive")
        if min(self.level_sd, self.trend_sd, self.season_sd, self.day_sd) <= 0:
            raise ValueError("RegressionPolicy: standard deviations must be positive")

    @property
    def window(self) -> int:
        """How many past bins are looked at."""
        return int(self.half_life * self.window_half_lives)

    def design(self, bins: Floats) -> Floats:
        """Design matrix [T, p] of bins [T], numbered from a fixed origin."""
        columns = [np.ones(len(bins)), bins / self.half_life]
        if self.period:
            angle = 2 * np.pi * bins / self.period
            columns += [np.cos(angle), np.sin(angle)]
        columns += [(bins % self.days == d).astype(float) for d in range(self.days)]
        return np.stack(columns, axis=1)

    def ridge(self) -> Floats:
        """Prior precision [p] of the coefficients."""
        sds = [self.level_sd, self.trend_sd]
        sds += [self.season_sd] * (2 if self.period else 0) + [self.day_sd] * self.days
        precision: Floats = 1.0 / np.square(np.array(sds))
        return precision


@dataclass(slots=True)
class Forecast:
    """For the next bin, by series [n]: log rate per exposure, its variance, over-dispersion."""

    log_rate: Floats
    variance: Floats
    phi: Floats


class Regression:
    """The fits of n series that share their bins; coefficients carry over from bin to bin."""

    def __init__(self, series: int, policy: RegressionPolicy) -> None:
        self.policy = policy
        self._ridge = policy.ridge()
        self._beta = np.zeros((series, len(self._ridge)))
        self._began = False

    def forecast(
        self, counts: Floats, exposure: Floats, design: Floats, weight: Floats, ahead: Floats
    ) -> Forecast:
        """Fit the past and look one bin ahead.

        ``counts`` and ``exposure`` [n, t] (NaN: unknown), ``design`` [t, p] of the past,
        ``weight`` [n, t] in [0, 1], how normal each bin was; ``ahead`` [p] the next bin's row.
        """
        known = np.isfinite(counts) & (exposure > 0)
        y = np.where(known, counts, 0.0)
        offset = np.log(np.where(known, exposure, 1.0))
        # The trend is measured from the bin ahead, so that its ridge does not pull at the level.
        shifted, row = design.copy(), ahead.copy()
        shifted[:, 1] -= ahead[1]
        row[1] = 0.0
        age = -shifted[:, 1]
        base = np.where(known, weight, 0.0) * np.exp2(-age)
        self._start(y, offset, base)
        centre = self._centre(y, offset, base)
        phi = np.ones(len(y))
        for _ in range(self.policy.rounds):
            mu = self._mean(shifted, offset)
            phi = _dispersion(y, mu, base)
            robust = base * self._robust(y, mu, phi)
            self._step(y, mu, shifted, robust / phi[:, None], centre)
        mu = self._mean(shifted, offset)
        phi = _dispersion(y, mu, base * self._robust(y, mu, phi))
        precision = self._precision(mu, shifted, base / phi[:, None])
        spread = np.linalg.solve(precision, np.broadcast_to(row, self._beta.shape)[..., None])
        variance = np.maximum((row * spread[..., 0]).sum(axis=1), 0.0)
        return Forecast(self._beta @ row, variance + self.policy.drift**2, phi)

    def _start(self, y: Floats, offset: Floats, base: Floats) -> None:
        if not self._began:
            self._beta[:, 0] = self._centre(y, offset, base)
            self._began = True

    def _centre(self, y: Floats, offset: Floats, base: Floats) -> Floats:
        """Log of the weighted mean rate [n]: what the ridge draws the level to."""
        total = (base * np.exp(offset)).sum(axis=1)
        rate = ((base * y).sum(axis=1) + 0.5) / (total + 1.0)
        level: Floats = np.log(rate)
        return level

    def _mean(self, design: Floats, offset: Floats) -> Floats:
        eta = np.clip(self._beta @ design.T, *_ETA_RANGE) + offset
        return np.clip(np.exp(eta), *MU_RANGE)

    def _robust(self, y: Floats, mu: Floats, phi: Floats) -> Floats:
        residual = (y - mu) / np.sqrt(phi[:, None] * mu + 0.25)
        weight: Floats = np.square(
            np.minimum(1.0, self.policy.residual / np.maximum(residual, 1e-9))
        )
        return weight

    def _precision(self, mu: Floats, design: Floats, weight: Floats) -> Floats:
        scaled = weight * mu
        information = np.einsum("nt,tp,tq->npq", scaled, design, design, optimize=True)
        total: Floats = information + np.diag(self._ridge)
        return total

    def _step(self, y: Floats, mu: Floats, design: Floats, weight: Floats, centre: Floats) -> None:
        prior = np.zeros_like(self._beta)
        prior[:, 0] = centre
        gradient = (weight * (y - mu)) @ design - self._ridge * (self._beta - prior)
        step = np.linalg.solve(self._precision(mu, design, weight), gradient[..., None])[..., 0]
        self._beta += np.clip(step, -1.0, 1.0)


def _dispersion(y: Floats, mu: Floats, weight: Floats) -> Floats:
    """Pearson's estimate of variance / mean [n], drawn to 1.2 by ten bins' worth."""
    chi = (weight * np.square(y - mu) / np.maximum(mu, 0.05)).sum(axis=1)
    phi: Floats = np.maximum((chi + 12.0) / (weight.sum(axis=1) + 10.0), 1.0)
    return phi
