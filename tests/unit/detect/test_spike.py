"""The whole of flag F01: counts in, events out."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipelines.core.detect import EventKind, Grade, SpikeDetector, SpikePolicy, observe, peek
from pipelines.core.detect.episodes import EpisodeEvent
from pipelines.core.detect.spike_filter import may_reach
from pipelines.core.detect.spike_state import SpikeState
from pipelines.core.detect.window import closed_window, open_window

POLICY = SpikePolicy()
MS = POLICY.bin_ms
PRIOR = (1e-3, 24_000.0)


def run(
    detector: SpikeDetector, bins: NDArray[np.float64], start: int = 0, exposure: float = 1000.0
) -> list[EpisodeEvent]:
    slots, events = np.arange(bins.shape[1]), []
    for t, counts in enumerate(bins, start):
        events += detector.close_bin(t * MS, slots, counts, exposure, *PRIOR)
    return events


def poisson(series: int, bins: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(1.0, (bins, series)).astype(np.float64)


def test_a_rise_is_one_episode_with_growing_grades() -> None:
    # rate     1 1 1 ... 1 | 6 x 18 bins | 1 1 1 ...
    # events               W r c         x
    detector = SpikeDetector.create(5)
    bins = poisson(5, 760)
    bins[650:668, 2] = np.random.default_rng(4).poisson(6.0, 18)
    events = run(detector, bins)
    mine = [e for e in events if e.series == 2 and e.bin_start_ms >= 650 * MS]
    assert {e.series for e in events if e.grade >= Grade.RAISED} == {2}
    assert len(mine) == len({(e.kind, e.grade) for e in mine}) <= 4
    assert mine[0].kind is EventKind.OPENED
    assert mine[-1].kind is EventKind.CLEARED
    assert max(e.grade for e in mine) is Grade.CRITICAL
    assert {e.onset_ms for e in mine} == {mine[0].onset_ms}
    assert 650 * MS <= mine[0].onset_ms <= 654 * MS
    assert 668 * MS <= mine[-1].bin_start_ms <= 690 * MS


def test_zeros_and_constants_raise_nothing() -> None:
    events = run(SpikeDetector.create(3), np.tile([0.0, 1.0, 3.0], (700, 1)))
    # Three times its prior from its first bin on: worth a look in the first hour, and no more.
    assert all((e.series, e.grade) == (2, Grade.WATCH) for e in events)
    assert all(e.bin_start_ms < 24 * MS for e in events if e.kind is EventKind.OPENED)


def test_one_wild_bin_is_no_storm() -> None:
    # counts   1 1 1 ... 1 2000 1 1 1 1 1 ...
    detector = SpikeDetector.create(4)
    bins = poisson(4, 900)
    bins[650, 1] = 2000
    events = [e for e in run(detector, bins) if e.series == 1 and e.bin_start_ms >= 650 * MS]
    assert [e.kind for e in events] == [EventKind.OPENED, EventKind.CLEARED]


def test_wild_bins_all_over_at_a_cold_start_are_no_storm() -> None:
    detector = SpikeDetector.create(200)
    bins = poisson(200, 288)
    bins[1] = 500
    events = run(detector, bins)
    assert sum(e.kind is EventKind.OPENED for e in events) <= 210


def test_a_telemetry_gap_neither_opens_nor_clears() -> None:
    detector = SpikeDetector.create(1)
    run(detector, np.concatenate([poisson(1, 650), np.full((3, 1), 9.0)]))
    assert detector.book.open
    assert run(detector, np.full((40, 1), math.nan), start=653) == []
    assert run(detector, poisson(1, 11, seed=2), start=693) == []
    assert detector.book.open
    assert [e.kind for e in run(detector, poisson(1, 3, seed=3), start=704)] == [EventKind.CLEARED]


def test_a_tick_finds_the_rise_before_the_bin_closes() -> None:
    detector, slots = SpikeDetector.create(1), np.array([0])
    run(detector, np.concatenate([poisson(1, 650), np.full((3, 1), 9.0)]))
    before = detector.state.to_arrays()
    seen = []
    for share, count in ((0.1, 1.0), (0.2, 4.0), (0.3, 8.0)):
        seen += detector.tick(653 * MS, slots, count, 1000.0 * share, *PRIOR)
    assert max(e.grade for e in seen) is Grade.RAISED
    assert {e.bin_start_ms for e in seen} == {653 * MS}
    for name, array in detector.state.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_tick_at_the_end_of_the_bin_agrees_with_the_close() -> None:
    ticking, closing = SpikeDetector.create(30), SpikeDetector.create(30)
    bins = poisson(30, 600)
    run(ticking, bins)
    run(closing, bins)
    counts, slots = np.arange(30.0), np.arange(30)
    early = ticking.tick(600 * MS, slots, counts, 1000.0, *PRIOR)
    late = closing.close_bin(600 * MS, slots, counts, 1000.0, *PRIOR)
    assert [(e.series, e.grade) for e in early] == [(e.series, e.grade) for e in late]
    np.testing.assert_allclose([e.expected for e in early], [e.expected for e in late], rtol=1e-5)
    assert [e.observed for e in early] == [e.observed for e in late]


def test_checkpoint_in_the_middle_of_an_episode() -> None:
    detector = SpikeDetector.create(3)
    bins = poisson(3, 720)
    bins[650:660] *= 9
    run(detector, bins[:655])
    arrays, book = detector.to_checkpoint()
    restored = SpikeDetector.from_checkpoint(arrays, json.loads(json.dumps(book)))
    assert run(detector, bins[655:], start=655) == run(restored, bins[655:], start=655)
    assert restored.book == detector.book


def test_reset_ends_the_episode() -> None:
    detector = SpikeDetector.create(2)
    run(detector, np.concatenate([poisson(2, 650), np.full((4, 2), 9.0)]))
    (event,) = detector.reset([1], 654 * MS)
    assert (event.kind, event.series) == (EventKind.ENDED, 1)
    assert list(detector.book.open) == [0]
    assert detector.state.age.tolist() == [654, 0]


def test_slots_in_any_order_and_number() -> None:
    straight, mixed = SpikeDetector.create(6), SpikeDetector.create(6)
    bins, order = poisson(6, 100), np.array([4, 0, 5, 2, 1, 3])
    for t, counts in enumerate(bins):
        straight.close_bin(t * MS, np.arange(6), counts, 1000.0, *PRIOR)
        mixed.close_bin(t * MS, order[:2], counts[order[:2]], 1000.0, *PRIOR)
        mixed.close_bin(t * MS, order[2:], counts[order[2:]], 1000.0, *PRIOR)
    np.testing.assert_allclose(mixed.state.score, straight.state.score, rtol=1e-12)
    mixed.grow(9)
    assert mixed.state.capacity == 9


def test_windows_slide() -> None:
    # bins     1 2 3 | open 5        window of 3
    policy = replace(POLICY, window_bins=3)
    state, slots = SpikeState.empty(1, policy), np.array([0])
    for count in (7.0, 1.0, 2.0, 3.0):
        observe(state, slots, [count], 10.0, 0.1, 240.0, policy)
    closed = closed_window(state, slots, policy)
    assert (closed.observed[0], closed.exposure[0], closed.known[0]) == (6.0, 30.0, 3)
    args = (np.array([5.0]), np.array([0.5]), np.array([4.0]), policy)
    opened = open_window(state, slots, *args)
    assert (opened.observed[0], opened.exposure[0], opened.known[0]) == (10.0, 24.0, 3)
    assert state.ring_counts.sum() == 6.0


def test_a_tick_skips_only_what_cannot_reach_a_grade() -> None:
    detector, rng = SpikeDetector.create(400), np.random.default_rng(8)
    slots = np.arange(400)
    for t in range(60):
        run(detector, rng.negative_binomial(0.5, 0.3, (1, 400)).astype(np.float64), t)
        counts = rng.integers(0, 40, 400) * rng.binomial(1, 0.5, 400).astype(np.float64)
        scores = peek(detector.state, slots, counts, 1000.0, *PRIOR, POLICY)
        for level in (-5.0, POLICY.watch, POLICY.critical):
            may = may_reach(detector.state, slots, counts, level, POLICY)
            assert not (scores[~may] >= level).any()
            assert not may.all() or level < POLICY.watch
