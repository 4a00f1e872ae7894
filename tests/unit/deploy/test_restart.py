"""The restart policy as a table of times: no clock, no process."""

from __future__ import annotations

from deploy.stack.restart import EX_CONFIG, EX_TEMPFAIL, RestartPolicy, RestartState

POLICY = RestartPolicy(first_delay=1, factor=2, max_delay=5, quick=10, give_up=5)


def _fail(state: RestartState, now: float, lived: float = 0.1, code: int = 1) -> float | None:
    state.ended(now, now - lived, code)
    return state.due


def test_quick_failures_wait_longer_and_longer_then_give_up() -> None:
    state = RestartState(POLICY)
    waits = []
    for now in (0.0, 100.0, 200.0, 300.0):
        due = _fail(state, now)
        assert due is not None
        waits.append(due - now)
        state.restarted()
    assert waits == [1, 2, 4, 5]
    assert _fail(state, 400.0) is None
    assert state.gave_up
    assert state.restarts == 4


def test_a_long_life_forgives() -> None:
    state = RestartState(POLICY)
    for now in range(0, 1000, 100):
        assert _fail(state, float(now), lived=50.0) == now + 1
        state.restarted()
    assert not state.gave_up


def test_try_again_does_not_wait_but_counts() -> None:
    state = RestartState(POLICY)
    for now in range(4):
        assert _fail(state, float(now), code=EX_TEMPFAIL) == now
        state.restarted()
    assert _fail(state, 5.0, code=EX_TEMPFAIL) is None, "a tight loop ends as well"


def test_it_is_due_at_its_time_and_not_before() -> None:
    state = RestartState(POLICY)
    assert not state.restart_due(0.0)
    _fail(state, 10.0)
    assert not state.restart_due(10.9)
    assert state.restart_due(11.0)
    state.restarted()
    assert not state.restart_due(99.0)


def test_a_kill_is_a_failure_like_another() -> None:
    assert _fail(RestartState(POLICY), 0.0, code=-9) == 1


def test_a_state_of_another_version_is_not_tried_again() -> None:
    state = RestartState(POLICY)
    assert _fail(state, 0.0, code=EX_CONFIG) is None
    assert state.gave_up
