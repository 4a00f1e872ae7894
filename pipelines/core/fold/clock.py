"""Which minutes may close: watermarks, allowed lateness, silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.core.metrics import MINUTE_MS
from pipelines.core.sources import SourceState

SourceKey = tuple[str, str, str]
"""(topic, platform, source)"""


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """When a minute closes. All in ms of event time but `idle_ms`, which is broker time."""

    lateness_ms: int = 120_000
    """A row may come this long after its source's watermark passed its minute."""
    idle_ms: int = 30_000
    """A source silent for this long no longer holds a minute open."""
    max_skew_ms: int = 3_600_000
    """A source this far behind the foremost one of its topic no longer holds a minute open."""
    max_ahead_ms: int = 1_800_000
    """A topic read so far ahead of one with more to read waits for it."""
    max_held_minutes: int = 30
    """A restart that is still reading what was read before holds no more minutes than this."""


@dataclass(frozen=True, slots=True)
class TopicClock:
    """The clock of one topic-partition, as the shell sees it.

    `now_ms` is the broker time of the last record read, or the present when everything has been
    read (`caught_up`). `settled` is False while a restart is still reading what an earlier run
    had read: until then no minute may close, or a replayed minute could lack rows that the first
    run wrote.
    """

    now_ms: int
    settled: bool
    caught_up: bool = True


def close_through(
    sources: Mapping[SourceKey, SourceState],
    clocks: Mapping[str, TopicClock],
    newest: int | None,
    policy: ClockPolicy,
    closed: int | None = None,
) -> int | None:
    """The last minute that may close, or None. `newest` is the newest open minute.

    A minute closes when every live source's watermark has passed its end by the lateness, on
    every topic. A topic that has more to read holds it, too, at the time that reading has come
    to: the sources that it will speak of are not all known. With no live source left nobody can
    be waited for, and all that was spoken of closes. `closed` is the last closed minute.
    """
    if not clocks:
        return None
    held_by = reached(sources, clocks, policy)
    if not held_by:
        heard = [state.watermark_ms // MINUTE_MS for state in sources.values()]
        through = max([newest, *heard] if newest is not None else heard, default=None)
    else:
        through = (min(held_by.values()) - policy.lateness_ms) // MINUTE_MS - 1
    if all(c.settled for c in clocks.values()):
        return through
    if through is None or closed is None or through - closed <= policy.max_held_minutes:
        return None
    return through


def reached(
    sources: Mapping[SourceKey, SourceState], clocks: Mapping[str, TopicClock], policy: ClockPolicy
) -> dict[str, int]:
    """Event time, ms, at which each topic holds minutes open; topics that hold none are absent."""
    live: dict[str, list[int]] = {topic: [] for topic in clocks}
    for (topic, _, _), state in sources.items():
        if topic in clocks and state.holds(clocks[topic].now_ms, policy.idle_ms):
            live[topic].append(state.watermark_ms)
    foremost = max((max(marks) for marks in live.values() if marks), default=0)
    out: dict[str, int] = {}
    for topic, marks in live.items():
        # In a backlog a topic can be behind the others because we read it slowly: only what is
        # far behind within its own topic is so by itself.
        caught_up = clocks[topic].caught_up
        least = (foremost if caught_up else max(marks, default=0)) - policy.max_skew_ms
        held = [mark for mark in marks if mark >= least]
        if not caught_up:
            held.append(clocks[topic].now_ms)
        if held:
            out[topic] = min(held)
    return out


def ahead(
    reached: Mapping[str, int], clocks: Mapping[str, TopicClock], bounds_ms: Mapping[str, int]
) -> set[str]:
    """Topics whose reading should wait: ahead by more than their bound of one with more to read.

    A topic keeps in memory what it has of the minutes that another one holds open. Of those that
    have more to read the slowest never waits, so closing always goes on; and nobody waits for a
    topic that has been read to its end, since no reading brings that on.
    """
    behind = [ms for topic, ms in reached.items() if not clocks[topic].caught_up]
    slowest = min(behind, default=None)
    if slowest is None:
        return set()
    return {t for t, ms in reached.items() if ms - slowest > bounds_ms.get(t, ms)}


def minutes_to_close(through: int, closed: int, opens: Iterable[int]) -> list[int]:
    """Minutes to close now, in order, up to `through`.

    Where nothing is open for over an hour the empty minutes are passed over in one step: their
    windows are empty whatever came before.
    """
    wanted: list[int] = []
    at = closed + 1
    for minute in [*sorted(m for m in opens if m <= through), through]:
        if minute - at > 60:
            wanted += range(at, at + 5)
            at = minute - 5
        wanted += range(at, minute + 1)
        at = max(at, minute + 1)
    return wanted
