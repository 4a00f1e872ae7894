"""The filter of DESIGN section 4 for one series, written slowly and straight from the formulas.

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
class Reference:
    rho: float = 1.3
    regimes: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
    pi: float = 1e-4
    delta: float = 0.05
    grid: tuple[float, ...] = (1.15, 1.4, 1.8, 2.3, 3.0)
    drift: float = 0.1
    cap: float = 4.0
    slope: float = 0.1
    half_life: float = 288.0
    phi_half_life: float = 6000.0
    freeze: int = 72
    young: int = 576
    spread: float = 4.0
    extra: float = 0.5
    window: int = 12
    phi_cap: float = 4.0
    excess: float = 50.0

    s: float = 0.0
    n: float = 0.0
    age: int = 0
    held: int = 0
    weights: list[float] = field(default_factory=list)
    raised: list[float] = field(default_factory=list)
    normal: float = 0.0
    ring: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        odds = self.pi / self.delta
        self.weights = [0.0] * len(self.grid)
        self.raised = [odds / (1 + odds) / len(self.regimes)] * len(self.regimes)
        self.normal = 1 / (1 + odds)

    @property
    def score(self) -> float:
        return math.log(sum(self.raised) / self.normal)

    def mixture(self, count: int, mean: float, phis: list[float]) -> float:
        total = log_sum(self.weights)
        terms = zip(self.weights, phis, strict=True)
        return log_sum([w - total + log_pmf(count, mean, phi) for w, phi in terms])

    def credible(self, count: int, mu: float) -> float:
        return min(count, mu + self.spread * math.sqrt(mu) + self.extra)

    def observe(self, count: int, e: float, m0: float, w0: float, frozen: bool = False) -> float:
        mu = e * (m0 * w0 + self.s) / (w0 + self.n)
        phis = [phi * (1 + e / (w0 + self.n)) + mu * self.drift**2 for phi in self.grid]
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

        if self.normal >= 0.5:
            keep = 0.5 ** (1 / self.phi_half_life)
            fresh = [log_pmf(count, mu, phi) for phi in phis]
            told = [max(x - max(fresh), -self.phi_cap) for x in fresh]
            self.weights = [keep * w + x for w, x in zip(self.weights, told, strict=True)]
        abnormal = frozen or self.normal < 0.5
        self.held = min(max(self.held + (1 if abnormal else -1), 0), self.freeze + 1)
        late = 0.0 if frozen else self.normal
        if abnormal and self.held > self.freeze:
            late = 1.0
        learn = 1.0 if self.age < self.young else late
        decay = 1 - learn * (1 - 0.5 ** (1 / self.half_life))
        self.s = decay * self.s + learn * self.credible(count, mu)
        self.n = decay * self.n + learn * e
        if len(self.ring) == self.window:
            old_count, old_mu = self.ring.pop(0)
            excess = old_count - self.credible(old_count, old_mu)
            self.s += late * min(excess, self.excess * (old_mu + 1))
        self.ring.append((count, as_stored(mu)))
        self.age += 1
        return self.score
