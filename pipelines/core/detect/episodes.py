"""From scores to episodes: one alert per episode and grade, with an onset that is decided once.

    none --score and count guard--> open(grade) --higher grade--> open(higher)   (same episode)
    open --rate and odds back to usual, closed bins only--> refractory --6 h--> none

During the refractory time only a grade above the one that was cleared opens an episode: a watch
that came and went must not blind the city to a critical rise an hour later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .policy import Grade, SpikePolicy
from .window import Window

BOOK_VERSION = 1


class EventKind(StrEnum):
    """What happened to an episode."""

    OPENED = "opened"
    ESCALATED = "escalated"
    CLEARED = "cleared"
    ENDED = "ended"
    """The series ended (a session closed) while its episode was open."""
    ATTACHED = "attached"
    """Another flag stands for it: a wider rise, or a narrower one on the same complaints."""
    DETACHED = "detached"
    """The narrower flag does not explain it any more: it stands for itself."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An open episode. Its identity is (entity, rule, onset)."""

    series: int
    onset_ms: int
    grade: Grade
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class EpisodeEvent:
    """One transition, with everything that a flag must store about what crossed what."""

    kind: EventKind
    series: int
    """Slot of the series."""
    grade: Grade
    onset_ms: int
    """Start of the bin in which the score first crossed; fixed for the whole episode."""
    bin_start_ms: int
    """Start of the bin that made this transition."""
    bin_ms: int
    observed: float
    """Complaints in the window."""
    expected: float
    """Complaints usual for the window's orders."""
    exposure: float
    """Orders in the window, lagged to delivery."""
    window_bins: int
    """Known bins in the window that ends with the bin."""
    score: float
    threshold: float
    """Log odds that ``grade`` takes, of such a window."""
    parent_id: str | None = None
    """Flag of the wider rise that explains this one; then no alert of its own."""
    evidence: str = ""
    """What the score follows from, as JSON (`dossier`); empty where nothing was kept."""

    def identity(self, entity: str, rule: str = "F01") -> str:
        """Stable id of the flag: the same after a restart and for every grade of the episode."""
        return f"{rule}:{entity}:{self.onset_ms}"


@dataclass(slots=True)
class EpisodeBook:
    """Open episodes and refractory times by slot. Small: a series in peace is not in it."""

    open: dict[int, Episode] = field(default_factory=dict)
    refractory: dict[int, tuple[int, Grade]] = field(default_factory=dict)
    """slot -> (until, ms; grade that was cleared)."""

    def in_episode(self, slots: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Which of ``slots`` [n] are in an episode: what the filter calls frozen."""
        if not self.open:
            return np.zeros(len(slots), bool)
        mine = np.fromiter(self.open, np.int64, len(self.open))
        marked = np.zeros(1 + max(int(mine.max()), int(np.max(slots, initial=0))), bool)
        marked[mine] = True
        return np.asarray(marked[slots])

    def candidates(
        self, slots: NDArray[np.integer[Any]], scores: NDArray[np.float64], policy: SpikePolicy
    ) -> NDArray[np.int64]:
        """Positions in ``slots`` that may have a transition; ``advance`` needs only these."""
        return np.flatnonzero((scores >= policy.watch) | self.in_episode(slots))

    def advance(
        self,
        bin_start_ms: int,
        slots: NDArray[np.integer[Any]],
        scores: NDArray[np.float64],
        window: Window,
        policy: SpikePolicy,
        *,
        closed: bool,
    ) -> list[EpisodeEvent]:
        """Take the scores [n] of one bin; returns the transitions in the order of ``slots``.

        ``closed`` is False for a tick on an open bin, which may open and escalate, never clear.
        """
        self._expire(bin_start_ms)
        events = []
        for i, slot in enumerate(np.asarray(slots).tolist()):
            row = _Row.at(i, bin_start_ms, scores, window)
            event = self._transition(slot, row, policy, closed)
            if event is not None:
                events.append(event)
        return events

    def attach(
        self, events: Iterable[EpisodeEvent], parents: Mapping[int, str]
    ) -> list[EpisodeEvent]:
        """Give the events of series in ``parents`` (slot -> flag id) their parent.

        Remembered for the rest of the episode where the episode opens in these events.
        """
        attached = []
        for event in events:
            parent = parents.get(event.series)
            if parent is not None and event.kind is EventKind.OPENED:
                episode = self.open.get(event.series)
                if episode is not None:
                    self.open[event.series] = replace(episode, parent_id=parent)
                event = replace(event, parent_id=parent)
            attached.append(event)
        return attached

    def adopt(self, slot: int, parent: str) -> Episode:
        """Give an open episode the parent that was found for it later; "" is none, for good."""
        self.open[slot] = replace(self.open[slot], parent_id=parent)
        return self.open[slot]

    def end(
        self,
        bin_start_ms: int,
        slots: NDArray[np.integer[Any]],
        scores: NDArray[np.float64],
        window: Window,
        policy: SpikePolicy,
    ) -> list[EpisodeEvent]:
        """Drop all memory of ``slots``, whose series ended; an event for each open episode."""
        events = []
        for i, slot in enumerate(np.asarray(slots).tolist()):
            self.refractory.pop(slot, None)
            episode = self.open.pop(slot, None)
            if episode is not None:
                row = _Row.at(i, bin_start_ms, scores, window)
                events.append(row.event(EventKind.ENDED, episode, policy))
        return events

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, for a checkpoint."""
        return {
            "version": BOOK_VERSION,
            "open": [asdict(one) | {"grade": int(one.grade)} for one in self.open.values()],
            "refractory": [[slot, until, int(g)] for slot, (until, g) in self.refractory.items()],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Restore what ``to_json`` gave. Raises ``ValueError`` for another version."""
        if data.get("version") != BOOK_VERSION:
            raise ValueError(f"episode book version {data.get('version')}, need {BOOK_VERSION}")
        episodes = [Episode(**(row | {"grade": Grade(row["grade"])})) for row in data["open"]]
        return cls(
            open={episode.series: episode for episode in episodes},
            refractory={slot: (until, Grade(g)) for slot, until, g in data["refractory"]},
        )

    def _expire(self, now_ms: int) -> None:
        over = [slot for slot, (until, _) in self.refractory.items() if now_ms >= until]
        for slot in over:
            del self.refractory[slot]

    def _transition(
        self, slot: int, row: _Row, policy: SpikePolicy, closed: bool
    ) -> EpisodeEvent | None:
        episode, grade = self.open.get(slot), row.grade(policy)
        if episode is None:
            return self._open(slot, grade, row, policy)
        if grade is not None and grade > episode.grade:
            self.open[slot] = replace(episode, grade=grade)
            return row.event(EventKind.ESCALATED, self.open[slot], policy)
        # Bins close in order, but long after ticks have looked at later ones: a bin from before
        # the episode says nothing of its end.
        if closed and row.bin_start_ms > episode.onset_ms and is_over(row, policy):
            del self.open[slot]
            until = row.bin_start_ms + (1 + policy.refractory_bins) * policy.bin_ms
            self.refractory[slot] = (until, episode.grade)
            return row.event(EventKind.CLEARED, episode, policy)
        return None

    def _open(
        self, slot: int, grade: Grade | None, row: _Row, policy: SpikePolicy
    ) -> EpisodeEvent | None:
        if grade is None:
            return None
        resting = self.refractory.get(slot)
        if resting is not None and grade <= resting[1]:
            return None
        self.open[slot] = Episode(slot, row.bin_start_ms, grade)
        return row.event(EventKind.OPENED, self.open[slot], policy)


@dataclass(frozen=True, slots=True)
class _Row:
    bin_start_ms: int
    score: float
    observed: float
    expected: float
    exposure: float
    known: int
    floor: float
    beyond: float

    @classmethod
    def at(cls, i: int, bin_start_ms: int, scores: NDArray[np.float64], window: Window) -> Self:
        return cls(
            bin_start_ms,
            float(scores[i]),
            float(window.observed[i]),
            float(window.expected[i]),
            float(window.exposure[i]),
            int(window.known[i]),
            float(window.floor[i]),
            float(window.beyond[i]),
        )

    def grade(self, policy: SpikePolicy) -> Grade | None:
        """Highest grade whose threshold the score reaches and whose count guard is met."""
        for grade in sorted(Grade, reverse=True):
            enough = self.observed >= policy.guard(grade)
            if enough and self.score >= policy.asked(grade, self.beyond):
                return grade
        return None

    def event(self, kind: EventKind, episode: Episode, policy: SpikePolicy) -> EpisodeEvent:
        return EpisodeEvent(
            kind=kind,
            series=episode.series,
            grade=episode.grade,
            onset_ms=episode.onset_ms,
            bin_start_ms=self.bin_start_ms,
            bin_ms=policy.bin_ms,
            observed=self.observed,
            expected=self.expected,
            exposure=self.exposure,
            window_bins=self.known,
            score=self.score,
            threshold=policy.asked(episode.grade, self.beyond),
            parent_id=episode.parent_id,
        )


def is_over(row: _Row, policy: SpikePolicy) -> bool:
    """Clear rule: a whole known window under 1.5 mu, and the odds back down."""
    if row.known < policy.window_bins or row.observed >= policy.clear_ratio * row.expected:
        return False
    low = policy.watch + math.log(policy.clear_odds)
    return row.score < max(low, row.floor + math.log(policy.clear_floor))
