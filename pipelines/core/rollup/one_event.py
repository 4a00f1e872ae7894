"""One event, one alert: which open flags rest on the complaints of narrower ones.

A spike of one session lifts its merchant, its streamer, their agency and what contains them. The
wider flag is attached to a narrower one without whose complaints it would not stand out. Once it
stands out without those of all narrower flags it is detached for good and stands for itself.
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
"""Share of the excess that the narrower flag must have."""
SUMS = ("mcn", "cell", "category", "platform")
SMALL = 0.5
"""Of what is usual these may have no more than that, to explain what is wider: a platform with one
category is not explained by it."""


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

    def link(self, parent: str) -> tuple[str, str]:
        """Give it this parent ("" is none, for good); a session's is not ours to change."""
        if self.level is not None:
            self.level.monitor.detector.book.adopt(self.slot, parent)
        return self.flag_id, parent


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
    """Complaints of a wide flag in the last hour, and since its onset; what it shares with each
    narrower flag, and what no narrower one has (`rest`)."""

    total: int = 0
    since: int = 0
    rest: int = 0
    shared: Counter[str] = field(default_factory=Counter)
    shared_since: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    """As `shared`, each complaint for the widest narrower flag only."""


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
        """A flag of ours that stands for itself, or is attached to a narrower one. One that opened
        in a bin after this moment is asked when its bin is looked at: minutes close behind."""
        ours = one.level is not None and one.flag_id not in self._parents
        ours &= one.onset_ms < self._end_ms
        return ours and (one.parent is None or same_event(one.entity[0], one.parent))

    def _add(self, minute: int, one: Whose, n: int) -> None:
        entities = list(one.entities())
        met = [flag for key in entities if (flag := self._by_entity.get(key)) is not None]
        for i, flag in enumerate(met):
            self._whole[flag.flag_id] += n
            tally = self._tallies.get(flag.flag_id)
            if tally is None:
                continue
            lately = n * ((minute + 1) * MINUTE_MS > flag.onset_ms)
            tally.total += n
            tally.since += lately
            narrower = [c.flag_id for c in met[:i] if c.apart]
            tally.shared.update(dict.fromkeys(narrower, n))
            tally.shared_since.update(dict.fromkeys(narrower, lately))
            if narrower:
                tally.taken[narrower[-1]] += n
            elif not flag.parent or entity_of_flag(flag.parent) not in entities:
                tally.rest += n

    def attached(self) -> Iterator[tuple[Flagged, str]]:
        """Flags that one narrower flag explains, each with that one: of several the one that has
        most of the complaints, then the narrowest."""
        for flag_id, tally in self._tallies.items():
            flag = self._flags[flag_id]
            if flag.parent is not None:
                continue
            some = sorted(tally.shared, key=lambda c: (-tally.shared[c], self._width(c), c))
            found = next((c for c in some if self._explains(c, flag, tally)), None)
            if found is not None:
                yield flag, found

    def detached(self) -> Iterator[Flagged]:
        """Flags that stand out without all narrower flags and what they were attached to."""
        for flag_id, tally in self._tallies.items():
            flag = self._flags[flag_id]
            gone = sum(self._usual_of(c, n) for c, n in tally.taken.items())
            usual = max(flag.usual - gone, 0.0) * _bins(flag, HOUR * MINUTE_MS)
            if flag.parent and stands_out(tally.rest, usual, SURE):
                yield flag

    def _explains(self, one: str, flag: Flagged, tally: _Tally) -> bool:
        """Whether the flag would not stand out without the complaints of a narrower one."""
        hour = _bins(flag, HOUR * MINUTE_MS)
        usual, part = flag.usual * hour, self._usual_of(one, tally.shared[one]) * hour
        if self._flags[one].entity[0] in SUMS and part > SMALL * usual:
            return False
        excess, rest = tally.total - usual, tally.total - tally.shared[one]
        usual_rest = max(usual - part, 0.0)
        if excess <= 0 or excess - (rest - usual_rest) < MOST * excess:
            return False
        lately = min(_bins(flag, self._end_ms - flag.onset_ms) / hour, 1.0) * usual_rest
        since = tally.since - tally.shared_since[one]
        return not stands_out(rest, usual_rest, SURE) and not stands_out(since, lately, SURE)

    def _usual_of(self, one: str, shared: int) -> float:
        """What is usual in a bin of a narrower flag, as far as its complaints are shared."""
        return self._flags[one].usual * shared / self._whole[one]

    def _width(self, one: str) -> int:
        return width(self._flags[one].entity[0])


def _bins(flag: Flagged, span_ms: int) -> float:
    return span_ms / (flag.level.monitor.policy.bin_ms if flag.level else 300_000)
