"""Choosing what an anomaly hits: a live session, and with it a merchant or a category."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from producers.arrays import F64, I32, I64, Mask
from producers.errors import UsageError
from producers.simulate.model import Population
from producers.simulate.requests import Request
from producers.simulate.sampling import DWELL_MS

# A session that is hit lives on a little, so that what is due of it can still be sent.
AFTER_MS = 5 * 60_000
# Complaints come from buyers: a spike wants at least so many orders for each of them.
_ORDERS_PER_COMPLAINT = 2.0
_LEAST_POOL = 10
# A surge of refunds can be seen where there are many orders: so many in it, or the busiest three.
_ORDERS_OF_A_SURGE = 240.0
_SURGE_POOL = 3
# Categories with few refunds, where a surge has room.
_FEW_REFUNDS = ("food", "household", "appliances_electronics", "agricultural")


@dataclass
class Chooser:
    """Remembers what is taken: no merchant twice, nor a platform's category, where possible."""

    population: Population
    _merchants: set[int] = field(default_factory=set)
    _cells: set[int] = field(default_factory=set)

    def session(
        self,
        request: Request,
        level: str,
        platform: int | None,
        category: int | None,
        excess: float,
    ) -> int:
        """Slot of a live session: the wanted one, else a busy one that lives long enough.

        Its life is prolonged where it would end before the anomaly. Raises UsageError when
        there is none at the start of the run.
        """
        live, s = self.population.live, self.population.sessions.slots
        keep = self._wanted(request, level, platform, category)
        if not keep.any():
            raise UsageError(f"{request.kind}: no live session of the wanted {level} at the start")
        end_ms = self.population.config.start_ms + request.start_ms + request.duration_ms
        merchant = s.merchant[live]
        keep = _prefer(keep, ~np.isin(merchant, list(self._merchants)))
        orders, few = _ORDERS_PER_COMPLAINT * excess, _LEAST_POOL
        if request.kind == "F05":
            orders, few = _ORDERS_OF_A_SURGE, _SURGE_POOL
        keep = self._busy(keep, orders / request.duration_ms, few)
        keep = _prefer(keep, ~np.isin(self._cell(merchant), list(self._cells)))
        keep = _prefer(keep, s.end[live] > end_ms + AFTER_MS)
        slot = int(self.population.rng.choice(live[keep]))
        self._merchants.add(int(s.merchant[slot]))
        self._cells.add(int(self._cell(s.merchant[[slot]])[0]))
        s.end[slot] = max(int(s.end[slot]), end_ms + AFTER_MS)
        return slot

    def orders_per_ms(self, slots: I64) -> F64:
        """Expected orders of each session, at the audience of the start."""
        s, sessions = self.population.sessions.slots, self.population.sessions
        audience = sessions.audience(self.population.config.start_ms)
        return np.asarray(s.peak[slots] * s.conversion[slots] * audience / DWELL_MS, np.float64)

    def viewers(self, slot: int, event_ms: int) -> float:
        """Expected viewers of a session in its prime, with the audience of `event_ms`."""
        sessions = self.population.sessions
        return float(sessions.slots.peak[slot]) * sessions.audience(event_ms)

    def complaints_per_ms(self, slots: I64) -> float:
        """Expected complaints of all these sessions, without anomalies."""
        rate = self.population.city.complaint_rate[self.population.sessions.slots.merchant[slots]]
        return float((rate * self.orders_per_ms(slots)).sum())

    def _wanted(
        self, request: Request, level: str, platform: int | None, category: int | None
    ) -> Mask:
        city, s, live = self.population.city, self.population.sessions.slots, self.population.live
        merchant = s.merchant[live]
        keep = np.ones(len(live), bool)
        if platform is not None:
            keep &= city.merchant_platform[merchant] == platform
        if category is not None:
            keep &= city.merchant_category[merchant] == category
        named = (request.entity_id or "").encode()
        if named and level == "merchant":
            keep &= city.merchant_pid[merchant] == named
        elif named and level == "session":
            keep &= s.session_id[live] == named
        elif request.kind == "F05":
            few = [city.categories.index(c) for c in _FEW_REFUNDS]
            keep = _prefer(keep, np.isin(city.merchant_category[merchant], few))
        if request.kind == "F10":
            certified = city.streamers.column("streamer_certified").to_numpy(zero_copy_only=False)
            keep &= ~certified.astype(bool)[s.streamer[live]]
        return keep

    def _busy(self, keep: Mask, orders_per_ms: float, few: int) -> Mask:
        """Sessions with so many orders, or the busiest ``few``; at least the upper tenth."""
        at = np.flatnonzero(keep)
        orders = self.orders_per_ms(self.population.live[at])
        pool = np.sort(orders)[::-1][: max(_LEAST_POOL, len(at) // 10)]
        least = min(max(orders_per_ms, pool[-1]), pool[min(few, len(pool)) - 1])
        busy = np.zeros_like(keep)
        busy[at[orders >= least]] = True
        return busy

    def _cell(self, merchant: I32) -> I64:
        city = self.population.city
        found = city.merchant_platform[merchant] * 100 + city.merchant_category[merchant]
        return np.asarray(found, np.int64)


def _prefer(keep: Mask, wish: Mask) -> Mask:
    both = keep & wish
    return both if both.any() else keep
