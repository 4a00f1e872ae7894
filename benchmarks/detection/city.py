"""The sparse city of the simulator: most series have no complaint on most days.

20,000 merchants with power-law orders (5.5 million a day), 50,000 sessions a day of three hours
among them, complaints at about 10 per 10,000 orders (log-sd 0.7 between merchants). At one moment
the complaints of some merchants rise to a share of their orders. Sessions are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.worlds import BINS_PER_DAY
from pipelines.core.detect import (
    EpisodeEvent,
    EventKind,
    ExposureState,
    GroupPrior,
    SpikeDetector,
    SpikePolicy,
    close_exposure,
    prior_weight,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MERCHANTS, SESSIONS, GROUPS = 20_000, 50_000, 60
ORDERS_A_DAY = 5.5e6
LIFE = 36
"""Bins that a session lives."""
RATE, SPREAD = 1e-3, 0.7
SHARES = (0.005, 0.02, 0.10)
"""Complaints per order that the chosen merchants rise to."""
RHYTHM = np.interp(np.arange(24.0), [0, 4, 8, 12, 19, 23], [1.0, 0.2, 0.6, 1.0, 2.5, 2.0])
RHYTHM /= RHYTHM.mean()
TIERS = {"largest 1%": (0.0, 0.01), "next 9%": (0.01, 0.1), "next 40%": (0.1, 0.5)}
"""Merchants by their orders."""
GRADES = ("watch", "raised", "critical")
WAIT = 24
"""Bins after the onset that a rise may take to be found."""
NEVER = float("inf")
Progress = Callable[[float], None]


@dataclass
class Lane:
    """One kind of series with its detector, exposure and what it said."""

    name: str
    group: Ints
    policy: SpikePolicy
    alerts: Counter[str] = field(default_factory=Counter)
    first: dict[tuple[int, str], int] = field(default_factory=dict)
    """(series, grade): bin of the first alert."""

    def __post_init__(self) -> None:
        size = self.group.size
        self.detector = SpikeDetector.create(size, self.policy)
        self.exposure = ExposureState.empty(size)
        self.exposure.reset(slice(None), warm=self.name == "merchant")
        self.prior = GroupPrior.empty(GROUPS)
        self.slots = np.arange(size)

    def close(self, t: int, orders: Floats, complaints: Floats, live: NDArray[np.bool_]) -> None:
        slots = self.slots[live]
        e = close_exposure(self.exposure, slots, orders[live])
        group, n = self.group[live], complaints[live]
        members = np.maximum(np.bincount(group, minlength=GROUPS), 1)
        total = np.bincount(group, e, GROUPS)
        mean = self.prior.mean()
        weight = prior_weight(mean, total / members)[group]
        start = t * self.policy.bin_ms
        events = self.detector.close_bin(start, slots, n, e, mean[group], weight)
        self.prior.learn(np.bincount(group, n, GROUPS), total, self.policy)
        for event in events:
            self._note(t, event)

    def _note(self, t: int, event: EpisodeEvent) -> None:
        if event.kind in (EventKind.OPENED, EventKind.ESCALATED):
            grade = event.grade.name.lower()
            self.alerts[grade] += 1
            self.first.setdefault((event.series, grade), t)


@dataclass
class City:
    """What happens: orders and complaints a bin, by session; merchants are their sums."""

    seed: int
    part: float
    """Of the merchants, sessions and orders."""

    def __post_init__(self) -> None:
        rng = self.rng = np.random.default_rng(self.seed)
        merchants, sessions = round(MERCHANTS * self.part), round(SESSIONS * self.part)
        weight = np.minimum(rng.pareto(1.2, merchants) + 0.1, 2_000.0)
        self.orders = weight * self.part * ORDERS_A_DAY / BINS_PER_DAY / weight.sum()
        self.rate = RATE * np.exp(SPREAD * rng.standard_normal(merchants) - SPREAD**2 / 2)
        self.phi = rng.uniform(1.1, 2.6, merchants)
        self.group = rng.integers(0, GROUPS, merchants)
        self.merchant = rng.integers(0, merchants, sessions)
        self.born = rng.integers(0, BINS_PER_DAY, sessions)
        self.pool = self.orders / (1 - 0.5 ** (1 / 12)) * 0.5 ** (1 / 12)

    def bin(self, t: int, lifted: dict[int, float]) -> tuple[Floats, Floats]:
        """(orders, complaints) by merchant; complaints follow orders by an hour or so."""
        orders = self.rng.poisson(self.orders * RHYTHM[t // 12 % 24]).astype(np.float64)
        keep = 0.5 ** (1 / 12)
        due = (1 - keep) * (self.pool + orders)
        self.pool = keep * (self.pool + orders)
        rate = self.rate.copy()
        rate[list(lifted)] = list(lifted.values())
        shape = np.maximum(rate * due, 1e-12) / (self.phi - 1)
        return orders, self.rng.negative_binomial(shape, 1 / self.phi).astype(np.float64)

    def by_session(
        self, t: int, orders: Floats, complaints: Floats
    ) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Live sessions; a merchant's figures dealt out to its live sessions, without their sum
        changing where it has one."""
        live = (t - self.born) % BINS_PER_DAY < LIFE
        heads = np.bincount(self.merchant[live], minlength=self.orders.size)
        share = np.zeros(self.born.size)
        share[live] = 1.0 / heads[self.merchant[live]]
        mine = self.rng.binomial(complaints[self.merchant].astype(np.int64), share)
        return live, orders[self.merchant] * share, mine.astype(np.float64)


def run(policy: SpikePolicy, seed: int, part: float, progress: Progress) -> dict[str, object]:
    """A day of history, one without any rise, then one in which merchants rise at 20:00."""
    city = City(seed, part)
    shops = Lane("merchant", city.group, policy)
    rooms = Lane("session", city.group[city.merchant], policy)
    onset, chosen = 2 * BINS_PER_DAY + 20 * 12, _choose(city)
    complaints_seen, calm = 0.0, (Counter[str](), Counter[str]())
    for t in range(onset + WAIT):
        if t == BINS_PER_DAY:
            shops.alerts.clear()
            rooms.alerts.clear()
        if t == 2 * BINS_PER_DAY:
            calm = (shops.alerts.copy(), rooms.alerts.copy())
        if t == onset:
            shops.first.clear()
            rooms.first.clear()
        lifted = {i: s for i, s, _ in chosen} if t >= onset else {}
        orders, complaints = city.bin(t, lifted)
        complaints_seen += complaints.sum() if t < 2 * BINS_PER_DAY else 0.0
        shops.close(t, orders, complaints, np.ones(city.orders.size, bool))
        _sessions(city, rooms, t, orders, complaints)
        if t % 12 == 0:
            progress(t / (onset + WAIT))
    mine = [np.flatnonzero(city.merchant == i).tolist() for i, _, _ in chosen]
    return {
        "complaints_per_day": round(complaints_seen / 2 / part),
        "merchant_false_per_day": _per_day(calm[0], part),
        "session_false_per_day": _per_day(calm[1], part),
        "merchant_rises": _outcomes(shops, chosen, [[i] for i, _, _ in chosen], onset),
        "session_rises": _outcomes(rooms, chosen, mine, onset),
    }


def _sessions(city: City, rooms: Lane, t: int, orders: Floats, complaints: Floats) -> None:
    """A bin of the sessions; those that ended give their slots to others."""
    live, session_orders, mine = city.by_session(t, orders, complaints)
    ended = rooms.slots[(t - city.born) % BINS_PER_DAY == LIFE]
    rooms.detector.reset(ended, t * rooms.policy.bin_ms)
    rooms.exposure.reset(ended)
    rooms.close(t, session_orders, mine, live)


def _choose(city: City) -> list[tuple[int, float, str]]:
    """(merchant, share, size): up to thirty for each share among the large, middle and small."""
    by_size, size = np.argsort(-city.orders), city.orders.size
    chosen = []
    for name, (low, high) in TIERS.items():
        tier = by_size[round(low * size) : round(high * size)]
        number = min(30, tier.size // len(SHARES)) * len(SHARES)
        picks = city.rng.choice(tier, number, replace=False)
        chosen += [(int(i), SHARES[k % len(SHARES)], name) for k, i in enumerate(picks)]
    return chosen


def _per_day(alerts: Counter[str], part: float) -> dict[str, float]:
    """Of the whole city."""
    return {g: round(alerts[g] / part, 1) for g in GRADES}


def _outcomes(
    lane: Lane, chosen: list[tuple[int, float, str]], series: list[list[int]], onset: int
) -> list[dict[str, object]]:
    """Found by grade within two hours of 20:00, and the median minutes it took.

    ``series`` has those of the lane that belong to each chosen merchant: one of them is enough.
    """
    out: list[dict[str, object]] = []
    for tier, share in product(TIERS, SHARES):
        some = [k for k, (_, s, name) in enumerate(chosen) if s == share and name == tier]
        row: dict[str, object] = {"merchants": tier, "complaints_per_order": share}
        for grade in GRADES:
            times = [min((_first(lane, i, grade) for i in series[k]), default=NEVER) for k in some]
            hits = [t - onset + 1 for t in times if t < NEVER]
            row[grade] = round(len(hits) / max(len(some), 1), 2)
            row[f"{grade}_minutes_p50"] = float(np.median(hits) * 5) if hits else None
        out.append(row)
    return out


def _first(lane: Lane, series: int, grade: str) -> float:
    """Bin of the first alert of at least ``grade``; infinite where there was none."""
    found = [lane.first.get((series, g)) for g in GRADES[GRADES.index(grade) :]]
    return min((float(t) for t in found if t is not None), default=NEVER)
