"""False alerts a day and detection within an hour of the complaint-spike detector, simulated.

    python benchmarks/calibrate_spike.py null    # alerts a day by threshold, with ticks or not
    python benchmarks/calibrate_spike.py detect  # share of known rises found within 12 bins
    python benchmarks/calibrate_spike.py city    # sparse city that starts without any history
    python benchmarks/calibrate_spike.py demo    # four hours of 5,000 sessions, from nothing

The null world is DESIGN section 4's: series whose mean per 5-minute bin is log-normal (median 0.2,
log-sd 1.6), over-dispersion uniform from 1.1 to 2.6, log-mean drifting 0.1 a day. Every figure goes
with its seed; the thresholds in ``SpikePolicy`` were read off the tables that this prints.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.core.detect import (
    DEFAULT_POLICY,
    EpisodeBook,
    EpisodeEvent,
    EventKind,
    ExposureState,
    GroupPrior,
    SpikeDetector,
    SpikePolicy,
    close_exposure,
    open_exposure,
    prior_weight,
)
from pipelines.core.detect.prior import SPREAD
from pipelines.core.detect.spike_filter import expected, peek
from pipelines.core.detect.window import Window, closed_window, open_window

Floats = NDArray[np.float64]

BINS_PER_DAY = 288
CITY = 50_000
GROUP_MEAN = 0.2 * float(np.exp(1.6**2 / 2))
"""Mean of the log-normal: what a group's prior would have learned (0.72 a bin)."""


@dataclass
class NullWorld:
    """Counts of series that nothing happens to; exposure is 1 a bin."""

    rng: np.random.Generator
    mean: Floats
    phi: Floats
    drift: float = 0.1

    @classmethod
    def lognormal(cls, size: int, seed: int) -> NullWorld:
        rng = np.random.default_rng(seed)
        return cls(rng, 0.2 * np.exp(1.6 * rng.standard_normal(size)), rng.uniform(1.1, 2.6, size))

    @classmethod
    def constant(cls, size: int, mean: float, seed: int) -> NullWorld:
        rng = np.random.default_rng(seed)
        return cls(rng, np.full(size, mean), rng.uniform(1.1, 2.6, size))

    def bin(self, factor: float = 1.0) -> Floats:
        step = self.drift / np.sqrt(BINS_PER_DAY)
        self.mean = self.mean * np.exp(step * self.rng.standard_normal(self.mean.size))
        shape = factor * self.mean / (self.phi - 1.0)
        return self.rng.negative_binomial(shape, 1.0 / self.phi).astype(np.float64)


def sub_ticks(
    counts: Floats, rng: np.random.Generator, parts: int
) -> Iterator[tuple[float, Floats]]:
    """(elapsed share, counts so far) of an open bin whose complaints fall evenly over it."""
    left, seen = counts.astype(np.int64), np.zeros(counts.size)
    for i in range(1, parts):
        now = rng.binomial(left, 1.0 / (parts - i + 1))
        left, seen = left - now, seen + now
        yield i / parts, seen


@dataclass
class Ladder:
    """One episode book per threshold, all on the same scores: alerts against threshold."""

    thresholds: Floats
    guard: int
    base: SpikePolicy
    books: list[EpisodeBook] = field(init=False)
    policies: list[SpikePolicy] = field(init=False)
    opened: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.books = [EpisodeBook() for _ in self.thresholds]
        self.policies = [
            replace(self.base, watch=h, raised=h + 1e3, critical=h + 2e3, min_count=self.guard)
            for h in self.thresholds.tolist()
        ]
        self.opened = np.zeros(len(self.thresholds), np.int64)

    def advance(
        self, now: int, slots: NDArray[np.int64], scores: Floats, window: Window, *, closed: bool
    ) -> None:
        for i, (book, policy) in enumerate(zip(self.books, self.policies, strict=True)):
            at = book.candidates(slots, scores, policy)
            if at.size:
                events = book.advance(
                    now, slots[at], scores[at], window.take(at), policy, closed=closed
                )
                self.opened[i] += sum(e.kind is EventKind.OPENED for e in events)

    def busy(self) -> set[int]:
        return set().union(*(book.open for book in self.books))


def null_table(
    policy: SpikePolicy, size: int, warm: float, days: float, seed: int, parts: int
) -> None:
    """Prints alerts a day per 50,000 series by threshold, on closed bins and with ticks."""
    world = NullWorld.lognormal(size, seed)
    detector, slots = SpikeDetector.create(size, policy), np.arange(size)
    thresholds = np.arange(-5.0, 2.6, 0.5)
    ladders = {
        (ticks, guard): Ladder(thresholds, guard, policy)
        for ticks in (False, True)
        for guard in (policy.min_count, policy.min_count_critical)
    }
    low = float(thresholds[0])
    start, grades = time.perf_counter(), Counter[str]()
    one, weight = np.ones(size), np.full(size, 24.0)
    warm_bins, bins = int(warm * BINS_PER_DAY), int((warm + days) * BINS_PER_DAY)
    for t in range(bins):
        now, counts = t * policy.bin_ms, world.bin()
        measured = t >= warm_bins
        ticks = sub_ticks(counts, world.rng, parts) if measured and parts > 1 else ()
        for share, seen in ticks:
            some = np.flatnonzero(seen)
            e = np.full(some.size, share)
            args = (e, GROUP_MEAN, 24.0, policy)
            scores = peek(detector.state, some, seen[some], *args)
            at = np.flatnonzero(scores >= low)
            some, scores = some[at], scores[at]
            mu = expected(detector.state, some, *(e[at], GROUP_MEAN, 24.0, policy))
            window = open_window(detector.state, some, seen[some], mu, e[at], policy)
            for (ticking, _), ladder in ladders.items():
                if ticking:
                    ladder.advance(now, some, scores, window, closed=False)
            at = detector.book.candidates(some, scores, policy)
            grades.update(
                event.grade.name
                for event in detector.book.advance(
                    now, some[at], scores[at], window.take(at), policy, closed=False
                )
            )
        events = detector.close_bin(now, slots, counts, one, GROUP_MEAN, weight)
        if measured:
            grades.update(e.grade.name for e in events if e.kind is not EventKind.CLEARED)
            scores = detector.state.score
            busy = set().union(*(ladder.busy() for ladder in ladders.values()))
            mask = scores >= low
            mask[np.fromiter(busy, np.int64, len(busy))] = True
            some = np.flatnonzero(mask)
            window = closed_window(detector.state, some)
            for ladder in ladders.values():
                ladder.advance(now, some, scores[some], window, closed=True)
    scale = CITY / size / days
    print(
        f"null: {size} series, {warm}+{days} days, seed {seed}, {time.perf_counter() - start:.0f} s"
    )
    print("threshold   closed>=5   ticks>=5   closed>=8   ticks>=8   (alerts a day per 50,000)")
    for i, h in enumerate(thresholds):
        row = [ladders[k].opened[i] * scale for k in ((False, 5), (True, 5), (False, 8), (True, 8))]
        print(f"{h:9.1f}" + "".join(f"{value:11.1f}" for value in row))
    print("with the policy's own grades:", {k: round(v * scale, 1) for k, v in grades.items()})


SCENARIOS = ((5.0, 1.0), (10.0, 0.3), (3.0, 5.0), (2.0, 20.0))


def detection(
    policy: SpikePolicy, size: int, warm: float, seed: int, parts: int, thresholds: list[float]
) -> None:
    """Prints the share of rises whose score reached each threshold within an hour."""
    print("rise x on mean" + "".join(f"{h:>8.1f}" for h in thresholds), "  closed | with ticks")
    for factor, mean in SCENARIOS:
        world = NullWorld.constant(size, mean, seed)
        detector, slots = SpikeDetector.create(size, policy), np.arange(size)
        for t in range(int(warm * BINS_PER_DAY)):
            detector.close_bin(t * policy.bin_ms, slots, world.bin(), 1.0, GROUP_MEAN, 24.0)
        best = {False: np.full(size, -np.inf), True: np.full(size, -np.inf)}
        for t in range(12):
            counts = world.bin(factor)
            for share, seen in sub_ticks(counts, world.rng, parts):
                e = np.full(size, share)
                scores = peek(detector.state, slots, seen, e, GROUP_MEAN, 24.0, policy)
                mu = expected(detector.state, slots, e, GROUP_MEAN, 24.0, policy)
                window = open_window(detector.state, slots, seen, mu, e, policy)
                scores[window.observed < policy.min_count_critical] = -np.inf
                best[True] = np.maximum(best[True], scores)
            detector.close_bin(t * policy.bin_ms, slots, counts, 1.0, GROUP_MEAN, 24.0)
            scores = detector.state.score.copy()
            few = closed_window(detector.state, slots).observed < policy.min_count_critical
            scores[few] = -np.inf
            best = {k: np.maximum(v, scores) for k, v in best.items()}
        shares = [
            "".join(f"{(best[k] >= h).mean():8.2f}" for h in thresholds) for k in (False, True)
        ]
        print(f"x{factor:<4.0f}on {mean:<6.1f}{shares[0]}  | {shares[1]}")


def cold_spikes(policy: SpikePolicy, size: int, seed: int) -> None:
    """Prints how soon 30 complaints in 25 minutes are found soon after a cold start."""
    print("30 complaints in 5 bins, closed bins only: share found within 6 bins, median bins")
    for quiet in (0, 12, 24):
        for mean in (0.003, 0.03, 0.06, 0.3, 1.5):
            world = NullWorld.constant(size, mean, seed)
            world.phi[:], world.drift = 1.3, 0.0
            detector, slots = SpikeDetector.create(size, policy), np.arange(size)
            weight = prior_weight(mean, 1.0)
            first = {grade: np.full(size, np.inf) for grade in ("raised", "critical")}
            for t in range(-quiet, 6):
                counts = world.bin()
                if 0 <= t < 5:
                    counts += world.rng.negative_binomial(6 / 0.3, 1 / 1.3, size)
                now = t * policy.bin_ms
                for event in detector.close_bin(now, slots, counts, 1.0, mean, weight):
                    for grade, bins in first.items():
                        if t >= 0 and event.grade.name.lower() in (grade, "critical"):
                            bins[event.series] = min(bins[event.series], t + 1)
            found = [
                f"{k} {np.isfinite(v).mean():.3f} in {np.median(v):.0f}" for k, v in first.items()
            ]
            print(f"after {5 * quiet:3d} quiet minutes, mean {mean:<5}: {', '.join(found)}")


@dataclass
class Market:
    """Series with power-law orders, unequal complaint rates, a day's rhythm and a delay."""

    rng: np.random.Generator
    orders: Floats
    """Mean orders a bin."""
    rate: Floats
    """True complaints per order."""
    phi: Floats
    delay: float
    """Half-life of the true delay from order to complaint, bins; 0 for none."""
    pool: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.pool = self.orders * self.keep / (1.0 - self.keep)

    @classmethod
    def draw(cls, size: int, orders_a_bin: float, delay: float, seed: int) -> Market:
        rng = np.random.default_rng(seed)
        orders = np.minimum(rng.pareto(1.2, size) + 0.1, 2_000.0)
        orders *= orders_a_bin / orders.sum()
        rate = 1e-3 * np.exp(SPREAD * rng.standard_normal(size) - SPREAD**2 / 2)
        return cls(rng, orders, rate, rng.uniform(1.1, 2.6, size), delay)

    @property
    def keep(self) -> float:
        return 0.5 ** (1.0 / self.delay) if self.delay else 0.0

    def bin(self, rhythm: float, live: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(orders, complaints) of one bin."""
        orders = self.rng.poisson(self.orders * rhythm * live).astype(np.float64)
        due = (1.0 - self.keep) * (self.pool + orders)
        self.pool = self.keep * (self.pool + orders)
        shape = np.maximum(self.rate * due, 1e-12) / (self.phi - 1.0)
        return orders, self.rng.negative_binomial(shape, 1.0 / self.phi).astype(np.float64)


RHYTHM = np.interp(np.arange(24.0), [0, 4, 8, 12, 19, 23], [1.0, 0.2, 0.6, 1.0, 2.5, 2.0])
RHYTHM /= RHYTHM.mean()


@dataclass
class Level:
    """One kind of series (session, merchant, category x platform, platform) in a city."""

    name: str
    of: NDArray[np.int64]
    """[base series]: the series of this level that it belongs to."""
    group: NDArray[np.int64]
    """[series of this level]: its platform x category."""
    warm: bool
    alerts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        size = self.group.size
        self.detector, self.exposure = SpikeDetector.create(size), ExposureState.empty(size)
        self.exposure.reset(slice(None), warm=self.warm)
        self.slots, self.size = np.arange(size), size

    def total(self, values: Floats) -> Floats:
        return np.bincount(self.of, values, self.size).astype(np.float64)

    def count(self, events: list[EpisodeEvent]) -> None:
        self.alerts.update(e.grade.name for e in events if e.kind is not EventKind.CLEARED)


def run_market(
    market: Market,
    levels: list[Level],
    groups: int,
    bins: int,
    start_hour: int,
    parts: int,
    life: int,
) -> None:
    """All levels over ``bins``, from nothing. The categories' totals give the priors."""
    prior = GroupPrior.empty(groups)
    born = market.rng.integers(-life, bins, market.orders.size) if life else None
    for t in range(bins):
        live = np.ones(market.orders.size, bool)
        if born is not None:
            live = (born <= t) & (t < born + life)
        orders, complaints = market.bin(RHYTHM[(start_hour + t // 12) % 24], live)
        ticks = [(f, seen) for f, seen in sub_ticks(complaints, market.rng, parts)]
        now, mean = t * DEFAULT_POLICY.bin_ms, prior.mean()
        for level in levels:
            e = open_exposure(level.exposure, level.slots, level.total(orders), 1.0)
            typical = np.bincount(level.group, e, groups) / np.maximum(
                np.bincount(level.group, minlength=groups), 1
            )
            m0, w0 = mean[level.group], prior_weight(mean, typical)[level.group]
            for share, seen in ticks:
                part = level.total(seen)
                at = np.flatnonzero(part)
                so_far = level.total(orders)[at] * share
                fresh = open_exposure(level.exposure, at, so_far, share)
                if at.size:
                    level.count(level.detector.tick(now, at, part[at], fresh, m0[at], w0[at]))
            e = close_exposure(level.exposure, level.slots, level.total(orders))
            counts = level.total(complaints)
            level.count(level.detector.close_bin(now, level.slots, counts, e, m0, w0))
            if level.name == "category":
                prior.learn(counts, e)


def city(seed: int, days: float, parts: int, delay: float) -> None:
    """20,000 merchants, 5.5 million orders and some 5,500 complaints a day, no history."""
    size, groups = 20_000, 60
    market = Market.draw(size, 5.5e6 / BINS_PER_DAY, delay, seed)
    group = market.rng.integers(0, groups, size)
    levels = [
        Level("merchant", np.arange(size), group, warm=True),
        Level("category", group, np.arange(groups), warm=True),
        Level("platform", group // 12, np.arange(0, groups, 12), warm=True),
    ]
    run_market(market, levels, groups, int(days * BINS_PER_DAY), 8, parts, 0)
    found = {level.name: {k: v / days for k, v in level.alerts.items()} for level in levels}
    print(f"city seed {seed} delay {delay}, alerts a day over the first {days} days: {found}")


def demo(seed: int, parts: int, delay: float) -> Counter[str]:
    """Four evening hours of 5,000 sessions of 2,000 merchants, from nothing."""
    size, groups, life = 5_000, 36, 36
    market = Market.draw(size, 5_000 * 100 / life, delay, seed)
    market.pool[:] = 0.0
    merchant = market.rng.integers(0, 2_000, size)
    group_of = market.rng.integers(0, groups, 2_000)
    group = group_of[merchant]
    levels = [
        Level("session", np.arange(size), group, warm=False),
        Level("merchant", merchant, group_of, warm=True),
        Level("category", group, np.arange(groups), warm=True),
        Level("platform", group // 12, np.arange(0, groups, 12), warm=True),
    ]
    run_market(market, levels, groups, 48, 19, parts, life)
    found = Counter[str]()
    for level in levels:
        found.update({f"{level.name}.{k}": v for k, v in level.alerts.items()})
    print(f"demo seed {seed} delay {delay}:", dict(found))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["null", "detect", "city", "demo"])
    parser.add_argument("--size", type=int, default=CITY)
    parser.add_argument("--warm", type=float, default=3.0)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=20_201_204)
    parser.add_argument("--ticks", type=int, default=10, help="ticks in a bin; 1 for closed only")
    parser.add_argument("--delay", type=float, default=12.0, help="true delay's half-life, bins")
    parser.add_argument("--set", action="append", default=[], help="policy field, name=number")
    args = parser.parse_args()
    changes = {k: float(v) for k, v in (item.split("=") for item in args.set)}
    policy = replace(DEFAULT_POLICY, **changes)  # type: ignore[arg-type]
    if args.what == "null":
        null_table(policy, args.size, args.warm, args.days, args.seed, args.ticks)
    elif args.what == "detect":
        thresholds = [policy.watch, -0.5, policy.raised, 1.4, policy.critical]
        detection(policy, min(args.size, 2_000), args.warm, args.seed, args.ticks, thresholds)
        cold_spikes(policy, 1_000, args.seed)
    elif args.what == "city":
        city(args.seed, args.days, args.ticks, args.delay)
    else:
        for i in range(5):
            demo(args.seed + i, args.ticks, args.delay)


if __name__ == "__main__":
    main()
