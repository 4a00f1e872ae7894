"""How much one platform may send: token buckets; pure, time passed in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Per platform and second; a burst of `burst_s` seconds is allowed. Sizes are per request.

    A correction is one batch or session named: each waits for Kafka, and makes the regulator's
    reads longer. `max_body` bounds what comes over the wire and `max_inflated` what gzip makes of
    it, bytes.
    """

    rows_per_s: float = 50_000
    requests_per_s: float = 500
    burst_s: float = 2
    max_body: int = 4_000_000
    max_inflated: int = 16_000_000
    corrections_per_s: float = 20
    max_rows: int = 20_000  # a code column's dictionary has int16 indices: below 32,767

    def __post_init__(self) -> None:
        rates = self.rows_per_s, self.requests_per_s, self.corrections_per_s, self.burst_s
        if not all(rate > 0 for rate in rates):  # nor NaN, which nothing is above
            raise ValueError("rates must be above 0")
        if not 1 <= self.max_rows <= 32_000:
            raise ValueError("max_rows must be from 1 to 32,000")


@dataclass(slots=True)
class TokenBucket:
    """Fills at `rate` a second up to `size`; `at_s` is any clock that only goes forward."""

    rate: float
    size: float
    level: float
    at_s: float

    def take(self, wanted: float, now_s: float) -> float:
        """Take tokens and return 0, or take none and return after how many seconds to ask again.

        What is larger than the bucket passes when it is full, and is owed afterwards.
        """
        self.level = min(self.size, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        need = min(wanted, self.size)
        if self.level < need:
            return (need - self.level) / self.rate
        self.level -= wanted
        return 0.0


@dataclass
class Limits:
    """The buckets of every platform that has sent something."""

    policy: LimitPolicy
    _rows: dict[str, TokenBucket] = field(default_factory=dict)
    _requests: dict[str, TokenBucket] = field(default_factory=dict)
    _corrections: dict[str, TokenBucket] = field(default_factory=dict)

    def request(self, platform_id: str, now_s: float) -> float:
        """Seconds to wait before one more request, 0 when it may pass."""
        return self._take(self._requests, self.policy.requests_per_s, platform_id, 1, now_s)

    def rows(self, platform_id: str, count: int, now_s: float) -> float:
        """Seconds to wait before so many rows, 0 when they may pass."""
        return self._take(self._rows, self.policy.rows_per_s, platform_id, count, now_s)

    def corrections(self, platform_id: str, count: int, now_s: float) -> float:
        """Seconds to wait before so many corrections, 0 when they may pass."""
        rate = self.policy.corrections_per_s
        return self._take(self._corrections, rate, platform_id, count, now_s)

    def _take(
        self,
        buckets: dict[str, TokenBucket],
        rate: float,
        platform_id: str,
        wanted: float,
        now_s: float,
    ) -> float:
        size = max(1.0, rate * self.policy.burst_s)
        bucket = buckets.setdefault(platform_id, TokenBucket(rate, size, size, now_s))
        return bucket.take(wanted, now_s)
