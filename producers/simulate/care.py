"""What a platform says of its care: shipping, vouchers, answers to complaints, reviews.

Drawn apart from viewers, orders and complaints, from a stream of random numbers of its own, so
that those stay as they are. The figures are choices of this project.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from producers.arrays import I64
from producers.simulate.city import CATEGORIES, City
from producers.simulate.complaints import ComplaintRows
from producers.simulate.effects import Effects
from producers.simulate.sampling import MINUTE_MS, Tick
from producers.simulate.sessions import Slots

Mask = npt.NDArray[np.bool_]
#: Share of sessions that nobody reviews; of the others about one in twenty minutes is missed.
UNREVIEWED, MISSED = 0.02, 0.05
#: Mode of a review, its share, and the median of its latency, ms (log-sd 0.6).
MODES = {"machine": (0.93, 600.0), "human": (0.04, 45_000.0), "both": (0.03, 60_000.0)}
OUTCOMES = {"passed": 0.994, "warned": 0.0055, "interrupted": 0.0005}
#: Refunds by the age of their orders: same day, then 1 to 30 days, ever fewer.
COHORTS = np.array([0.35, *(0.65 * w for w in np.exp(-np.arange(30) / 6))])
SHIPPED_LOW, SHIPPED_HIGH = 0.88, 0.995
_REDEEMED = 0.8
_RESPONSE_MIN, _RESPONSE_LOG_SD = 150.0, 1.1
_ANSWERED, _CLOSED, _RESOLVED = 0.95, 0.9, 0.8
_SERVICES = [c.code for c in CATEGORIES].index("life_services")


@dataclass(frozen=True)
class ReviewRows:
    """One entry per row: index into the tick, indices into MODES and OUTCOMES, latency."""

    at: I64
    mode: I64
    outcome: I64
    reviews: I64
    latency_ms: I64


class Care:
    """Draws what the other columns of a tick are. One row of reviews a session and minute.

    `truth` counts what was drawn: the ground truth of the indicators that rest on it.
    """

    def __init__(self, city: City, slots: Slots, start_ms: int, rng: np.random.Generator) -> None:
        self._city, self._slots, self._rng = city, slots, rng
        self.truth: Counter[str] = Counter()
        count = len(city.merchant_category)
        self._shipped = rng.uniform(SHIPPED_LOW, SHIPPED_HIGH, count).astype(np.float32)
        self._unreviewed = rng.random(len(city.streamer_merchant)) < UNREVIEWED
        # spread, or the reviews that are due once a minute would all come at once
        self._last_review = start_ms - rng.integers(0, MINUTE_MS, len(slots.start))
        self._cohorts = np.cumsum(COHORTS / COHORTS.sum())
        self._modes = np.cumsum([share for share, _ in MODES.values()])
        self._latency = np.array([median for _, median in MODES.values()])
        self._outcomes = np.cumsum(list(OUTCOMES.values()))

    def of_orders(self, tick: Tick, at: I64) -> list[pa.Array]:
        """Columns cohort_days, due_48h, shipped_48h, vouchers_redeemed of the rows `at`.

        As many orders fall due as are paid now: the city sold as much two days ago.
        """
        rng, merchant = self._rng, self._slots.merchant[tick.slots[at]]
        services = self._city.merchant_category[merchant] == _SERVICES
        age = np.searchsorted(self._cohorts, rng.random(len(at))).astype(np.uint16)
        due = rng.poisson(tick.orders[at] * 1.0)
        shipped = rng.binomial(due, self._shipped[merchant])
        redeemed = rng.poisson(tick.orders[at] * _REDEEMED)
        self.truth["due_48h"] += int(due[~services].sum())
        self.truth["shipped_48h"] += int(shipped[~services].sum())
        self.truth["vouchers_redeemed"] += int(redeemed[services].sum())
        refunds, week = tick.refunds[at], age < 7
        self.truth["refunds_within_7d"] += int(refunds[week].sum())
        self.truth["refunds_later"] += int(refunds[~week].sum())
        return [
            _maybe(age, tick.refunds[at] > 0, pa.uint16()),
            _maybe(due, ~services, pa.uint32()),
            _maybe(shipped, ~services, pa.uint32()),
            _maybe(redeemed, services, pa.uint32()),
        ]

    def of_complaints(self, rows: ComplaintRows) -> list[pa.Array]:
        """Columns responded, response_minutes, resolved, closed: as many as are filed now."""
        rng, filed = self._rng, rows.complaints
        responded = rng.poisson(filed * _ANSWERED)
        closed = rng.poisson(filed * _CLOSED)
        minutes = rng.lognormal(np.log(_RESPONSE_MIN), _RESPONSE_LOG_SD, len(filed))
        resolved = rng.binomial(closed, _RESOLVED)
        for name, values in (("responded", responded), ("closed", closed), ("resolved", resolved)):
            self.truth[name] += int(values.sum())
        return [
            pa.array(responded, pa.uint32()),
            _maybe(np.ceil(minutes).astype(np.int64), responded > 0, pa.uint32()),
            pa.array(resolved, pa.uint32()),
            pa.array(closed, pa.uint32()),
        ]

    def reviews(self, tick: Tick, effects: Effects) -> ReviewRows:
        """The reviews of the sessions that are due one: about one row a minute each."""
        rng, s = self._rng, self._slots
        if len(self._last_review) < len(s.start):
            grown = np.zeros(len(s.start), np.int64)
            grown[: len(self._last_review)] = self._last_review
            self._last_review = grown
        since = tick.event_ms - self._last_review[tick.slots]
        due = (since >= MINUTE_MS) & (tick.viewers > 0)
        at = np.flatnonzero(due & ~self._unreviewed[s.streamer[tick.slots]])
        self._last_review[tick.slots[at]] = tick.event_ms[at]
        at = at[rng.random(len(at)) >= MISSED]
        at = at[effects.reviewed(tick.slots[at])]
        n = len(at)
        mode = np.searchsorted(self._modes, rng.random(n) * self._modes[-1])
        outcome = np.searchsorted(self._outcomes, rng.random(n) * self._outcomes[-1])
        latency = self._latency[mode] * rng.lognormal(0, 0.6, n)
        count = 1 + rng.poisson(5, n)
        self.truth["reviews"] += int(count.sum())
        for name, number in zip(OUTCOMES, np.bincount(outcome, minlength=3).tolist(), strict=True):
            self.truth[f"review_rows_{name}"] += number
        return ReviewRows(at, mode, outcome, count, np.ceil(latency).astype(np.int64))


def _maybe(values: npt.NDArray[np.integer], told: Mask, kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind, mask=~told)
