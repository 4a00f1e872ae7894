"""Reviews in the first stage: stored, waited for, and never waited for where nobody sends any."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from deploy.operations.erasures import names_in
from pipelines.agents.fold import FoldStage
from pipelines.core.erasure import Erasure, Erasures
from pipelines.core.fold.clock import ClockPolicy
from pipelines.core.upgrade import upgraded
from pipelines.instruments import Instruments
from schemas.telemetry import SampleType
from tests.unit.agents.test_pressure import MINUTE, ORD, START, C, Feed, V, ids

R = SampleType.REVIEWS


def minutes(feed: Feed, now_ms: int) -> list[int]:
    feed.close(now_ms)
    through = feed.stage.closed_through
    assert through is not None
    return [through - START // MINUTE]


def test_a_source_that_never_speaks_of_reviews_holds_no_minute() -> None:
    feed, some = Feed(), ids(3)
    for minute in range(4):
        for sample in (V, ORD, C):
            feed.send(sample, some, START + minute * MINUTE)
    assert minutes(feed, START + 3 * MINUTE) == [2]


def test_one_that_does_is_waited_for_until_it_falls_silent() -> None:
    feed, some = Feed(), ids(3)
    feed.send(R, some, START)
    for minute in range(4):
        feed.send(V, some, START + minute * MINUTE)
    assert minutes(feed, START + 20_000) == [-1], "the reviews of minute 0 may still come"
    assert minutes(feed, START + 3 * MINUTE) == [2], "silent for more than 30 s"


def test_reviews_are_stored_with_what_they_say_and_late_ones_too() -> None:
    feed, some = Feed(), ids(2)
    work = feed.send(R, some, START, 7)
    assert work.raw is not None
    table, columns = work.raw
    assert table == "raw_reviews"
    assert np.asarray(columns["reviews"]).tolist() == [7, 7]
    assert work.minute == START // MINUTE, "not acknowledged before the minute is closed"
    assert not np.asarray(columns["late"]).any()
    feed.send(V, some, START + 5 * MINUTE)
    feed.send(R, some, START + 5 * MINUTE)
    feed.close(START + 5 * MINUTE)
    late = feed.send(R, some, START + 1, 1)
    assert late.raw is not None
    assert np.asarray(late.raw[1]["late"]).all()


def test_a_session_with_reviews_in_an_open_minute_keeps_its_place() -> None:
    feed, (quiet, busy) = Feed(), ids(2)
    feed.send(V, [quiet, busy], START)
    feed.send(R, [quiet], START + 70 * MINUTE)  # nothing else of it for more than an hour
    feed.send(V, [busy], START + 70 * MINUTE)
    feed.close(START + 70 * MINUTE)
    names = [s.session_id for s in feed.stage.state.sessions.dims if s is not None]
    assert quiet in names


def test_the_proof_of_an_erasure_finds_sessions_by_when_they_began() -> None:
    feed, some = Feed(), ids(3)
    feed.send(V, some, START)
    kept = SimpleNamespace(entries=feed.stage.book([]))
    for before, named in ((START + MINUTE, set(some)), (START, set())):
        rule = Erasures([Erasure("p01", "", before, before)])
        assert set(names_in(kept, rule)) == {f"session {i}" for i in named}  # type: ignore[arg-type]


def test_a_checkpoint_of_version_2_goes_on_without_reviews_and_dimensions() -> None:
    """Sessions as version 2 wrote them: no column of contract 1.1."""
    feed, some = Feed(), ids(3)
    feed.send(V, some, START)
    entries = feed.stage.book([])
    old = {
        name: json.dumps([row[:12] for row in json.loads(value)]).encode()
        for name, value in entries.items()
        if name.startswith("sessions/")
    }
    assert old
    head = feed.stage.head() | {"state_version": 2}
    head, kept = upgraded("fold", head, (entries | old))
    again = FoldStage(0, 2, Instruments(), ClockPolicy(0, 30_000))
    again.load(head, kept, 2)
    found = [s for s in again.state.sessions.dims if s is not None]
    assert sorted(s.session_id for s in found) == sorted(some)
    assert {(s.venue_id, s.streamer_certified) for s in found} == {("", None)}
