"""When to try again: exponential with full jitter, so that receivers that come back are not
met by everybody at once (Brooker, Exponential Backoff And Jitter, 2015)."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds; `attempts` that failed so far decide how long the next one waits."""

    first_s: float = 1.0
    most_s: float = 300.0
    give_up_s: float = 86_400.0
    """After so long, and `least` attempts, an event becomes a dead letter of its receiver."""
    least: int = 8
    """Time alone may have passed while we were away, or by a clock that was wrong."""

    def gives_up(self, attempts: int, age_s: float) -> bool:
        """Whether `attempts` that failed over `age_s` are enough."""
        return attempts >= self.least and age_s > self.give_up_s

    def delay_s(self, attempts: int, rng: random.Random, asked_s: float | None = None) -> float:
        """At least half of the exponential step; `asked_s` is the receiver's own Retry-After."""
        step = min(self.most_s, self.first_s * 2.0 ** min(attempts - 1, 30))
        delay = step / 2 + rng.random() * step / 2
        return delay if asked_s is None else max(delay, min(asked_s, self.most_s))
