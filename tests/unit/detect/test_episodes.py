"""Episodes as timelines: one character is one closed bin.

score    .  at rest     w  watch     r  raised     c  critical     (log odds, see SCORES)
count    how many complaints the last hour holds: .  usual (10)   +  many (40)   4  four   6  six
events   W R C  opened with that grade     r c  escalated to it     x  cleared
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.detect.episodes import EpisodeBook, EpisodeEvent, EventKind
from pipelines.core.detect.policy import Grade, SpikePolicy
from pipelines.core.detect.window import Window

POLICY = replace(SpikePolicy(), watch=0.0, raised=3.0, critical=6.0, refractory_bins=6)
SCORES = {".": -8.0, "-": -1.0, "w": 1.0, "r": 4.0, "c": 7.0}
COUNTS = {".": 10.0, "+": 40.0, "4": 4.0, "6": 6.0}
LETTER = {Grade.WATCH: "w", Grade.RAISED: "r", Grade.CRITICAL: "c"}
USUAL = 10.0
T0 = 1_790_000_100_000
SLOT = np.array([7])


def window(count: float, known: int = 12, floor: float = -8.0, beyond: float = 0.0) -> Window:
    one = np.ones(1)
    sums = (count * one, USUAL * one, 9000 * one)
    return Window(*sums, np.array([known]), floor * one, beyond * one)


def step(
    book: EpisodeBook, t: int, score: float, view: Window, *, closed: bool = True
) -> list[EpisodeEvent]:
    now = T0 + t * POLICY.bin_ms
    return book.advance(now, SLOT, np.array([score]), view, POLICY, closed=closed)


def draw(events: list[EpisodeEvent]) -> str:
    if not events:
        return "."
    (event,) = events
    if event.kind is EventKind.CLEARED:
        return "x"
    letter = LETTER[event.grade]
    return letter.upper() if event.kind is EventKind.OPENED else letter


def play(scores: str, counts: str, book: EpisodeBook | None = None) -> str:
    book = book or EpisodeBook()
    timeline = zip(scores, counts, strict=True)
    return "".join(
        draw(step(book, t, SCORES[s], window(COUNTS[c]))) for t, (s, c) in enumerate(timeline)
    )


@pytest.mark.parametrize(
    ("scores", "counts", "events"),
    [
        pytest.param("......", "......", "......", id="peace"),
        pytest.param(
            ".wwwww",
            ".+++++",
            ".W....",
            id="one alert per episode, however long it lasts",
        ),
        pytest.param(
            ".wrrcc.",
            ".++++++",
            ".Wr.c..",
            id="each higher grade once, in the same episode",
        ),
        pytest.param(
            ".c.wrc",
            ".+++++",
            ".C....",
            id="a grade that was reached is not reached again",
        ),
        pytest.param(
            ".rr--..",
            ".++....",
            ".R...x.",
            id="hysteresis: a little under the threshold is not over",
        ),
        pytest.param(
            ".rr.....",
            ".+++++..",
            ".R....x.",
            id="odds are back, but the rate is not: still open",
        ),
        pytest.param(
            ".r.r.....r.r",
            ".+.+.....+.+",
            ".Rx......Rx.",
            id="refractory: for six bins the same grade does not count",
        ),
        pytest.param(
            ".w.rr",
            ".+.++",
            ".WxR.",
            id="a cleared watch does not hide a raise in its refractory time",
        ),
        pytest.param(".ccc", ".444", "....", id="four complaints are too few for anything"),
        pytest.param(".ccc", ".66+", ".R.c", id="six are enough for raised, not for critical"),
    ],
)
def test_timeline(scores: str, counts: str, events: str) -> None:
    assert play(scores, counts) == events


def test_onset_is_decided_once() -> None:
    book = EpisodeBook()
    events = [e for t, s in enumerate(".wrc.") for e in step(book, t, SCORES[s], window(40.0))]
    assert {e.onset_ms for e in events} == {T0 + POLICY.bin_ms}
    assert len({e.identity("merchant:M-1") for e in events}) == 1
    assert events[0].identity("merchant:M-1") == f"F01:merchant:M-1:{T0 + POLICY.bin_ms}"


def test_an_event_says_what_crossed_what() -> None:
    (event,) = step(EpisodeBook(), 0, 7.0, window(40.0))
    assert (event.observed, event.expected, event.exposure) == (40.0, 10.0, 9000.0)
    assert (event.score, event.threshold, event.window_bins) == (7.0, 6.0, 12)


@pytest.mark.parametrize(
    ("score", "beyond", "grade"),
    [
        pytest.param(7.0, 1.5, Grade.RAISED, id="the hour as a whole says little"),
        pytest.param(7.0, 0.5, Grade.CRITICAL, id="it agrees"),
        pytest.param(1.0, -9.0, Grade.CRITICAL, id="it is plain, and the odds are even"),
        pytest.param(-0.1, -9.0, None, id="never with the odds against it"),
    ],
)
def test_critical_rests_on_the_hour_too(score: float, beyond: float, grade: Grade | None) -> None:
    events = step(EpisodeBook(), 0, score, window(40.0, beyond=beyond))
    assert [event.grade for event in events] == ([grade] if grade else [])
    assert POLICY.asked(Grade.RAISED, beyond) == POLICY.raised


def test_a_tick_opens_and_escalates_but_never_clears() -> None:
    # bin      0      1      2
    # ticks    w r    . .    .        the open bin looks quiet because it has hardly begun
    # closed      r      r      .
    book = EpisodeBook()
    assert draw(step(book, 0, SCORES["w"], window(40.0), closed=False)) == "W"
    assert draw(step(book, 0, SCORES["r"], window(40.0), closed=False)) == "r"
    assert draw(step(book, 0, SCORES["r"], window(40.0))) == "."
    assert draw(step(book, 1, SCORES["."], window(10.0), closed=False)) == "."
    assert draw(step(book, 1, SCORES["."], window(10.0))) == "x"


def test_a_bin_that_closes_from_before_the_onset_does_not_clear() -> None:
    # bin      0   1   2
    # ticks            r          lateness: bins 0 and 1 are still open
    # closed   .   .   .   then 3 x
    book = EpisodeBook()
    assert draw(step(book, 2, SCORES["r"], window(40.0), closed=False)) == "R"
    assert [draw(step(book, t, SCORES["."], window(10.0))) for t in range(4)] == [*"...x"]


def test_unknown_bins_do_not_clear() -> None:
    book = EpisodeBook()
    step(book, 0, 4.0, window(40.0))
    assert step(book, 1, -8.0, window(0.0, known=11)) == []
    assert draw(step(book, 2, -8.0, window(10.0))) == "x"


def test_a_floor_that_never_falls_far_still_clears() -> None:
    """A small series rests at -2, above a tenth of the watch odds (-2.3)."""
    book = EpisodeBook()
    step(book, 0, 4.0, window(40.0, floor=-2.0))
    assert step(book, 1, -1.2, window(10.0, floor=-2.0)) == []
    assert draw(step(book, 2, -1.4, window(10.0, floor=-2.0))) == "x"


def test_restored_book_is_the_same() -> None:
    book = EpisodeBook()
    play("wcr.r.", "+++.+.", book)
    step(book, 6, SCORES["c"], window(40.0))
    restored = EpisodeBook.from_json(json.loads(json.dumps(book.to_json())))
    assert restored == book
    future = [(7, "."), (8, "."), (13, "r"), (14, "c"), (15, ".")]
    for t, s in future:
        view = window(10.0 if s == "." else 40.0)
        assert step(book, t, SCORES[s], view) == step(restored, t, SCORES[s], view)


def test_restore_refuses_another_version() -> None:
    with pytest.raises(ValueError, match="version"):
        EpisodeBook.from_json({"version": 0, "open": [], "refractory": []})


def test_attached_to_a_parent_for_the_whole_episode() -> None:
    book = EpisodeBook()
    (first,) = book.attach(step(book, 0, 1.0, window(40.0)), {7: "F01:platform:P1:0"})
    (later,) = step(book, 1, 7.0, window(40.0))
    assert first.parent_id == later.parent_id == "F01:platform:P1:0"
    (alone,) = EpisodeBook().attach(step(EpisodeBook(), 0, 1.0, window(40.0)), {8: "x"})
    assert alone.parent_id is None


def test_ended_series_leave_nothing_behind() -> None:
    book = EpisodeBook()
    step(book, 0, 4.0, window(40.0))
    (event,) = book.end(T0, SLOT, np.array([4.0]), window(40.0), POLICY)
    assert event.kind is EventKind.ENDED
    assert book == EpisodeBook()
    assert book.end(T0, SLOT, np.array([4.0]), window(40.0), POLICY) == []


def test_in_episode_marks_the_open_ones() -> None:
    book = EpisodeBook()
    step(book, 0, 4.0, window(40.0))
    assert book.in_episode(np.array([5, 7, 9])).tolist() == [False, True, False]
