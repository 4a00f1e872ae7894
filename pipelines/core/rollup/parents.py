"""Which wider rise explains a flag: asked when it opens, and again with every closed bin.

A rise everywhere lifts the widest series first and the small ones one after another, but not
always in that order: what opened before its parent is attached to it later, and so is a session,
which another process decides on (its partition tells of it with the partial).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.core.detect import (
    Episode,
    EpisodeEvent,
    EventKind,
    Grade,
    ParentRise,
    SpikePolicy,
    parent_rise,
)
from pipelines.core.detect.parents import likely
from pipelines.core.detect.window import closed_window, window_since
from pipelines.core.flags import RULE, Entity, FlagEvent, flag_event
from pipelines.core.kin import same_event
from pipelines.core.metrics import MINUTE_MS
from pipelines.core.partials import Rise
from pipelines.core.rollup.level import Key, Level

FORGET_MS = 3 * 3_600_000
"""A session that is told of no more is forgotten after so long, event time."""


class Wide(NamedTuple):
    """A wider rise: its flag, what its members say, and for how many closed bins it has lasted."""

    flag_id: str
    rise: ParentRise
    bins: int

    def explains(self, level: Level, slot: int) -> bool:
        """Whether it explains the rise of a series in it."""
        state, policy = level.monitor.detector.state, level.monitor.policy
        seen, usual = window_since(state, np.array([slot]), self.bins, policy)
        return likely(self.rise, float(seen[0]), float(usual[0]))


def wide_rise(level: Level, wider: Level, key: Key, merchants: Level) -> Wide | None:
    """The rise of `wider` at `key`, judged by its members of `level` since it began; where it has
    only one of them, by its merchants.

    None where it is in no episode, or nothing of it has closed yet, or its members did not rise
    together.
    """
    above = wider.index.slots.get(key)
    episode = None if above is None else open_rise(wider, above)
    if episode is None or above is None:
        return None
    policy = level.monitor.policy
    bins = closed_bins(wider, episode)
    if bins < 1:
        return None
    members = _members(level, key)
    if len(members) < 2:
        level, members = merchants, _members(merchants, key)
    window = window_since(level.monitor.detector.state, members, bins, policy)
    rise = parent_rise(*window, parent_in_episode=True)
    if not rise.wide:
        return None
    return Wide(f"{RULE}:{wider.entity(above).key}:{episode.onset_ms}", rise, bins)


def open_rise(level: Level, slot: int) -> Episode | None:
    """The episode of a series that can explain others: one that is not itself explained by a
    narrower flag."""
    episode = level.monitor.detector.book.open.get(slot)
    if episode is None or same_event(level.kind, episode.parent_id or ""):
        return None
    return episode


def closed_bins(level: Level, episode: Episode) -> int:
    """For how many closed bins an episode has lasted."""
    end_ms = (level.monitor.closed_through + 1) * MINUTE_MS
    return (end_ms - episode.onset_ms) // level.monitor.policy.bin_ms


def _members(level: Level, key: Key) -> NDArray[np.int64]:
    """Slots of the series that lie within `key`."""
    some = [
        i
        for i, k in enumerate(level.index.keys)
        if k is not None and key[0] in ("", k[0]) and key[1:] in ((), (level.category[i],))
    ]
    return np.array(some, np.int64)


class Sessions:
    """Which sessions have a parent; a session is told of until its episode ends."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[str, int]] = {}
        """(flag, grade) -> (parent, when it was last spoken of, event ms)."""

    def attach(
        self,
        rises: Iterable[Rise],
        widest: Callable[[Rise], Wide | None],
        policy: SpikePolicy,
        at_ms: int,
        now_ms: int,
    ) -> list[FlagEvent]:
        """Flags of sessions that a wider rise explains, each once at each grade."""
        out = []
        for one in rises:
            key = _key(one)
            parent = self._told.get(key, ("", 0))[0]
            wide = None if parent else widest(one)
            if wide is not None and likely(wide.rise, one.observed, one.expected):
                parent = wide.flag_id
                out.append(_attached(one, parent, policy, at_ms, now_ms))
            if parent:
                self._told[key] = (parent, at_ms)
        for key in [k for k, (_, when) in self._told.items() if when < at_ms - FORGET_MS]:
            del self._told[key]
        return out

    def explained(self, one: Rise) -> bool:
        """Whether the session's flag has a parent."""
        return _key(one) in self._told

    def parent(self, one: Rise) -> str | None:
        """The flag of the wider rise that explained the session's at any grade, if one did."""
        flag_id = _key(one)[0]
        told = (self._told.get((flag_id, grade.name.lower())) for grade in Grade)
        return next((found[0] for found in told if found), None)

    def to_json(self) -> list[list[str | int]]:
        """For a checkpoint."""
        return [[*key, *value] for key, value in self._told.items()]

    def restore(self, rows: Iterable[list[str | int]] | None) -> None:
        """Take what `to_json` gave; None is a checkpoint from before."""
        self._told = {
            (str(flag), str(grade)): (str(parent), int(when))
            for flag, grade, parent, when in rows or ()
        }


def _key(one: Rise) -> tuple[str, str]:
    return f"{RULE}:{entity_of(one).key}:{one.onset_ms}", one.grade


def entity_of(one: Rise) -> Entity:
    """Whom a session's rise is about."""
    return Entity("session", one.session_id, one.platform_id, one.category, one.district)


def _attached(one: Rise, parent: str, policy: SpikePolicy, at_ms: int, now_ms: int) -> FlagEvent:
    grade = Grade[one.grade.upper()]
    event = EpisodeEvent(
        EventKind.ATTACHED, 0, grade, one.onset_ms, at_ms, policy.bin_ms, one.observed,
        one.expected, one.exposure, one.bins, one.score, policy.asked(grade, one.observed), parent,
    )  # fmt: skip
    return flag_event(event, entity_of(one), at_ms, now_ms)


def adopted(level: Level, slot: int, episode: Episode, at_ms: int) -> EpisodeEvent:
    """The event that tells that an open flag of `level` has a parent now, or none any more."""
    state, policy = level.monitor.detector.state, level.monitor.policy
    window = closed_window(state, np.array([slot]), policy)
    observed = float(window.observed[0])
    kind = EventKind.ATTACHED if episode.parent_id else EventKind.DETACHED
    return EpisodeEvent(
        kind, slot, episode.grade, episode.onset_ms, at_ms - policy.bin_ms,
        policy.bin_ms, observed, float(window.expected[0]), float(window.exposure[0]),
        int(window.known[0]), float(state.score[slot]),
        policy.asked(episode.grade, observed), episode.parent_id,
    )  # fmt: skip
