"""What each source has sent, left out, repeated and mistimed: gauges by topic and source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest

from pipelines.core.fold.clock import SourceKey
from pipelines.core.sources import SourceState
from pipelines.instruments import Instruments

MAX_SERIES = 2_000
"""A registry of ten thousand sources must not become sixty thousand series of one worker."""


@dataclass(slots=True)
class SourceFigures:
    """One source of a topic, over the partitions of this worker."""

    missing: int = 0
    duplicates: int = 0
    late_rows: int = 0
    refused: int = 0
    skew_ms: int = 0
    last_broker_ms: int = 0
    final: bool = True

    def add(self, state: SourceState) -> None:
        """Take in another partition. Its skew is the worst, its silence the shortest."""
        self.missing += sum(seen.missing for seen in state.ranges.values())
        self.duplicates += state.duplicates
        self.late_rows += state.late_rows
        self.refused += state.refused
        self.skew_ms = max(self.skew_ms, state.skew_ms, key=abs)
        self.last_broker_ms = max(self.last_broker_ms, state.last_broker_ms)
        self.final &= state.final

    @property
    def trouble(self) -> int:
        """What decides who is shown where there are too many."""
        return self.missing + self.duplicates + self.late_rows + self.refused


def by_source(
    partitions: Iterable[Mapping[SourceKey, SourceState]],
) -> dict[SourceKey, SourceFigures]:
    """Figures by (topic, platform, source); the most troubled ones where there are too many."""
    out: dict[SourceKey, SourceFigures] = {}
    for sources in partitions:
        for key, state in sources.items():
            out.setdefault(key, SourceFigures()).add(state)
    if len(out) <= MAX_SERIES:
        return out
    kept = nlargest(MAX_SERIES, out, key=lambda key: (out[key].trouble, key))
    return {key: out[key] for key in kept}


def show(
    instruments: Instruments, figures: Mapping[SourceKey, SourceFigures], now_s: float
) -> None:
    """Set the gauges; sources that are no longer this worker's vanish from them.

    A source that has said goodbye is not silent.
    """
    gauges = instruments.sources
    for gauge in gauges.values():
        gauge.clear()
    for (topic, platform, source), one in figures.items():
        labels = (topic, platform, source)
        gauges["missing"].labels(*labels).set(one.missing)
        gauges["duplicates"].labels(*labels).set(one.duplicates)
        gauges["late_rows"].labels(*labels).set(one.late_rows)
        gauges["refused"].labels(*labels).set(one.refused)
        gauges["skew"].labels(*labels).set(one.skew_ms / 1000)
        silent = 0.0 if one.final else max(0.0, now_s - one.last_broker_ms / 1000)
        gauges["silent"].labels(*labels).set(silent)
