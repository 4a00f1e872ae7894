"""Flag F01 in one object: filter, window and episodes of a set of series.

The caller owns what a slot means (session, merchant, category x district, platform), its prior and
its exposure; time comes in as the start of the bin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dossier import BinInputs, Dossiers, gather, suspects
from .episodes import EpisodeBook, EpisodeEvent, EventKind
from .policy import DEFAULT_POLICY, SpikePolicy
from .spike_filter import expected, may_reach, observe, peek
from .spike_state import SpikeState
from .window import closed_window, enough, open_window

Index = NDArray[np.integer[Any]]


@dataclass(slots=True)
class SpikeDetector:
    """State of flag F01 for one group of series, under one policy."""

    policy: SpikePolicy = DEFAULT_POLICY
    state: SpikeState = field(default_factory=lambda: SpikeState.empty(0))
    book: EpisodeBook = field(default_factory=EpisodeBook)

    @classmethod
    def create(cls, capacity: int, policy: SpikePolicy = DEFAULT_POLICY) -> Self:
        """A detector of ``capacity`` series that have seen nothing."""
        return cls(policy, SpikeState.empty(capacity, policy))

    def grow(self, capacity: int) -> None:
        """Make room for at least ``capacity`` series."""
        self.state.grow(capacity, self.policy)

    def reset(self, slots: Iterable[int], bin_start_ms: int) -> list[EpisodeEvent]:
        """Free slots for other series; an ``ended`` event for each episode open in them."""
        index = np.fromiter(slots, np.int64)
        window = closed_window(self.state, index, self.policy)
        events = self.book.end(bin_start_ms, index, self.state.score[index], window, self.policy)
        self.state.reset(index, self.policy)
        return events

    def close_bin(
        self,
        bin_start_ms: int,
        slots: Index,
        counts: ArrayLike,
        exposure: ArrayLike,
        prior_mean: ArrayLike,
        prior_weight: ArrayLike,
    ) -> list[EpisodeEvent]:
        """One closed bin: learn, and return the episodes' transitions. Inputs as ``observe``."""
        frozen = self.book.in_episode(slots)
        which = _as_slice(slots)
        inputs = _inputs(len(slots), counts, exposure, prior_mean, prior_weight)
        # Before the bin changes the state.
        which_may = suspects(self.state, which, inputs, self.policy)
        before = gather(self.state, slots.astype(np.int64), inputs, which_may, bin_start_ms)
        scores = observe(
            self.state, which, counts, exposure, prior_mean, prior_weight, self.policy, frozen
        )
        at = self.book.candidates(slots, scores, self.policy)
        if not at.size:
            return []
        window = closed_window(self.state, slots[at], self.policy)
        events = self.book.advance(
            bin_start_ms, slots[at], scores[at], window, self.policy, closed=True
        )
        return with_evidence(events, before, self.policy)

    def tick(
        self,
        bin_start_ms: int,
        slots: Index,
        counts: ArrayLike,
        exposure: ArrayLike,
        prior_mean: ArrayLike,
        prior_weight: ArrayLike,
    ) -> list[EpisodeEvent]:
        """The open bin so far: partial counts, exposure of the part that has passed.

        Series without a complaint in the open bin may be left out: a zero only lowers the score.
        """
        inputs = _inputs(len(slots), counts, exposure, prior_mean, prior_weight)
        index = slots.astype(np.int64)
        may = may_reach(self.state, index, inputs.counts, self.policy.watch, self.policy)
        may &= enough(self.state, index, inputs.counts, self.policy)
        near = np.flatnonzero(may)
        if not near.size:
            return []
        slots, inputs = slots[near], BinInputs(*(column[near] for column in inputs))
        c, e, m0, w0 = inputs
        scores = peek(self.state, _as_slice(slots), c, e, m0, w0, self.policy)
        at = self.book.candidates(slots, scores, self.policy)
        if not at.size:
            return []
        some, c, e, m0, w0 = slots[at], c[at], e[at], m0[at], w0[at]
        before = gather(self.state, slots.astype(np.int64), inputs, at, bin_start_ms)
        mu = expected(self.state, some, e, m0, w0, self.policy)
        window = open_window(self.state, some.astype(np.int64), c, mu, e, self.policy)
        events = self.book.advance(
            bin_start_ms, some, scores[at], window, self.policy, closed=False
        )
        return with_evidence(events, before, self.policy)

    def to_checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """(arrays, JSON-able) that ``from_checkpoint`` takes."""
        return self.state.to_arrays(), self.book.to_json()

    @classmethod
    def from_checkpoint(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        book: Mapping[str, Any],
        policy: SpikePolicy = DEFAULT_POLICY,
    ) -> Self:
        """Restore. Raises ``ValueError`` where version or shapes do not fit."""
        return cls(policy, SpikeState.from_arrays(arrays, policy), EpisodeBook.from_json(book))


def with_evidence(
    events: list[EpisodeEvent], before: Dossiers, policy: SpikePolicy
) -> list[EpisodeEvent]:
    """What opened or rose, with what its score follows from."""
    kinds = (EventKind.OPENED, EventKind.ESCALATED)
    return [
        replace(event, evidence=before.of(event.series, policy)) if event.kind in kinds else event
        for event in events
    ]


def _inputs(size: int, *columns: ArrayLike) -> BinInputs:
    return BinInputs(
        *(np.broadcast_to(np.asarray(column, dtype=np.float64), size) for column in columns)
    )


def _as_slice(slots: Index) -> slice | Index:
    """A run of consecutive slots as a slice, which spares the filter its gathers."""
    if (
        len(slots) > 1
        and slots[-1] - slots[0] == len(slots) - 1
        and bool((np.diff(slots) == 1).all())
    ):
        return slice(int(slots[0]), int(slots[-1]) + 1)
    return slots
