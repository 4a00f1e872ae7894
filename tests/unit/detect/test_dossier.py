"""What a flag keeps of its decision: the score follows from it, to the last bit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pipelines.core.detect import (
    EpisodeEvent,
    EventKind,
    SpikeDetector,
    SpikePolicy,
    SpikeState,
    peek,
)
from pipelines.core.detect.dossier import BinInputs, gather, score_again, window_of

BIN = 300_000


def events_of(closed: bool) -> tuple[list[EpisodeEvent], list[int]]:
    """Eight series; the complaints of the third rise twentyfold. Its counts, bin by bin."""
    detector = SpikeDetector.create(8)
    slots = np.arange(8)
    rng = np.random.default_rng(7)
    events: list[EpisodeEvent] = []
    history: list[int] = []
    for number in range(400):
        exposure = rng.uniform(50, 150, 8)
        counts = rng.poisson(exposure * 0.004)
        counts[3] = rng.poisson(exposure[3] * (0.1 if number > 350 else 0.004))
        if not closed:
            events += detector.tick(number * BIN, slots, counts, exposure, 0.004, 2400.0)
        events += detector.close_bin(number * BIN, slots, counts, exposure, 0.004, 2400.0)
        history.append(int(counts[3]))
    return events, history


def spike_events() -> list[EpisodeEvent]:
    """Events of closed bins; series 3 has a spike."""
    return events_of(True)[0]


@pytest.mark.parametrize("closed", [True, False])
def test_the_score_follows_from_what_is_kept(closed: bool) -> None:
    events, history = events_of(closed)
    risen = [e for e in events if e.kind in (EventKind.OPENED, EventKind.ESCALATED)]
    assert any(event.series == 3 for event in risen)
    for event in risen:
        told = json.loads(event.evidence)
        assert score_again(told) == event.score
        assert told["bin"]["start_ms"] == event.bin_start_ms
    for event in risen:
        if event.series == 3:
            told = json.loads(event.evidence)
            number = event.bin_start_ms // BIN
            window = window_of(told)
            assert [w[0] for w in window] == [(number - 12 + n) * BIN for n in range(12)]
            assert [w[1] for w in window] == history[number - 12 : number]
            kept = sum(w[1] or 0 for w in window[1:]) + told["bin"]["counts"]
            assert kept == event.observed


def test_a_changed_dossier_gives_another_score() -> None:
    events, _ = events_of(True)
    event = next(e for e in events if e.series == 3 and e.evidence)
    told = json.loads(event.evidence)
    told["bin"]["counts"] += 1
    assert not math.isclose(score_again(told), event.score, abs_tol=1e-9)


def test_a_dossier_from_before_the_restless_were_asked_for_more() -> None:
    state = SpikeState.empty(1)
    state.log_drift[0] = [-20.0, -20.0, 0.0]
    inputs = BinInputs(*(np.array([x]) for x in (9.0, 1.0, 0.5, 24.0)))
    policy = SpikePolicy(restless_cost=0.0)
    kept = gather(state, np.array([0]), inputs, np.array([0]), 0)
    told = json.loads(kept.of(0, policy))
    del told["policy"]["restless_cost"]
    assert score_again(told) == peek(state, np.array([0]), *inputs, policy)[0]


@pytest.mark.parametrize(
    "text", ["{}", '{"v":1}', '{"v":1,"statistic":"spike_log_odds","policy":{}}', "[]"]
)
def test_what_is_no_dossier(text: str) -> None:
    with pytest.raises(ValueError, match=r"dossier|lacks|version"):
        score_again(json.loads(text) if text != "[]" else {"v": 9, "statistic": ""})
