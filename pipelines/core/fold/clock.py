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
    """A source this far behind the foremost one no longer holds a minute open either."""


@dataclass(frozen=True, slots=True)
class TopicClock:
    """The clock of one topic-partition, as the shell sees it.

    `now_ms` is the broker time of the last record read, or the present when everything has been
    read. `settled` is False while a restart is still reading what an earlier run had read: until
    then no minute may close, or a replayed minute could lack rows that the first run wrote.
    """

    now_ms: int
    settled: bool


def close_through(
    sources: Mapping[SourceKey, SourceState],
    clocks: Mapping[str, TopicClock],
    newest: int | None,
    policy: ClockPolicy,
) -> int | None:
    """The last minute that may close, or None. `newest` is the newest open minute.

    A minute closes when every live source's watermark has passed its end by the lateness. With
    no live source left nobody can be waited for, and all that was spoken of closes.
    """
    if not clocks or not all(c.settled for c in clocks.values()):
        return None
    held_by = [
        state.watermark_ms
        for (topic, _, _), state in sources.items()
        if topic in clocks and state.holds(clocks[topic].now_ms, policy.idle_ms)
    ]
    if not held_by:
        heard = [state.watermark_ms // MINUTE_MS for state in sources.values()]
        return max([newest, *heard] if newest is not None else heard, default=None)
    foremost = max(held_by)
    slowest = min(w for w in held_by if w >= foremost - policy.max_skew_ms)
    return (slowest - policy.lateness_ms) // MINUTE_MS - 1


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
