"""How often somebody may ask: token buckets; time passed in."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST = 10_000
"""Buckets kept; the oldest go, which forgives whoever is not seen for long."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float


@dataclass(slots=True)
class Limits:
    """`rate` a second and a burst of `burst`, for each key."""

    rate: float
    burst: float
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def spent(self, key: str, now_s: float) -> float:
        """Seconds until one may pass, without taking anything; 0 where it may now."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        level = bucket.level + (now_s - bucket.at_s) * self.rate
        return max(0.0, (1.0 - level) / self.rate)

    def wait(self, key: str, now_s: float, cost: float = 1.0) -> float:
        """0 where it may pass now, else after how many seconds it may."""
        bucket = self._buckets.pop(key, None) or _Bucket(self.burst, now_s)
        bucket.level = min(self.burst, bucket.level + (now_s - bucket.at_s) * self.rate)
        bucket.at_s = now_s
        self._buckets[key] = bucket
        if len(self._buckets) > _MOST:
            del self._buckets[next(iter(self._buckets))]
        if bucket.level < cost:
            return (cost - bucket.level) / self.rate
        bucket.level -= cost
        return 0.0
