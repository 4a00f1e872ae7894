"""From scores to episodes for every rule alike: one flag per episode, its onset decided once.

    none --score, guard--> open(grade) --higher grade--> open(higher)
    open --clear_bins known bins below clear_below--> resting --rest_bins--> none

While a series rests only a higher grade than the one that was cleared opens again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np

from pipelines.core.detect import Grade

from .protocol import BIN_MS, Bools, Scores
from .table import Rule


class Change(StrEnum):
    """What happened to an episode."""

    OPENED = "opened"
    ESCALATED = "escalated"
    CLEARED = "cleared"
    ENDED = "ended"


@dataclass(slots=True)
class Episode:
    """An open episode of a series; `calm` counts the bins below the clear rule."""

    onset: int
    """Number of the bin in which it opened."""
    grade: Grade
    calm: int = 0


@dataclass(frozen=True, slots=True)
class RuleEvent:
    """One transition with its evidence. Bins are numbers since the epoch."""

    rule: Rule
    change: Change
    slot: int
    grade: Grade
    onset: int
    bin: int
    observed: float
    expected: float
    exposure: float
    score: float
    detail: float = 0.0
    evidence: str = ""
    """What a rising score rests on, a dossier; empty where the episode is over."""

    @property
    def onset_ms(self) -> int:
        return self.onset * BIN_MS

    @property
    def end_ms(self) -> int:
        """End of the bin that decided it."""
        return (self.bin + 1) * BIN_MS


@dataclass(slots=True)
class Book:
    """Episodes of one rule by slot. Small: a series in peace is not in it."""

    open: dict[int, Episode] = field(default_factory=dict)
    rest: dict[int, tuple[int, Grade]] = field(default_factory=dict)
    """slot -> (last bin of its rest, grade that was cleared)."""

    def frozen(self, n: int) -> Bools:
        """Which of `n` series are in an episode."""
        out = np.zeros(n, bool)
        out[[slot for slot in self.open if slot < n]] = True
        return out

    def advance(self, rule: Rule, bin_: int, scores: Scores) -> list[RuleEvent]:
        """Take the scores of a closed bin; transitions by slot."""
        self.rest = {s: r for s, r in self.rest.items() if r[0] >= bin_}
        with np.errstate(invalid="ignore"):
            high = np.flatnonzero((scores.score >= rule.watch) & (scores.volume >= rule.guard))
        moving = sorted({*high.tolist(), *self.open})
        events = []
        for slot in moving:
            change = self._step(rule, bin_, slot, scores)
            if change is not None:
                events.append(_event(rule, change[0], slot, change[1], bin_, scores))
        return events

    def end(self, rule: Rule, bin_: int, slots: Iterable[int]) -> list[RuleEvent]:
        """Drop what is known of `slots`; an event for each episode that ends with its series."""
        events = []
        for slot in slots:
            self.rest.pop(slot, None)
            episode = self.open.pop(slot, None)
            if episode is not None:
                events.append(_event(rule, Change.ENDED, slot, episode, bin_, None))
        return events

    def _step(
        self, rule: Rule, bin_: int, slot: int, scores: Scores
    ) -> tuple[Change, Episode] | None:
        score = float(scores.score[slot]) if slot < len(scores.score) else float("nan")
        volume = float(scores.volume[slot]) if slot < len(scores.volume) else 0.0
        grade, episode = rule.grade(score, volume), self.open.get(slot)
        if episode is None:
            resting = self.rest.get(slot)
            if grade is None or (resting is not None and grade <= resting[1]):
                return None
            self.open[slot] = Episode(bin_, grade)
            return Change.OPENED, self.open[slot]
        if grade is not None and grade > episode.grade:
            episode.grade, episode.calm = grade, 0
            return Change.ESCALATED, episode
        if score >= rule.clear_below:
            episode.calm = 0
        elif score < rule.clear_below:  # unknown is neither
            episode.calm += 1
        if episode.calm < rule.clear_bins:
            return None
        del self.open[slot]
        if rule.rest_bins:
            self.rest[slot] = (bin_ + rule.rest_bins, episode.grade)
        return Change.CLEARED, episode

    def to_json(self) -> dict[str, Any]:
        """Plain lists, for a checkpoint."""
        return {
            "open": [[s, e.onset, int(e.grade), e.calm] for s, e in self.open.items()],
            "rest": [[s, until, int(g)] for s, (until, g) in self.rest.items()],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(
            {s: Episode(onset, Grade(g), calm) for s, onset, g, calm in data["open"]},
            {s: (until, Grade(g)) for s, until, g in data["rest"]},
        )


def _event(
    rule: Rule, change: Change, slot: int, episode: Episode, bin_: int, scores: Scores | None
) -> RuleEvent:
    def at(values: Any) -> float:
        if scores is None or values is None or slot >= len(values):
            return 0.0
        return float(np.nan_to_num(values[slot], nan=0.0, posinf=0.0, neginf=0.0))

    s = scores
    return RuleEvent(
        rule, change, slot, episode.grade, episode.onset, bin_,
        at(s and s.observed), at(s and s.expected), at(s and s.exposure), at(s and s.score),
        at(s and s.detail),
    )  # fmt: skip
