"""The filter for one series, written slowly and straight from the formulas (DESIGN section 4,
ADR 0007 and 0023).

Shares no code with the implementation: scalars and ``math`` only.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field


def log_pmf(count: int, mean: float, phi: float) -> float:
    r = mean / (phi - 1.0)
    choose = math.lgamma(count + r) - math.lgamma(r) - math.lgamma(count + 1)
    return choose - r * math.log(phi) + count * math.log(1.0 - 1.0 / phi)


def log_sum(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def as_stored(value: float) -> float:
    """The ring holds single precision."""
    (single,) = struct.unpack("f", struct.pack("f", value))
    return float(single)


@dataclass
class Drift:
    """One baseline of the grid."""

    step: float
    belief: float
    s: float = 0.0
    n: float = 0.0
    left: float = 1.0
    told: float = 0.0
    mean: float = 0.0
    basis: float = 0.0


@dataclass
class Reference:
    rho: float = 1.1
    regimes: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0, 30.0)
    pi: float = 1e-4
    delta: float = 0.05
    grid: tuple[float, ...] = (1.15, 1.5, 2.0, 2.8)
    drifts: tuple[tuple[float, float], ...] = ((0.05, 0.4), (0.15, 0.4), (0.45, 0.2))
    drift_half_life: float = 2000.0
    drift_cap: float = 20.0
    gains: tuple[float, float] = (1 / 2000, 0.03)
    other: float = 0.05
    cap: float = 3.0
    slope: float = 0.1
    phi_half_life: float = 6000.0
    freeze: int = 72
    young: int = 576
    spread: float = 2.5
    extra: float = 0.5
    window: int = 12
    phi_cap: float = 4.0
    excess: float = 50.0
    bins_a_day: int = 288

    age: int = 0
    held: int = 0
    base: list[Drift] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    raised: list[float] = field(default_factory=list)
    normal: float = 0.0
    restless: float = 0.0
    restless_cost: float = 4.0
    ring: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        odds = self.pi / self.delta
        self.base = [Drift(step, belief) for step, belief in self.drifts]
        self.weights = [0.0] * len(self.grid)
        self.raised = [odds / (1 + odds) / len(self.regimes)] * len(self.regimes)
        self.normal = 1 / (1 + odds)

    @property
    def score(self) -> float:
        return math.log(sum(self.raised) / self.normal) - self.restless_cost * self.restless

    def mixture(self, count: int, mean: float, phis: list[float]) -> float:
        total = log_sum(self.weights)
        terms = zip(self.weights, phis, strict=True)
        return log_sum([w - total + log_pmf(count, mean, phi) for w, phi in terms])

    def credible(self, count: int, mu: float) -> float:
        return min(count, mu + self.spread * math.sqrt(mu) + self.extra)

    def look(self, e: float, m0: float, w0: float) -> tuple[float, list[float]]:
        """Expected count, and phi_eff for each phi of the grid."""
        for b in self.base:
            b.basis = w0 * b.left + b.n
            b.mean = e * (m0 * w0 * b.left + b.s) / b.basis
        beliefs = [b.belief * math.exp(b.told) for b in self.base]
        share = [x / sum(beliefs) for x in beliefs]
        first = self.base[-1].belief
        self.restless = max(share[-1] - first, 0.0) / (1 - first)
        mu = sum(v * b.mean for v, b in zip(share, self.base, strict=True))
        novelty = sum(v * e / b.basis for v, b in zip(share, self.base, strict=True))
        between = sum(v * (b.mean / mu - 1) ** 2 for v, b in zip(share, self.base, strict=True))
        extra = mu * (self.other**2 + between)
        return mu, [phi * (1 + novelty) + extra for phi in self.grid]

    def observe(self, count: int, e: float, m0: float, w0: float, frozen: bool = False) -> float:
        mu, phis = self.look(e, m0, w0)
        total = log_sum(self.weights)
        phi = sum(math.exp(w - total) * p for w, p in zip(self.weights, self.grid, strict=True))
        self.update(count, mu, phis)
        if self.normal >= 0.5:
            self.learn_grids(count, mu, phis, phi)
        abnormal = frozen or self.normal < 0.5
        self.held = min(max(self.held + (1 if abnormal else -1), 0), self.freeze + 1)
        late = 0.0 if frozen else self.normal
        if abnormal and self.held > self.freeze:
            late = 1.0
        learn = 1.0 if self.age < self.young else late
        for b in self.base:
            gain = b.step / math.sqrt(self.bins_a_day) * math.sqrt(b.mean / phi)
            keep = 1 - learn * min(max(gain, self.gains[0]), self.gains[1])
            b.s = keep * b.s + learn * self.credible(count, mu)
            b.n = keep * b.n + learn * e
            b.left *= keep
        if len(self.ring) == self.window:
            old_count, old_mu = self.ring.pop(0)
            excess = old_count - self.credible(old_count, old_mu)
            for b in self.base:
                b.s += late * min(excess, self.excess * (old_mu + 1))
        self.ring.append((count, as_stored(mu)))
        self.age += 1
        return self.score

    def update(self, count: int, mu: float, phis: list[float]) -> None:
        base = self.mixture(count, self.rho * mu, phis)
        enter = self.pi / len(self.regimes) * self.normal
        stay = []
        for q, a in zip(self.regimes, self.raised, strict=True):
            log_ratio = self.mixture(count, q * mu, phis) - base
            if log_ratio > self.cap:
                log_ratio = self.cap + self.slope * (log_ratio - self.cap)
            stay.append(((1 - self.delta) * a + enter) * math.exp(log_ratio))
        rest = (1 - self.pi) * self.normal + self.delta * sum(self.raised)
        total = rest + sum(stay)
        self.raised, self.normal = [a / total for a in stay], rest / total

    def learn_grids(self, count: int, mu: float, phis: list[float], phi: float) -> None:
        keep = 0.5 ** (1 / self.phi_half_life)
        fresh = [log_pmf(count, mu, p) for p in phis]
        told = [max(x - max(fresh), -self.phi_cap) for x in fresh]
        self.weights = [keep * w + x for w, x in zip(self.weights, told, strict=True)]
        keep = 0.5 ** (1 / self.drift_half_life)
        c = self.credible(count, mu)
        for b in self.base:
            b.told = keep * b.told + (c * math.log(b.mean / mu) - b.mean) / phi
        best = max(b.told for b in self.base)
        for b in self.base:
            b.told = max(b.told - best, -self.drift_cap)
