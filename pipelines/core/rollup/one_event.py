"""One event, one alert: which open flags rest on the complaints of narrower ones.

A spike of one session lifts its merchant, its streamer, their agency and what contains them. The
wider flag is attached to the narrower while without the complaints of all narrower flags it would
not stand out; once it does, it is detached for good and stands for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.core.detect.parents import stands_out
from pipelines.core.flags import RULE
from pipelines.core.kin import EntityKey, entity_of_flag, same_event, width
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.partials import Rise
from pipelines.core.rollup.agency import Row, entity_key, usual_a_bin
from pipelines.core.rollup.level import Level
from pipelines.core.rollup.parents import entity_of
from pipelines.core.rollup.whose import HOUR, Whose

SURE = 3.0
"""Over-dispersed standard deviations by which a rest stands out."""
MOST = 0.5
"""Share of the excess that the narrower flags must have."""


class Flagged(NamedTuple):
    """An open flag. `level` is None for a session's, which another stage decides on."""

    flag_id: str
    entity: EntityKey
    onset_ms: int
    usual: float
    """Complaints that are usual in a bin."""
    parent: str | None
    level: Level | None = None
    slot: int = -1

    @property
    def apart(self) -> bool:
        """Whether no wider rise explains it."""
        return not self.parent or same_event(self.entity[0], self.parent)


def of_levels(levels: Iterable[Level]) -> Iterator[Flagged]:
    """The open flags of the second stage."""
    for level in levels:
        opens = level.monitor.detector.book.open
        usual = usual_a_bin(level, list(opens)) if opens else ()
        for (slot, one), a_bin in zip(opens.items(), usual, strict=True):
            entity = level.entity(slot)
            flag_id = f"{RULE}:{entity.key}:{one.onset_ms}"
            yield Flagged(
                flag_id, entity_key(entity), one.onset_ms, a_bin, one.parent_id, level, slot
            )


def of_session(one: Rise, parent: str | None) -> Flagged:
    """A session's open flag."""
    entity = entity_of(one)
    usual = one.expected / max(one.bins, 1)
    flag_id = f"{RULE}:{entity.key}:{one.onset_ms}"
    return Flagged(flag_id, entity_key(entity), one.onset_ms, usual, parent)


@dataclass(slots=True)
class _Tally:
    """Complaints of a wide flag in the last hour, and without those of narrower flags."""

    total: int = 0
    rest: int = 0
    rest_since: int = 0
    """Since its onset."""
    shared: Counter[str] = field(default_factory=Counter)
    """By narrower flag; a complaint of several counts for each."""
    taken: Counter[str] = field(default_factory=Counter)
    """By narrower flag; each complaint once, for the widest."""


class OneEvent:
    """The open flags at one moment, and the complaints of the hour before `end_ms`."""

    def __init__(self, flags: Iterable[Flagged], rows: Iterable[Row], end_ms: int) -> None:
        self._flags = {one.flag_id: one for one in flags}
        self._by_entity = {one.entity: one for one in self._flags.values()}
        self._end_ms = end_ms
        self._parents = {one.parent for one in self._flags.values() if not one.apart}
        self._tallies = {
            one.flag_id: _Tally() for one in self._flags.values() if self._is_asked(one)
        }
        self._whole: Counter[str] = Counter()
        if self._tallies:
            first = -(-end_ms // MINUTE_MS) - HOUR
            for minute, one, n in rows:
                if minute >= first:
                    self._add(minute, one, n)

    def _is_asked(self, one: Flagged) -> bool:
        """A flag of ours that stands for itself, or is attached to a narrower one."""
        ours = one.level is not None and one.flag_id not in self._parents
        return ours and (one.parent is None or same_event(one.entity[0], one.parent))

    def _add(self, minute: int, one: Whose, n: int) -> None:
        entities = list(one.entities())
        met = [flag for key in entities if (flag := self._by_entity.get(key)) is not None]
        for i, flag in enumerate(met):
            self._whole[flag.flag_id] += n
            tally = self._tallies.get(flag.flag_id)
            if tally is None:
                continue
            tally.total += n
            narrower = [c for c in met[:i] if c.apart]
            tally.shared.update({c.flag_id: n for c in narrower})
            if narrower:
                tally.taken[narrower[-1].flag_id] += n
            elif not flag.parent or entity_of_flag(flag.parent) not in entities:
                tally.rest += n
                tally.rest_since += n * ((minute + 1) * MINUTE_MS > flag.onset_ms)

    def attached(self) -> Iterator[tuple[Flagged, str]]:
        """Flags that narrower ones explain, each with the one that has most of its complaints."""
        for flag_id, tally in self._tallies.items():
            flag = self._flags[flag_id]
            if flag.parent is None and tally.shared and self._explained(flag, tally):
                width_of = {c: width(self._flags[c].entity[0]) for c in tally.shared}
                most = min(tally.shared, key=lambda c: (-tally.shared[c], width_of[c], c))
                yield flag, most

    def detached(self) -> Iterator[Flagged]:
        """Flags that stand out without what they were attached to."""
        for flag_id, tally in self._tallies.items():
            flag = self._flags[flag_id]
            if flag.parent and stands_out(tally.rest, self._usual_rest(flag, tally), SURE):
                yield flag

    def _explained(self, flag: Flagged, tally: _Tally) -> bool:
        bins = _bins(flag, HOUR * MINUTE_MS)
        usual, rest = flag.usual * bins, self._usual_rest(flag, tally)
        excess = tally.total - usual
        if excess <= 0 or excess - (tally.rest - rest) < MOST * excess:
            return False
        since = min(_bins(flag, self._end_ms - flag.onset_ms) / bins, 1.0)
        alone = stands_out(tally.rest, rest, SURE)
        return not alone and not stands_out(tally.rest_since, rest * since, SURE)

    def _usual_rest(self, flag: Flagged, tally: _Tally) -> float:
        """What is usual in an hour without the narrower flags."""
        gone = sum(self._flags[c].usual * n / self._whole[c] for c, n in tally.taken.items())
        return max(flag.usual - gone, 0.0) * _bins(flag, HOUR * MINUTE_MS)


def _bins(flag: Flagged, span_ms: int) -> float:
    return span_ms / (flag.level.monitor.policy.bin_ms if flag.level else 300_000)
