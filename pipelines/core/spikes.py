"""Flag F01 for one level of series (sessions, merchants, categories, platforms).

Puts the detector on the ring of minutes: collects closed minutes into bins, closes bins, and
looks at open minutes in between, so that an alert does not wait for a minute to close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.detect import (
    EpisodeEvent,
    ExposureState,
    GroupPrior,
    SpikeDetector,
    SpikePolicy,
    SpikeState,
    close_exposure,
    observe,
    open_exposure,
    peek,
    prior_weight,
)
from pipelines.core.detect.dossier import BinInputs, gather
from pipelines.core.detect.exposure import steady_orders
from pipelines.core.detect.season import NO_SEASON, GroupSeason
from pipelines.core.detect.spike import with_evidence
from pipelines.core.detect.spike_filter import expected
from pipelines.core.detect.window import open_window
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.orders import OrdersKnown, all_known

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class OpenCounts(NamedTuple):
    """Complaints and orders [slot] of a minute that is not closed yet."""

    minute: int
    complaints: Ints
    orders: Ints


@dataclass
class SpikeMonitor:
    """Detector, exposure and prior of one level. `group` [slot] says whose prior a series has."""

    detector: SpikeDetector
    exposure: ExposureState
    prior: GroupPrior
    group: npt.NDArray[np.int32]
    typical: Floats
    counts: Ints
    orders: Ints
    known: npt.NDArray[np.bool_]
    live: npt.NDArray[np.bool_]
    bin: int | None = None
    bins_closed: int = 0
    closed_through: int = -1
    """Last minute of the last closed bin."""
    season: GroupSeason = field(default_factory=lambda: GroupSeason(NO_SEASON, dict))

    @classmethod
    def create(cls, policy: SpikePolicy) -> SpikeMonitor:
        """A monitor without series."""
        nothing = np.zeros(0, np.int64)
        return cls(
            SpikeDetector.create(0, policy),
            ExposureState.empty(0),
            GroupPrior.empty(1),
            np.zeros(0, np.int32),
            np.ones(1),
            nothing,
            nothing.copy(),
            np.zeros(0, bool),
            np.zeros(0, bool),
        )

    @property
    def policy(self) -> SpikePolicy:
        return self.detector.policy

    @property
    def minutes_per_bin(self) -> int:
        return self.policy.bin_ms // MINUTE_MS

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` series."""
        extra = capacity - len(self.counts)
        if extra <= 0:
            return
        self.detector.grow(capacity)
        self.exposure.grow(capacity)
        self.group = np.concatenate([self.group, np.zeros(extra, np.int32)])
        for name in ("counts", "orders"):
            both = (getattr(self, name), np.zeros(extra, np.int64))
            setattr(self, name, np.concatenate(both))
        self.known = np.concatenate([self.known, np.zeros(extra, bool)])
        self.live = np.concatenate([self.live, np.zeros(extra, bool)])

    def start(self, slot: int, group: int) -> None:
        """A series begins at `slot`, with the prior of `group`."""
        self.grow(slot + 1)
        groups = len(self.prior.counts_sum)
        if group >= groups:
            self.prior.grow(group + 1)
            self.typical = np.concatenate([self.typical, np.ones(group + 1 - groups)])
        self.group[slot] = group
        self.live[slot] = True
        # A series that was there when we began to look has orders that we have not seen.
        self.exposure.reset(np.array([slot]), warm=self.bins_closed == 0)

    def end(self, slots: Ints, now_ms: int) -> list[EpisodeEvent]:
        """The series at `slots` are over."""
        events = self.detector.reset(slots.tolist(), now_ms)
        self.exposure.reset(slots)
        self.live[slots] = False
        self.counts[slots] = self.orders[slots] = 0
        return events

    def close_minute(
        self, minute: int, complaints: Ints, orders: Ints, known: npt.NDArray[np.bool_]
    ) -> list[EpisodeEvent]:
        """Take in a closed minute; the transitions of the bin that it closes, if it does.

        `known` [slot]: telemetry of the series came in this minute. A bin without any is unknown.
        """
        events = self._move_to(minute // self.minutes_per_bin)
        self.add_minute(minute, complaints, orders, known)
        if (minute + 1) % self.minutes_per_bin == 0:
            events += self._close_bin(minute // self.minutes_per_bin)
        return events

    def add_minute(
        self, minute: int, complaints: Ints, orders: Ints, known: npt.NDArray[np.bool_]
    ) -> None:
        """Count a closed minute to its bin without closing the bin (restoring does that)."""
        self.bin = minute // self.minutes_per_bin
        n = len(complaints)
        self.grow(n)
        self.counts[:n] += complaints
        self.orders[:n] += orders
        self.known[:n] |= known

    def _move_to(self, bin_: int) -> list[EpisodeEvent]:
        """Close the bin at hand where minutes were skipped and its last one never came."""
        return self._close_bin(self.bin) if self.bin is not None and self.bin < bin_ else []

    def _close_bin(self, bin_: int) -> list[EpisodeEvent]:
        slots = np.flatnonzero(self.live)
        orders = np.where(self.known[slots], self.orders[slots], np.nan)
        counts, group = self.counts[slots], self.group[slots]
        start = bin_ * self.policy.bin_ms
        factor = self.season.factor(start, group)
        exposure = close_exposure(self.exposure, slots, orders, factor=factor)
        exposure = self.season.expected(start, exposure, orders, factor)
        mean, weight = self._prior_of(group)
        events = self.detector.close_bin(start, slots, counts, exposure, mean, weight)
        self._learn_prior(group, counts, exposure)
        self.counts[:] = self.orders[:] = 0
        self.known[:] = False
        self.bin = None
        self.bins_closed += 1
        self.closed_through = (bin_ + 1) * self.minutes_per_bin - 1
        return events

    def _prior_of(self, group: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        mean = self.prior.mean()[group]
        return mean, prior_weight(mean, self.typical[group])

    def _learn_prior(self, group: npt.NDArray[Any], counts: Ints, exposure: Floats) -> None:
        known = ~np.isnan(exposure)
        groups = len(self.prior.counts_sum)
        members = np.bincount(group[known], minlength=groups)
        total = np.bincount(group[known], exposure[known], minlength=groups)
        seen = np.bincount(group[known], counts[known], minlength=groups)
        some = members > 0
        self.prior.learn(np.where(some, seen, np.nan), np.where(some, total, np.nan), self.policy)
        self.typical[some] = total[some] / members[some]

    def tick(
        self, progress_ms: int, opens: Sequence[OpenCounts], known: OrdersKnown | None = None
    ) -> list[EpisodeEvent]:
        """Look at the open minutes as of event time `progress_ms`; may open and escalate.

        `known` says until when orders are known (None: as far as complaints). Only series with
        a complaint in an open minute are looked at: a zero lowers the score.
        """
        if not opens:
            return []
        n = len(self.counts)
        moving = np.zeros(n, bool)
        for one in opens:
            moving[: len(one.complaints)] |= one.complaints > 0
        slots = np.flatnonzero(moving & self.live)
        if not len(slots):
            return []
        return _OpenBins(self, slots, progress_ms, known or all_known(n)).run(opens)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For a checkpoint, at the end of a bin; the book of episodes goes apart."""
        parts = {
            "state": self.detector.state.to_arrays(),
            "exposure": self.exposure.to_arrays(),
            "prior": self.prior.to_arrays(),
        }
        out = {f"{p}.{k}": v for p, arrays in parts.items() for k, v in arrays.items()}
        out |= {"group": self.group, "typical": self.typical, "live": self.live}
        out |= {"bins_closed": np.array(self.bins_closed)}
        return out | {"closed_through": np.array(self.closed_through)}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `to_arrays` gave. Raises ValueError for another version of the state."""

        def part(prefix: str) -> dict[str, npt.NDArray[Any]]:
            start = prefix + "."
            return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}

        self.detector.state = SpikeState.from_arrays(part("state"), self.policy)
        self.exposure = ExposureState.from_arrays(part("exposure"))
        self.prior = GroupPrior.from_arrays(part("prior"))
        self.group, self.typical = arrays["group"].copy(), arrays["typical"].copy()
        self.live, self.bins_closed = arrays["live"].copy(), int(arrays["bins_closed"])
        self.closed_through = int(arrays["closed_through"])
        capacity = len(self.live)
        self.counts, self.orders = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        self.known = np.zeros(capacity, bool)


class _OpenBins:
    """One look at the bins that are still open, on a copy of the series that moved.

    With an allowed lateness of minutes two bins can be open at once: the evidence of the older
    one counts for the younger, so the copy is carried through both; and through all of an hour
    and more, while the other topics are read later than the complaints.
    """

    def __init__(
        self, monitor: SpikeMonitor, slots: Ints, progress_ms: int, known: OrdersKnown
    ) -> None:
        self.known = known
        self.monitor = monitor
        self.slots = slots
        self.progress_ms = progress_ms
        state = monitor.detector.state
        self.state = SpikeState(**{f.name: getattr(state, f.name)[slots] for f in fields(state)})
        pool = monitor.exposure
        self.exposure = ExposureState(pool.pool[slots].copy(), pool.fresh[slots].copy())
        self.everyone = np.arange(len(slots))
        self.prior = monitor._prior_of(monitor.group[slots])

    def run(self, opens: Sequence[OpenCounts]) -> list[EpisodeEvent]:
        events: list[EpisodeEvent] = []
        bins = {one.minute // self.monitor.minutes_per_bin for one in opens}
        if self.monitor.bin is not None:
            bins.add(self.monitor.bin)
        for bin_ in sorted(bins):
            events += self._look(bin_, opens)
        return events

    def _look(self, bin_: int, opens: Sequence[OpenCounts]) -> list[EpisodeEvent]:
        policy, book = self.monitor.policy, self.monitor.detector.book
        start = bin_ * policy.bin_ms
        elapsed = min(max((self.progress_ms - start) / policy.bin_ms, 0.02), 1.0)
        counts, orders = self._sums(bin_, opens)
        missing = self.known.missing(self.slots, start, policy.bin_ms, elapsed)
        least = self._least(orders, missing)
        orders += missing * steady_orders(self.exposure, self.everyone)
        season, factor = self.monitor.season, self._factor(start)
        exposure = open_exposure(self.exposure, self.everyone, orders, elapsed, factor=factor)
        exposure = season.expected(start, np.maximum(exposure, least), orders, factor)
        mean, weight = self.prior
        scores = peek(self.state, self.everyone, counts, exposure, mean, weight, policy)
        at = book.candidates(self.slots, scores, policy)
        events: list[EpisodeEvent] = []
        if at.size:
            mu = expected(self.state, at, exposure[at], mean[at], weight[at], policy)
            window = open_window(self.state, at, counts[at], mu, exposure[at], policy)
            slots = self.slots[at]
            inputs = BinInputs(counts, exposure, mean, weight)
            before = gather(self.state, self.everyone, inputs, at, start)._replace(slots=slots)
            events = book.advance(start, slots, scores[at], window, policy, closed=False)
            events = with_evidence(events, before, policy)
        whole = close_exposure(self.exposure, self.everyone, orders, factor=factor)
        whole = season.expected(start, np.maximum(whole, least), orders, factor)
        frozen = book.in_episode(self.slots)
        observe(self.state, self.everyone, counts, whole, mean, weight, policy, frozen)
        return events

    def _factor(self, start_ms: int) -> Floats | float:
        return self.monitor.season.factor(start_ms, self.monitor.group[self.slots])

    def _least(self, orders: Floats, missing: Floats) -> Floats:
        """Exposure of series without any order so far, where orders are still to be read.

        They have no history of their own, so their group's stands for it.
        """
        unseen = (self.exposure.pool == 0) & (orders == 0)
        typical = self.monitor.typical[self.monitor.group[self.slots]]
        return np.where(unseen, missing * typical, 0.0)

    def _sums(self, bin_: int, opens: Sequence[OpenCounts]) -> tuple[Floats, Floats]:
        counts = np.zeros(len(self.slots))
        orders = np.zeros(len(self.slots))
        if bin_ == self.monitor.bin:
            counts += self.monitor.counts[self.slots]
            orders += self.monitor.orders[self.slots]
        for one in opens:
            if one.minute // self.monitor.minutes_per_bin == bin_:
                within = self.slots < len(one.complaints)
                counts[within] += one.complaints[self.slots[within]]
                orders[within] += one.orders[self.slots[within]]
        return counts, orders
