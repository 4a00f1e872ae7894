"""The fault suite's pure parts: a schedule from a seed, and comparisons that can fail."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.chaos import alerts, compare, plan, tally
from deploy.chaos.book import Book
from deploy.chaos.calls import Pace
from deploy.chaos.http_source import HttpOptions
from deploy.chaos.programs import GatewayPlace, Program
from deploy.chaos.recovery import RecoveryClock
from deploy.chaos.small_disk import SmallDisk
from deploy.chaos.sources import Sources
from deploy.chaos.unruly import order_rows
from producers.batcher import SealedBatch
from producers.clock import EventClock
from producers.gateway.serve import SPOOL_FILE
from producers.gateway.store import Store, Unsent
from producers.pacing import wall_ms
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import SampleType

SESSION = "0" * 32


def _first(count: int, seed: int) -> list[plan.RoundPlan]:
    rounds = plan.rounds(seed, (1, 3), 100.0, 5.0)
    return [next(rounds) for _ in range(count)]


def test_the_same_seed_gives_the_same_rounds() -> None:
    assert _first(4, 7) == _first(4, 7)
    assert _first(4, 7) != _first(4, 8)
    assert [r.brokers for r in _first(4, 7)] == [1, 3, 1, 3]


def test_no_kind_of_fault_is_long_in_coming() -> None:
    kinds = {fault.kind for one in _first(8, 1) for fault in one.faults}
    assert kinds == set(plan.DECK)


def test_faults_keep_away_from_both_ends_of_the_load() -> None:
    for one in _first(8, 3):
        assert all(10.0 <= fault.at_s < 92.0 for fault in one.faults)


def _batch(sequence: int, *, final: bool = False) -> SealedBatch:
    ident = BatchIdentity("p", "s", 1, SampleType.ORDERS.topic, 0, sequence)
    rows = order_rows([SESSION], 60_000, sequence)
    return SealedBatch(BatchHeader(ident, 1, 60_000, 60_000, final), encode(rows), None)


def test_a_book_opened_again_knows_what_kafka_has_not(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.sqlite")
    first, _ = (number for number, _ in book.accept([_batch(0), _batch(1)], 500))
    book.accept([_batch(2)], 900, "drop")
    book.acknowledged([first])
    book.close()
    again = Book(tmp_path / "book.sqlite")
    assert [b.header for b in again.waiting()] == [_batch(1).header]
    assert again.event_ms == 900
    assert again.rows() == 2
    assert not again.finished()


def test_sums_per_session_come_from_the_bytes_that_were_sent() -> None:
    sums = compare.sums_of(SampleType.ORDERS, [_batch(0).value, _batch(1).value])
    assert sums == {SESSION: (1 + 2, 1000 + 1010, 0, 0, 0, 0, 0, 0)}
    assert compare.differing(sums, {SESSION: (3, 2010, *[0] * 6)}) == 0
    assert compare.differing(sums, {SESSION: (3, 2011, *[0] * 6)}) == 1
    assert compare.differing(sums, {}) == 1


def test_windows_are_recomputed_from_minutes() -> None:
    raw = [("a", 0, 1), ("a", 60, 2), ("a", 360, 4)]
    right = [("a", 0, 1, 1, 1, 1), ("a", 60, 2, 3, 3, 3), ("a", 360, 4, 4, 7, 7)]
    assert compare.wrong_windows(raw, right) == []
    assert len(compare.wrong_windows(raw, right[:2])) == 1  # a minute without a figure
    assert len(compare.wrong_windows(raw, [*right[:2], ("a", 360, 4, 6, 7, 7)])) == 1


def _event(flag: str, event: str, grade: str, at: int, onset: int = 0) -> dict[str, Any]:
    return {
        "flag_id": flag, "event": event, "grade": grade, "rule": "F01", "entity_type": "session",
        "platform_id": "p", "entity": "e", "onset": onset, "event_time": at,
        "observed": 1.0, "score": 2.0,
    }  # fmt: skip


def test_an_alert_told_twice_alike_is_one_alert() -> None:
    event = _event("f", "opened", "raised", 5)
    assert alerts.tellings([event, dict(event)]) == ([], 1)
    wrong, _ = alerts.tellings([event, event | {"score": 3.0}])
    assert len(wrong) == 1


@pytest.mark.parametrize(
    ("first", "second", "doubled"),
    [
        ([("opened", "raised", 0)], ("opened", "critical", 10), True),  # the first is still open
        ([("opened", "raised", 0), ("cleared", "raised", 5)], ("opened", "raised", 10), True),
        ([("opened", "raised", 0), ("cleared", "raised", 5)], ("opened", "critical", 10), False),
        ([("opened", "raised", 0), ("cleared", "raised", 5)], ("opened", "raised", 10**9), False),
    ],
)
def test_a_second_episode_is_doubled_unless_the_rules_allow_it(
    first: list[tuple[str, str, int]], second: tuple[str, str, int], doubled: bool
) -> None:
    stored = [_event("one", *what) for what in first]
    stored.append(_event("two", *second, onset=second[2]))
    assert bool(alerts.second_episodes(stored)) == doubled


def test_episodes_of_two_rules_have_nothing_to_do_with_each_other() -> None:
    one, other = _event("one", "opened", "raised", 0), _event("two", "opened", "raised", 5, onset=5)
    assert len(alerts.second_episodes([one, other])) == 1
    assert alerts.second_episodes([one, other | {"rule": "F11"}]) == []


def test_only_spikes_rest() -> None:
    first = [_event("one", *what) for what in (("opened", "raised", 0), ("cleared", "raised", 5))]
    stored = [*first, _event("two", "opened", "raised", 10, onset=10)]
    assert len(alerts.second_episodes(stored)) == 1
    assert alerts.second_episodes([e | {"rule": "F11"} for e in stored]) == []


def test_recovery_counts_from_the_first_of_faults_that_overlap() -> None:
    clock = RecoveryClock(slack_s=10)
    clock.seen(200.0, 0.0)
    clock.fault(5.0)
    clock.fault(8.0)
    clock.seen(300.0, 9.0)
    assert clock.times == []
    clock.seen(209.0, 12.0)
    assert (clock.times, clock.calm_times) == ([7.0], [4.0])
    clock.seen(900.0, 13.0)  # slow without a fault is no recovery
    assert clock.times == [7.0]


def _tally(path: Path) -> tally.TallyBook:
    book = tally.TallyBook(path)
    for first, count in ((1, 2), (3, 1), (4, 2), (6, 1)):
        book.tried(first, count, 9_000)
    book.accepted(1)
    book.accepted(3)
    book.refused(4)  # and 6 was under way when the process was killed
    return book


def _row(number: int, times: int = 1) -> tuple[Any, ...]:
    return number, times, tally.session_of("p", number), times


def test_a_tally_read_again_knows_what_waits_for_an_answer(tmp_path: Path) -> None:
    assert tally.read(tmp_path / "tally") == tally.Tally()
    _tally(tmp_path / "tally").put_off()
    found = tally.read(tmp_path / "tally")
    assert found.waiting() == {6: (1, 9_000)}
    assert (found.next, found.refusals, found.ended) == (7, 2, False)


@pytest.mark.parametrize(
    ("rows", "missing", "duplicates", "unknown", "wrong"),
    [
        ([_row(1), _row(2), _row(3)], 0, 0, 0, 0),
        ([_row(1), _row(2), _row(3), _row(6)], 0, 0, 0, 0),  # under way: either is right
        ([_row(1), _row(3)], 1, 0, 0, 0),
        ([_row(1), _row(2, 2), _row(3)], 0, 1, 0, 0),
        ([_row(1), _row(2), _row(3), _row(4)], 0, 0, 1, 0),  # refused, and stored all the same
        ([_row(1), _row(2), _row(3), _row(99)], 0, 0, 1, 0),
        ([_row(1), _row(2), (3, 1, "another", 1)], 0, 0, 0, 1),
    ],
)
def test_numbered_samples_are_there_once_when_accepted_and_never_when_refused(
    tmp_path: Path,
    rows: list[tuple[Any, ...]],
    missing: int,
    duplicates: int,
    unknown: int,
    wrong: int,
) -> None:
    _tally(tmp_path / "tally")
    found = tally.compare("p", tally.read(tmp_path / "tally"), rows)
    assert found == tally.TallyFindings(3, missing, duplicates, unknown, wrong)


def test_options_survive_the_command_line(tmp_path: Path) -> None:
    given = HttpOptions("http://h:1", "key", tmp_path, 20.0, 1, 2, 3)
    assert HttpOptions.parse(given.arguments()) == given


def test_a_gateway_that_was_restarted_with_nothing_to_send_has_not_finished(
    tmp_path: Path,
) -> None:
    place = GatewayPlace(1, tmp_path / "keys.json", tmp_path / "spool")
    store = Store(place.spool / SPOOL_FILE)
    program = place.program("127.0.0.1:1", tmp_path / "tally")
    assert not program.finished(), "its platform may still want it"
    tally.TallyBook(tmp_path / "tally").ended()
    assert program.finished()
    store.commit([Unsent("t", 0, [], b"rows")], [], 0)
    assert not program.finished()
    store.close()


def test_event_time_runs_fast_until_it_meets_the_clock() -> None:
    now = wall_ms()
    stop = threading.Event()
    fast = EventClock(now - 100_000, now - 1_000, 20.0)
    assert Pace(fast, now, stop, 0.0).now_ms() == pytest.approx(now - 80_000, abs=4_000)
    past = EventClock(now - 100_000, now - 60_000, 20.0)
    assert Pace(past, now, stop, 0.0).now_ms() == pytest.approx(now, abs=1_000)
    assert not Pace(past, now - 1, stop, 0.0).turn()


def test_a_disk_that_is_not_ours_is_never_filled(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path)
    assert not disk.fill()
    disk.empty()
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_over_is_told_so_and_one_that_ends_too_soon_comes_again(
    tmp_path: Path,
) -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    ends = [sys.executable, "-c", "pass"]
    runs: list[bool] = []

    def second() -> bool:
        runs.append(True)
        return len(runs) > 1

    def never() -> bool:
        return False

    programs = [
        Program("ends", "producer", ends, second),
        Program("over", "gateway", sleeps, never, lambda: True),
    ]
    sources = Sources(programs, tmp_path)
    sources.start()
    try:
        began = time.monotonic()
        while time.monotonic() - began < 20 and len(runs) < 2:
            sources.look()
            time.sleep(0.02)
        assert len(runs) == 2
        assert not sources.done  # the other was ended by the signal, not in order
    finally:
        sources.stop()
