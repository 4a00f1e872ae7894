"""The outbox: what is owed after any sequence of reading, killing, failing and replaying."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.serving_check.flag_events import flag, later, value_of
from pipelines.alerts import metrics
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.outbox import KEEP_MS, Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.standing import measure
from pipelines.alerts.take import Incoming, Taken, Taker
from pipelines.core.flags import FlagEvent
from pipelines.policy.load import load

NOW = 1_800_000_000_000


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "box", exclusive=True)
    yield made
    made.close()


def receivers(*names: str) -> list[Receiver]:
    desks = {"p01": Desk("platform", "p01"), "commission": Desk("commission")}
    return [Receiver(n, "http://127.0.0.1/", Path("key"), frozenset({desks[n]})) for n in names]


def take(box: Outbox, events: Sequence[FlagEvent | bytes], at: int = 0, since: int = 0) -> Taken:
    """Records from offset `at` on, broker time NOW."""
    taker = Taker(box, receivers("p01", "commission"), ByPolicy(load(None)), since)
    values = [one if isinstance(one, bytes) else value_of(one) for one in events]
    records = [Incoming("flags.v1", 0, at + n, NOW, value) for n, value in enumerate(values)]
    return taker.take(records, "topic-1", NOW)


def owed_ids(box: Outbox, receiver: str = "p01", limit: int = 100) -> list[str]:
    return [one.event_id for one in box.due(receiver, NOW, limit)]


def test_an_event_read_again_is_owed_once(box: Outbox) -> None:
    one = flag(1)
    assert take(box, [one, one]).repeated == 1
    assert take(box, [one], at=2).repeated == 1
    assert owed_ids(box) == [f"{one.flag_id}/opened/raised"]
    assert box.position("flags.v1", 0, "topic-1") == 3


def test_a_topic_made_anew_is_read_from_its_beginning(box: Outbox) -> None:
    take(box, [flag(1)], at=7)
    assert box.position("flags.v1", 0, "topic-2") is None


def test_killed_in_the_middle_of_taking_nothing_is_there(box: Outbox, tmp_path: Path) -> None:
    class Dies:
        def route(self, *_: object) -> object:
            raise KeyboardInterrupt

    dying = Taker(box, receivers("p01"), Dies(), 0)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        dying.take([Incoming("flags.v1", 0, 0, NOW, value_of(flag(1)))], "topic-1", NOW)
    assert box.position("flags.v1", 0, "topic-1") is None
    assert take(box, [flag(1)]).repeated == 0


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"{", b"[]", b'"text"', b"{}", b"\xff\xfe", b'{"flag_id": 7}', b"[" * 100_000),
        # Nothing that time, a header or a label cannot carry.
        *map(value_of, (replace(flag(1), onset=10**18), replace(flag(1), decided_at=-(10**18)))),
        *map(
            value_of, (replace(flag(1), flag_id="F01:店/p01/1:1"), replace(flag(1), grade="a\nb"))
        ),
        value_of(replace(flag(1), platform_id="x,commission")),
        value_of(replace(flag(1), district="310101,police")),
    ],
)
def test_what_is_no_flag_is_kept_aside_and_stops_nobody(box: Outbox, value: bytes) -> None:
    taken = take(box, [value, flag(1)])
    assert (taken.unreadable, taken.owed) == (1, 1)
    assert box.sql.execute('SELECT "offset", value FROM unreadable').fetchall() == [(0, value)]


def test_of_one_flag_the_end_waits_for_the_beginning(box: Outbox) -> None:
    one, other = flag(1), flag(2)
    take(box, [one, later(one, "cleared"), other])
    first, second = box.due("p01", NOW, 10)
    assert (first.event_id, second.event_id) == (
        f"{one.flag_id}/opened/raised", f"{other.flag_id}/opened/raised",
    )  # fmt: skip
    box.failed(first, NOW + 5000, "HTTP 503")
    assert owed_ids(box) == [second.event_id]
    box.delivered(second, NOW)
    assert owed_ids(box) == []
    assert [d.event_id for d in box.due("p01", NOW + 5000, 10)] == [first.event_id]
    box.buried(first, NOW, "HTTP 410")
    assert owed_ids(box) == [f"{one.flag_id}/cleared/raised"]


def test_one_answer_brings_all_retries_forward(box: Outbox) -> None:
    take(box, [flag(1), flag(2)])
    first, second = box.due("p01", NOW, 10)
    box.failed(first, NOW, "down")
    box.failed(second, NOW + 300_000, "down")
    (again,) = box.due("p01", NOW, 10)
    box.delivered(again, NOW)
    assert owed_ids(box) == [second.event_id]


def test_dead_letters_are_replayed_under_their_ids(box: Outbox) -> None:
    take(box, [flag(1), flag(2, grade="critical")])
    for name in ("p01", "commission"):
        for one in box.due(name, NOW, 10):
            box.buried(one, NOW, "HTTP 410")
    assert [(row[0], row[3]) for row in box.dead("commission", 9)] == [("commission", "HTTP 410")]
    assert box.replay(NOW, "commission", None, None) == 1
    assert owed_ids(box, "commission") == [f"{flag(2).flag_id}/opened/critical"]
    assert owed_ids(box) == []
    assert box.replay(NOW, None, f"{flag(1).flag_id}/opened/raised", None) == 1
    assert owed_ids(box) == [f"{flag(1).flag_id}/opened/raised"]


def test_what_was_delivered_is_replayed_only_when_asked(box: Outbox) -> None:
    take(box, [flag(1)])
    (one,) = box.due("p01", NOW, 10)
    box.delivered(one, NOW)
    assert box.replay(NOW, None, None, None) == 0
    assert box.replay(NOW, None, None, NOW + 1) == 0
    assert box.replay(NOW, None, None, NOW) == 1


def test_what_happened_before_the_first_start_is_known_and_not_told(box: Outbox) -> None:
    silence = flag(9, rule="F11")
    take(box, [silence], since=NOW + 1)
    assert owed_ids(box) == []
    assert not box.alerts(0)
    # It is known to be open: what opens on the same entity is muted.
    assert take(box, [flag(9)], at=1).owed == 0


def test_levels_and_whom_they_reach(box: Outbox) -> None:
    watch, notice = flag(1, grade="watch"), flag(2)
    take(box, [watch, notice])
    assert owed_ids(box) == [f"{notice.flag_id}/opened/raised"]
    assert owed_ids(box, "commission") == []
    risen = later(notice, "escalated", "critical")
    take(box, [later(watch, "cleared"), risen, later(risen, "cleared")], at=2)
    assert owed_ids(box, "commission") == [f"{notice.flag_id}/escalated/critical"]
    # Who was told of nothing is not told of its end.
    assert all(watch.flag_id not in one for one in owed_ids(box))
    levels = [(row[0], row[1], row[5] is None) for row in box.alerts(0)]
    assert levels == [(notice.flag_id, 1, False), (notice.flag_id, 2, False)]


def test_an_end_is_told_until_alertmanager_has_heard(box: Outbox) -> None:
    one = flag(1)
    over = later(one, "ended")
    take(box, [one, over])
    assert len(box.alerts(over.decided_at + 1)) == 1
    box.told_ends([(one.flag_id, 1)])
    assert not box.alerts(over.decided_at + 1)
    assert len(box.alerts(over.decided_at)) == 1


def test_what_is_long_over_is_forgotten_and_what_is_owed_is_not(box: Outbox) -> None:
    take(box, [flag(1), flag(2)])
    one = box.due("p01", NOW, 1)[0]
    box.delivered(one, NOW)
    assert box.forget(NOW + KEEP_MS - 1) == 0
    assert box.forget(NOW + KEEP_MS + 1) == 1
    assert owed_ids(box) == [f"{flag(2).flag_id}/opened/raised"]


def test_one_process_delivers_and_others_look(box: Outbox, tmp_path: Path) -> None:
    with pytest.raises(AlertsError, match=r"process \d+ delivers"):
        Outbox(tmp_path / "box", exclusive=True)
    take(box, [flag(1)])
    looking = Outbox(tmp_path / "box", exclusive=False)
    assert [one.waiting for one in looking.owed()] == [1]
    looking.close()
    with pytest.raises(AlertsError, match="no outbox"):
        Outbox(tmp_path / "nothing", exclusive=False)


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "alerts.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(AlertsError, match="move it away"):
        Outbox(tmp_path, exclusive=True)


def test_a_receiver_that_has_left_the_file_calls_nobody(box: Outbox) -> None:
    take(box, [flag(1), flag(2, grade="critical")])
    for names in (["p01", "commission"], ["commission"]):
        measure(box, names, NOW / 1000 + 400)
        for gauge in (metrics.WAITING, metrics.OLDEST, metrics.DEAD):
            (told,) = gauge.collect()
            assert {one.labels["receiver"] for one in told.samples} == set(names)
    assert [one.receiver for one in box.owed()] == ["commission", "p01"]
