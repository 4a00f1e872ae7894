"""What the ledger adds: levels that rise with time, and flags that were overturned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.serving_check.flag_events import flag, later, value_of
from pipelines.alerts.levels import LevelTaker, NotYetError
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.take import Incoming, Taker
from pipelines.core.flags import FlagEvent
from pipelines.core.ledger.entry import GENESIS, Draft, Kind, chained
from pipelines.policy.load import load

NOW = 1_800_000_000_000
ONE = flag(1)
REASON = {
    "code": "unacknowledged",
    "zh": "30 分钟内无人确认",
    "en": "not acknowledged within 30 min",
}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "box", exclusive=True)
    yield made
    made.close()


RECEIVERS = [
    Receiver("p01", "http://127.0.0.1/", Path("key"), frozenset({Desk("platform", "p01")})),
    Receiver("commission", "http://127.0.0.1/", Path("key"), frozenset({Desk("commission")})),
]


def read_flag(box: Outbox, event: FlagEvent = ONE) -> None:
    taker = Taker(box, RECEIVERS, ByPolicy(load(None)), 0)
    taker.take([Incoming("flags.v1", 0, 0, NOW, value_of(event))], "t", NOW)


def entry(kind: Kind, level: str = "", told: tuple[str, ...] = (), grade: str = "") -> bytes:
    details: dict[str, Any] = {"level": level, "recipients": list(told), "reasons": [REASON]}
    details |= {"grade": grade} if grade else {}
    draft = Draft(
        f"{kind}:{ONE.flag_id}:{level}", ONE.flag_id, kind, "clerk", "system", "", details
    )
    return chained(draft, 3, GENESIS, NOW + 1_800_000).to_bytes()


WARNING = entry(Kind.LEVEL, "warning", ("platform:p01", "commission"))


def take(box: Outbox, *values: bytes, read: bool = True, since: int = 0) -> int:
    taker = LevelTaker(box, RECEIVERS, since)
    records = list(enumerate(values))
    return taker.take("ledger.v1", "t", records, NOW, all_flags_read=read)


def owed(box: Outbox, receiver: str) -> list[str]:
    return [one.event_id for one in box.due(receiver, NOW, 10)]


def test_a_level_that_rises_with_time_is_told_once_to_the_new_desks(box: Outbox) -> None:
    read_flag(box)
    assert take(box, WARNING, WARNING) == 1
    assert take(box, WARNING) == 0
    (one,) = box.due("commission", NOW, 10)
    told = json.loads(one.body)
    assert told["id"] == f"level:{ONE.flag_id}:warning"
    assert told["data"]["level"] == "warning"
    assert told["data"]["sentence_zh"] == ONE.sentence_zh
    assert told["data"]["reasons"] == [REASON]
    levels = {row[1]: json.loads(row[2]) for row in box.alerts(0)}
    assert levels[2]["desks"] == ",commission,platform:p01,"
    assert levels[2]["flag_id"] == ONE.flag_id


def test_a_level_that_was_told_already_or_that_nobody_is_told_is_passed_over(box: Outbox) -> None:
    read_flag(box)
    assert take(box, entry(Kind.LEVEL, "notice", ("platform:p01",))) == 0
    assert take(box, entry(Kind.LEVEL, "warning")) == 0  # in shadow
    assert take(box, entry(Kind.ACKED), b"no entry at all") == 0
    assert owed(box, "commission") == []
    assert box.position("ledger.v1", 0, "t") == 2


def test_an_entry_waits_for_its_flag_to_be_read(box: Outbox) -> None:
    with pytest.raises(NotYetError):
        take(box, entry(Kind.ACKED), WARNING, read=False)
    assert box.position("ledger.v1", 0, "t") == 1
    read_flag(box)
    assert take(box, WARNING, read=False) == 1


def test_a_level_that_comes_of_a_grade_is_told_by_the_flag_event_alone(box: Outbox) -> None:
    """The clerk may have read the event first; its entry is no second telling of the same rise."""
    read_flag(box)
    rise = entry(Kind.LEVEL, "warning", ("platform:p01", "commission"), "critical")
    with pytest.raises(NotYetError):
        take(box, rise, read=False)
    assert owed(box, "commission") == []
    critical = later(ONE, "raised", "critical")
    read_flag(box, critical)
    assert take(box, rise, read=False) == 0
    assert owed(box, "commission") == [f"{critical.flag_id}/raised/critical"]


def test_a_grade_that_is_nowhere_in_the_flags_holds_up_nobody(box: Outbox) -> None:
    read_flag(box)
    assert take(box, entry(Kind.LEVEL, "warning", ("commission",), "critical"), read=True) == 1


def test_history_is_not_told_and_not_waited_for(box: Outbox) -> None:
    assert take(box, WARNING, read=False, since=NOW + 1_800_001) == 0
    assert box.position("ledger.v1", 0, "t") == 1


def test_a_flag_from_before_the_outbox_holds_up_nobody(box: Outbox) -> None:
    assert take(box, WARNING, read=True) == 0
    assert box.position("ledger.v1", 0, "t") == 1


def test_an_overturned_flag_is_over_for_whoever_was_told(box: Outbox) -> None:
    read_flag(box)
    assert take(box, entry(Kind.OVERTURNED)) == 1
    assert [row[5] is not None for row in box.alerts(0)] == [True]
    for one in box.due("p01", NOW, 10):
        box.delivered(one, NOW)
    assert owed(box, "p01") == [f"overturned:{ONE.flag_id}:"]
    assert owed(box, "commission") == []


@pytest.mark.parametrize("kind", [Kind.OVERTURNED, Kind.CORRECTED])
def test_an_overturned_flag_rises_no_more_and_counts_beside_no_other(
    box: Outbox, kind: Kind
) -> None:
    read_flag(box)
    assert take(box, entry(kind)) == 1
    read_flag(box, later(ONE, "escalated", "critical"))
    assert owed(box, "commission") == []
    beside = replace(flag(1, rule="F05"), entity=ONE.entity)
    read_flag(box, beside)
    assert owed(box, "commission") == []
    assert all(row[5] is not None for row in box.alerts(0) if row[0] == ONE.flag_id)


@pytest.mark.parametrize(
    "details",
    [
        {"level": "panic", "recipients": ["commission"]},
        {"level": 3, "recipients": "commission"},
        {"level": "warning", "recipients": 7},
        {"level": "warning", "recipients": ["commission"], "reasons": [1]},
    ],
)
def test_an_entry_that_nobody_can_read_stops_nobody(box: Outbox, details: dict[str, Any]) -> None:
    read_flag(box)
    draft = Draft("level:x", ONE.flag_id, Kind.LEVEL, "clerk", "system", "", details)
    assert take(box, chained(draft, 3, GENESIS, NOW).to_bytes(), WARNING) == 1
    assert box.position("ledger.v1", 0, "t") == 2
