"""When a process that lives and does nothing is ended. Times in seconds."""

from __future__ import annotations

from deploy.stack.sentry import SentryPolicy, SentryState

POLICY = SentryPolicy(every=10, first=90, patience=60)


def test_unwell_for_as_long_as_patience_lasts() -> None:
    state = SentryState(POLICY, started=0)
    for now in range(100, 160, 10):
        state.answered("no record folded for 61 s", now)
    assert state.verdict(159) is None
    assert state.verdict(160) == "no record folded for 61 s"


def test_one_good_answer_forgives() -> None:
    state = SentryState(POLICY, started=0)
    state.answered("no answer", 100)
    state.answered(None, 150)
    state.answered("no answer", 155)
    assert state.verdict(200) is None
    assert state.verdict(215) == "no answer"


def test_a_process_that_has_just_started_need_not_answer() -> None:
    state = SentryState(POLICY, started=100)
    state.answered("no answer", 110)
    assert state.verdict(189) is None
    assert state.verdict(190) == "no answer"
