"""Which open flags rest on the complaints of narrower ones: cases by hand.

Usual are 1 complaint a bin of five minutes at a merchant, 10 at its agency: 12 and 120 an hour.
"""

from __future__ import annotations

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.kin import entity_of_flag, same_event
from pipelines.core.rollup.level import Level
from pipelines.core.rollup.one_event import Flagged, OneEvent
from pipelines.core.rollup.whose import Whose

END = 100
"""Minute at which everything is asked."""


def flag(kind: str, pid: str, usual: float, parent: str | None = None, onset: int = 70) -> Flagged:
    level = None if kind == "session" else Level(kind, DEFAULT_POLICY)
    key = f"F01:{kind}/p01/{pid}:{onset * 60_000}"
    return Flagged(key, (kind, "p01", pid), onset * 60_000, usual, parent, level)


def row(merchant: str, n: int, minute: int = 80, session: str = "") -> tuple[int, Whose, int]:
    """Complaints about a merchant of the agency a1, in one minute."""
    who = Whose(
        "p01", session or f"s-{merchant}", merchant, f"t-{merchant}", "a1", "food", "310101"
    )
    return minute, who, n


SESSION = flag("session", "s-m1", 1.0)
M1, M2 = flag("merchant", "m1", 1.0), flag("merchant", "m2", 1.0)
MCN = flag("mcn", "a1", 10.0)
OTHERS = [row(f"other-{i}", 1, 40 + i % 60) for i in range(100)]


def attached(flags: list[Flagged], rows: list[tuple[int, Whose, int]]) -> dict[str, str]:
    found = OneEvent(flags, rows, END * 60_000).attached()
    return {one.entity[2]: entity_of_flag(parent)[2] for one, parent in found}


def test_all_that_contains_one_session_is_attached_to_it() -> None:
    assert attached([SESSION, M1, MCN], [row("m1", 150), *OTHERS]) == {"m1": "s-m1", "a1": "s-m1"}


def test_a_wider_one_with_an_excess_of_its_own_stands_for_itself() -> None:
    more = [row(f"other-{i}", 2, 80) for i in range(50)]
    assert attached([M1, MCN], [row("m1", 150), *OTHERS, *more]) == {}


def test_what_rose_lately_stands_out_though_the_hour_hides_it() -> None:
    """60 more in the last ten minutes, where 20 are usual: with them the hour has its usual 120."""
    lately = flag("mcn", "a1", 10.0, onset=90)
    rows = [row("m1", 150), *(row(f"other-{i}", 1, 45 + i // 2) for i in range(60))]
    assert attached([M1, lately], rows) == {"a1": "m1"}
    assert attached([M1, lately], [*rows, *(row(f"new-{i}", 1, 95) for i in range(60))]) == {}


def test_an_agency_that_two_merchants_lift_is_explained_by_neither() -> None:
    assert attached([M1, M2, MCN], [row("m1", 80), row("m2", 150), *OTHERS]) == {}


def test_a_small_part_of_the_excess_explains_nothing() -> None:
    drifting = [row(f"other-{i}", 1, 45 + i % 50) for i in range(160)]
    assert attached([M1, MCN], [row("m1", 15), *drifting]) == {}


def test_other_merchants_complaints_are_not_the_agencys() -> None:
    minute, who, n = row("m1", 150)
    assert attached([M1, MCN], [(minute, who._replace(mcn="a2"), n), *OTHERS]) == {}


def test_what_a_wider_rise_explains_explains_nothing() -> None:
    child = M1._replace(parent="F01:platform/p01/p01:0")
    assert attached([child, MCN], [row("m1", 150), *OTHERS]) == {}


def test_it_is_detached_once_the_rest_stands_out_and_not_because_the_narrower_is_over() -> None:
    wide = MCN._replace(parent=M1.flag_id)
    calm, risen = [row("m1", 150), *OTHERS], [row(f"new-{i}", 1, 95) for i in range(120)]
    for flags in ([M1, wide], [wide]):
        assert not list(OneEvent(flags, calm, END * 60_000).detached())
        loose = list(OneEvent(flags, [*calm, *risen], END * 60_000).detached())
        assert [one.flag_id for one in loose] == [wide.flag_id]


def test_widths() -> None:
    assert same_event("merchant", SESSION.flag_id)
    assert not same_event("session", M1.flag_id)
    assert not same_event("merchant", "")
    assert entity_of_flag("F01:category/p01/p01/food:5") == ("category", "p01", "p01/food")
    assert entity_of_flag("wide") == ("", "", "")


def test_a_flag_ahead_of_the_minute_that_closes_waits_for_its_own_bin() -> None:
    """Looks at open bins run ahead of closed minutes, by an hour where a city is read again."""
    rows = [row("m1", 150), *OTHERS]
    for onset in (END, END + 5, END + 90):
        ahead = flag("mcn", "a1", 10.0, onset=onset)
        assert attached([M1, ahead], rows) == {}
        loose = OneEvent([M1, ahead._replace(parent=M1.flag_id)], rows, END * 60_000).detached()
        assert not list(loose)
