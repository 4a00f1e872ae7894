"""Flags on the same complaints at the outbox: one is told at each level, whoever decides first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.serving_check.flag_events import flag, value_of
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.take import Incoming, Taker
from pipelines.core.flags import FlagEvent
from pipelines.policy.load import load

AT = 1_790_000_000_000


def event(kind: str, what: str, grade: str, parent: str = "", minute: int = 0) -> FlagEvent:
    """An event of the one flag of each kind of entity, at the platform p01."""
    key, at = f"F01:{kind}/p01/{kind}-1:{AT}", AT + minute * 60_000
    return replace(
        flag(1), flag_id=key, entity_type=kind, entity=f"{kind}-1", event=what, grade=grade,
        parent_id=parent, onset=AT, event_time=at, decided_at=at,
    )  # fmt: skip


SESSION = event("session", "opened", "watch").flag_id
MERCHANT = event("merchant", "opened", "watch").flag_id


def told(folder: Path, *events: FlagEvent) -> list[tuple[str, str]]:
    """(kind of entity, event or level) that the commission or the platform is owed, in order."""
    desks = frozenset({Desk("commission"), Desk("platform", "p01")})
    receivers = [Receiver("all", "http://127.0.0.1/", Path("key"), desks)]
    box = Outbox(folder / "box", exclusive=True)
    try:
        taker = Taker(box, receivers, ByPolicy(load(None)), 0)
        for i, one in enumerate(events):
            taker.take([Incoming("flags.v1", 0, i, AT, value_of(one))], "topic-1", AT)
        sql = (
            "SELECT f.entity_type, e.id FROM deliveries d JOIN events e USING (number)"
            " JOIN flags f ON f.flag_id = d.flag_id ORDER BY number"
        )
        found = box.sql.execute(sql).fetchall()
    finally:
        box.close()
    return [(kind, "/".join(event_id.split("/")[-2:])) for kind, event_id in found]


KINDS = ("session", "merchant", "mcn")
WATCHES = (
    event("session", "opened", "watch"),
    event("merchant", "opened", "watch", SESSION),
    event("mcn", "opened", "watch", MERCHANT),
)


@pytest.mark.parametrize("order", [KINDS, KINDS[::-1]])
def test_one_is_told_at_each_grade_in_whatever_order(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    parents = {"session": "", "merchant": SESSION, "mcn": MERCHANT}
    rises = [
        event(kind, "escalated", grade, parents[kind], 1)
        for grade in ("raised", "critical")
        for kind in order
    ]
    first = order[0]
    assert told(tmp_path, *WATCHES, *rises) == [
        (first, "escalated/raised"),
        (first, "escalated/critical"),
    ]


def test_a_grade_that_only_the_wider_reaches_is_told(tmp_path: Path) -> None:
    rises = [
        event("session", "escalated", "raised", "", 1),
        event("merchant", "escalated", "raised", SESSION, 1),
        event("merchant", "escalated", "critical", SESSION, 2),
        event("session", "escalated", "critical", "", 3),
    ]
    assert told(tmp_path, *WATCHES, *rises) == [
        ("session", "escalated/raised"),
        ("merchant", "escalated/critical"),
    ]


def test_what_is_attached_after_it_was_told_stands_for_the_narrower(tmp_path: Path) -> None:
    events = [
        event("merchant", "opened", "raised"),
        event("session", "opened", "watch"),
        event("merchant", "attached", "raised", SESSION, 1),
        event("session", "escalated", "raised", "", 2),
    ]
    assert told(tmp_path, *events) == [("merchant", "opened/raised")]


def test_what_is_detached_is_told_and_its_end_too(tmp_path: Path) -> None:
    events = [
        event("session", "escalated", "raised", "", 1),
        event("merchant", "escalated", "raised", SESSION, 1),
        event("merchant", "detached", "raised", "", 5),
        event("merchant", "cleared", "raised", "", 90),
    ]
    assert told(tmp_path, *WATCHES, *events) == [
        ("session", "escalated/raised"),
        ("merchant", "detached/raised"),
        ("merchant", "cleared/raised"),
    ]


def test_the_end_of_a_flag_that_was_held_is_told_to_nobody(tmp_path: Path) -> None:
    events = [
        event("session", "escalated", "raised", "", 1),
        event("merchant", "escalated", "raised", SESSION, 1),
        event("session", "ended", "raised", "", 80),
        event("merchant", "cleared", "raised", SESSION, 90),
    ]
    assert told(tmp_path, *WATCHES, *events) == [
        ("session", "escalated/raised"),
        ("session", "ended/raised"),
    ]
