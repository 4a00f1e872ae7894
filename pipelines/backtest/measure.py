"""The detector over a history as it runs, closed bins and ticks between; alerts by threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.backtest.ladder import Ladder
from pipelines.core.detect import EpisodeEvent, SpikeDetector, SpikePolicy, peek
from pipelines.core.detect.spike_filter import expected, may_reach
from pipelines.core.detect.whole_hour import for_critical
from pipelines.core.detect.window import Window, closed_window, enough, open_window

Floats = npt.NDArray[np.float64]
Slots = npt.NDArray[np.integer[Any]]
THRESHOLDS = np.concatenate([np.arange(-5.0, 12.0, 0.05), np.arange(12.0, 150.0, 1.0)])
"""Fine where thresholds lie; what a plain rise has at critical (``whole_hour``) is far above."""


class FalseAlerts:
    """Counts what each threshold would have alerted, at the guards of both kinds of grade."""

    def __init__(self, series: int, policy: SpikePolicy) -> None:
        self.policy = policy
        self.detector = SpikeDetector.create(series, policy)
        # By guard; that of critical is the greater one.
        guards, quiet = (policy.min_count, policy.min_count_critical), policy.refractory_bins
        self.ladders = {g: Ladder(series, THRESHOLDS, g, quiet) for g in guards}
        self.counting = True
        """False while the history warms up."""
        self.left_out = np.zeros(series, bool)
        """Series in a flag that was upheld: an alert there is none that was false."""

    def tick(
        self, bin_: int, slots: Slots, counts: Floats, exposure: Any, mean: Any, weight: Any
    ) -> list[EpisodeEvent]:
        """The open bin so far; inputs as ``SpikeDetector.tick``."""
        args = (counts, exposure, mean, weight)
        events = self.detector.tick(bin_ * self.policy.bin_ms, slots, *args)
        state, low = self.detector.state, THRESHOLDS[0]
        may = may_reach(state, slots, counts, low, self.policy)
        may &= enough(state, slots.astype(np.int64), counts, self.policy)
        near = np.flatnonzero(may)
        at, columns = slots[near], np.broadcast_arrays(counts, *args[1:])
        c, e, m0, w0 = (column[near] for column in columns)
        scores = peek(state, at, c, e, m0, w0, self.policy)
        some = np.flatnonzero(scores >= low)
        index = at[some].astype(np.int64)
        c, e, m0, w0 = c[some], e[some], m0[some], w0[some]
        mu = expected(state, index, e, m0, w0, self.policy)
        window = open_window(state, index, c, mu, e, self.policy)
        self._count(bin_, index, scores[some], window)
        return events

    def close(
        self, bin_: int, slots: Slots, counts: Floats, exposure: Any, mean: Any, weight: Any
    ) -> list[EpisodeEvent]:
        """A closed bin; inputs as ``SpikeDetector.close_bin``."""
        start = bin_ * self.policy.bin_ms
        events = self.detector.close_bin(start, slots, counts, exposure, mean, weight)
        state = self.detector.state
        at = slots[state.score[slots] >= THRESHOLDS[0]]
        self._count(bin_, at, state.score[at], closed_window(state, at, self.policy))
        return events

    def _count(self, bin_: int, slots: Slots, scores: Floats, window: Window) -> None:
        if not self.counting:
            return
        kept, observed = ~self.left_out[slots], window.observed
        for guard, ladder in self.ladders.items():
            critical = guard == self.policy.min_count_critical
            held = for_critical(scores, window.beyond) if critical else scores
            ladder.take(bin_, slots[kept], held[kept], observed[kept])
