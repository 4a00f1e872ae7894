"""The samples of one tick, vectorised over the sessions that are due in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producers.arrays import F64, I64
from producers.simulate.city import CATEGORIES, City
from producers.simulate.effects import Effects
from producers.simulate.sessions import Sessions

MINUTE_MS = 60_000
# How long a viewer stays, so that 50,000 sessions make 5.5 million orders a day.
DWELL_MS = 85 * MINUTE_MS
CLICKS_PER_VIEWER_MIN = 0.12
INTERACTIONS_PER_VIEWER_MIN = 0.4
# Buyers refund and complain soon after the order here: a run lasts hours, not weeks.
REFUND_LAG_MS = 15 * MINUTE_MS
COMPLAINT_LAG_MS = 5 * MINUTE_MS
_NOISE_SD = 0.15
_NOISE_KEEP = 0.95
_ORDER_CV2 = 0.25
_REFUND_RATE = np.array([c.refunds for c in CATEGORIES], np.float32)


@dataclass(frozen=True)
class Tick:
    """What the due sessions report; arrays of one length, one entry per session.

    `order_rows` says which of them have an orders row in this tick. `exposure` is the
    expected number of buyers who make up their mind about complaining.
    """

    slots: I64
    event_ms: I64
    viewers: I64
    unique: I64
    clicks: I64
    interactions: I64
    orders: I64
    paid_fen: I64
    refunds: I64
    refunded_fen: I64
    order_rows: npt.NDArray[np.bool_]
    exposure: F64


class Sampler:
    """Draws what sessions report and keeps their running figures."""

    def __init__(self, city: City, sessions: Sessions, rng: np.random.Generator) -> None:
        self._city, self._sessions, self._rng = city, sessions, rng
        self._refund_rate = _REFUND_RATE[city.merchant_category]

    def settle(self, slots: I64, now_ms: int, sample_every_ms: int) -> None:
        """Give sessions that are already on air the past that they would have."""
        s = self._sessions.slots
        s.last[slots] = np.maximum(s.start[slots], now_ms - sample_every_ms)
        # spread, or the rows that are due once a minute would all come at once
        s.last_orders[slots] = now_ms - self._rng.integers(0, MINUTE_MS, len(slots))
        audience = self._sessions.audience(now_ms)
        viewers = audience * _profile(s.start[slots], s.end[slots], now_ms) * s.peak[slots]
        age = now_ms - s.start[slots]
        s.unique[slots] = viewers * (1 + age / DWELL_MS)
        per_ms = viewers * s.conversion[slots] / DWELL_MS
        s.to_refund[slots] = per_ms * REFUND_LAG_MS * -np.expm1(-age / REFUND_LAG_MS)
        s.to_complain[slots] = per_ms * COMPLAINT_LAG_MS * -np.expm1(-age / COMPLAINT_LAG_MS)

    def sample(self, slots: I64, tick_start_ms: int, effects: Effects) -> Tick:
        """One sample of each of `slots`, taken within the tick. Sessions must be distinct."""
        s, rng = self._sessions.slots, self._rng
        event_ms = tick_start_ms + s.offset[slots]
        dt = (event_ms - s.last[slots]).astype(np.float64)
        np.clip(dt, 1, 2 * MINUTE_MS, out=dt)
        s.last[slots] = event_ms
        real = self._viewers(slots, event_ms, dt)
        watched = real * dt  # viewer-milliseconds
        arrived = watched * (1 / DWELL_MS)
        unique = np.maximum(s.unique[slots] + arrived, real)
        s.unique[slots] = unique
        expected = arrived * s.conversion[slots]
        engaged = watched * effects.engagement(slots)
        orders = rng.poisson(expected * effects.orders(slots))
        refunds, decided = self._after_sale(slots, orders, dt, effects)
        viewers, clicks, interactions = effects.shown(
            slots,
            np.rint(real * effects.viewers(slots)).astype(np.int64),
            rng.poisson(engaged * (CLICKS_PER_VIEWER_MIN / MINUTE_MS)),
            rng.poisson(engaged * (INTERACTIONS_PER_VIEWER_MIN / MINUTE_MS)),
        )
        ended = s.end[slots] <= event_ms
        viewers = np.where(ended, 0, viewers)
        rows = (orders > 0) | (refunds > 0) | (event_ms - s.last_orders[slots] >= MINUTE_MS)
        s.last_orders[slots[rows]] = event_ms[rows]
        paid = self._money(slots, orders)
        return Tick(
            slots, event_ms, viewers, np.ceil(unique).astype(np.int64), clicks, interactions,
            orders, paid, refunds, self._money(slots, refunds), rows, decided,
        )  # fmt: skip

    def _viewers(self, slots: I64, event_ms: I64, dt: F64) -> F64:
        """Expected viewers now: peak, course of the session, hour of the day, slow noise."""
        s = self._sessions.slots
        noise = self._rng.standard_normal(len(slots), np.float32)
        keep = np.float32(_NOISE_KEEP)
        drift = keep * s.drift[slots] + np.sqrt(1 - keep * keep) * noise
        s.drift[slots] = drift
        audience = self._sessions.audience(int(event_ms[0])) if len(slots) else 1.0
        level = s.peak[slots] * np.exp(np.float32(_NOISE_SD) * drift) * np.float32(audience)
        return np.asarray(_profile(s.start[slots], s.end[slots], event_ms) * level, np.float64)

    def _after_sale(self, slots: I64, orders: I64, dt: F64, effects: Effects) -> tuple[I64, F64]:
        """Refunds of this sample, and the buyers who decide about a complaint."""
        s = self._sessions.slots
        waiting = s.to_refund[slots] + orders
        decided = waiting * -np.expm1(dt * (-1 / REFUND_LAG_MS))
        s.to_refund[slots] = waiting - decided
        rate = self._refund_rate[s.merchant[slots]] * effects.refunds(slots)
        refunds = self._rng.poisson(decided * rate)
        thinking = s.to_complain[slots] + orders
        exposure = thinking * -np.expm1(dt * (-1 / COMPLAINT_LAG_MS))
        s.to_complain[slots] = thinking - exposure
        return refunds, exposure.astype(np.float64)

    def _money(self, slots: I64, orders: I64) -> I64:
        """Whole fen of so many orders: log-normal about the merchant's mean value."""
        fen = np.zeros(len(orders), np.int64)
        some = np.flatnonzero(orders)
        count = orders[some]
        mean = self._city.order_fen[self._sessions.slots.merchant[slots[some]]]
        sd = np.sqrt(np.log1p(_ORDER_CV2 / count))
        value = mean * np.exp(sd * self._rng.standard_normal(len(some)) - sd * sd / 2)
        fen[some] = np.maximum(count, np.rint(count * value)).astype(np.int64)
        return fen


def _profile(start: I64, end: I64, now: I64 | int) -> F64:
    """Share of the peak at `now`: a climb, a plateau, a fall; 0 after the end."""
    x = (now - start) / np.maximum(end - start, 1)
    rise, fall = np.minimum(1, 0.3 + 7 * x), np.minimum(1, 0.2 + 8 * (1 - x))
    return np.asarray(np.maximum(rise * fall, 0) * (x < 1), np.float64)
