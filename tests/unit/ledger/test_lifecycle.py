"""The file of a flag under random requests, beside a model that knows only DOMAIN's sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Entry, Kind
from pipelines.core.ledger.requests import RefusedError, appeal_until
from pipelines.core.ledger.roles import Actor, Role
from pipelines.core.ledger.verify import walk
from tests.unit.ledger.world import (
    DAY,
    HOUR,
    LIN,
    P01,
    P02,
    START,
    WEI,
    add_weekdays,
    ask,
    opened,
    write,
)

MARKET = Actor("zhao", Role.MARKET_REGULATION)
BUREAU = Actor("huangpu", Role.DISTRICT_BUREAU, district="310101")
OTHER_BUREAU = Actor("xuhui", Role.DISTRICT_BUREAU, district="310104")
TAX = Actor("sun", Role.TAX)
EVERYONE = [LIN, WEI, MARKET, BUREAU, OTHER_BUREAU, TAX, P01, P02]
DECIDERS = {"lin", "wei", "zhao"}
#: DOMAIN section 6: OPEN, ACKED, APPEALED, then UPHELD, OVERTURNED or CORRECTED, and CLEARED.
AFTER = {
    "OPEN": {"acked": "ACKED"},
    "ACKED": {"appealed": "APPEALED", "cleared": "CLEARED"},
    "APPEALED": {"upheld": "UPHELD", "overturned": "OVERTURNED", "corrected": "CORRECTED"},
    "UPHELD": {"cleared": "CLEARED"},
    "OVERTURNED": {"cleared": "CLEARED"},
    "CORRECTED": {"cleared": "CLEARED"},
    "CLEARED": {},
}
MAY = {
    "acked": {"lin", "wei", "zhao", "huangpu", "p01-desk"},
    "appealed": {"p01-desk"},
    "upheld": DECIDERS,
    "overturned": DECIDERS,
    "corrected": DECIDERS,
    "cleared": {"lin", "wei"},
}


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.book = Book()
        self.entries: list[Entry] = write(self.book, [opened()])
        self.now, self.state = START, "OPEN"
        self.acked_by, self.acked_at, self.overturned = "", 0, False

    @rule(hours=st.integers(0, 60))
    def wait(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(kind=st.sampled_from(sorted(MAY)), actor=st.sampled_from(EVERYONE))
    def request(self, kind: str, actor: Actor) -> None:
        allowed = kind in AFTER[self.state] and actor.account in MAY[kind]
        if kind == "appealed" and self.state == "ACKED":
            allowed &= self.now < appeal_until(self.acked_at, add_weekdays)
        if kind in ("upheld", "overturned", "corrected"):
            allowed &= actor.account != self.acked_by
        if not allowed:
            with pytest.raises(RefusedError):
                ask(self.book, Kind(kind), actor, self.now, correction="batch p01/a/1/7")
            return
        self.entries += ask(self.book, Kind(kind), actor, self.now, correction="batch p01/a/1/7")
        self.state = AFTER[self.state][kind]
        if kind == "acked":
            self.acked_by, self.acked_at = actor.account, self.now
        self.overturned |= kind == "overturned"

    @invariant()
    def the_book_says_the_same(self) -> None:
        if not hasattr(self, "book"):
            return
        file = self.book.files["f1"]
        assert file.state == self.state
        assert file.counted == (not self.overturned)
        assert walk("topic", self.entries, self.now).findings == []


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def shanghai(text: str) -> int:
    return int(datetime.fromisoformat(text + "+08:00").astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("acknowledged", "first_too_late"),
    [
        ("2026-03-04T12:00", "2026-03-12T00:00"),  # Wednesday: Thu 1, Fri 2, Mon 3, Tue 4, Wed 5
        ("2026-03-04T00:00", "2026-03-12T00:00"),
        ("2026-03-04T23:59", "2026-03-12T00:00"),  # 15:59 UTC, still the 4th in Shanghai
        ("2026-03-06T12:00", "2026-03-14T00:00"),  # Friday
        ("2026-03-07T12:00", "2026-03-14T00:00"),  # Saturday: Monday is the first
    ],
)
def test_the_term_ends_with_the_fifth_working_day(acknowledged: str, first_too_late: str) -> None:
    end = shanghai(first_too_late)
    assert appeal_until(shanghai(acknowledged), add_weekdays) == end
    for now, passes in ((end - 1, True), (end, False)):
        book = Book()
        write(book, [opened()], START - DAY)
        ask(book, Kind.ACKED, P01, shanghai(acknowledged))
        if passes:
            ask(book, Kind.APPEALED, P01, now)
        else:
            with pytest.raises(RefusedError, match="5 working days"):
                ask(book, Kind.APPEALED, P01, now)


@pytest.mark.parametrize(
    ("who_acked", "who_decides", "passes"),
    [(LIN, LIN, False), (LIN, WEI, True), (P01, LIN, True), (WEI, MARKET, True)],
)
def test_who_decides_is_not_who_acknowledged(
    who_acked: Actor, who_decides: Actor, passes: bool
) -> None:
    book = Book()
    write(book, [opened()])
    ask(book, Kind.ACKED, who_acked)
    ask(book, Kind.APPEALED, P01)
    if passes:
        ask(book, Kind.OVERTURNED, who_decides)
        assert not book.files["f1"].counted
    else:
        with pytest.raises(RefusedError) as refused:
            ask(book, Kind.OVERTURNED, who_decides)
        assert refused.value.code == "second_person"


@pytest.mark.parametrize(
    ("kind", "more", "code"),
    [
        (Kind.APPEALED, {"why": "  "}, "why_needed"),
        (Kind.APPEALED, {"why": "x" * 2001}, "why_too_long"),
        (Kind.APPEALED, {"why": "call 13812345678"}, "personal_data"),
        (Kind.CORRECTED, {"correction": " "}, "correction_needed"),
        (Kind.CORRECTED, {"correction": "13812345678"}, "personal_data"),
    ],
)
def test_what_is_written_is_looked_at(kind: Kind, more: dict[str, str], code: str) -> None:
    book = Book()
    write(book, [opened()])
    ask(book, Kind.ACKED, LIN)
    actor = P01
    if kind is Kind.CORRECTED:
        ask(book, Kind.APPEALED, P01)
        actor = WEI
    with pytest.raises(RefusedError) as refused:
        ask(book, kind, actor, **more)
    assert refused.value.code == code
    assert "13812345678" not in str(refused.value)


def test_a_request_repeated_is_written_once() -> None:
    book = Book()
    write(book, [opened()])
    ask(book, Kind.ACKED, LIN, request_id="r1")
    assert book.next_entries([opened()], START) == []
    assert "r1" in book.ids


def test_anothers_flag_does_not_exist() -> None:
    book = Book()
    write(book, [opened()])
    with pytest.raises(RefusedError) as refused:
        ask(book, Kind.ACKED, P02)
    assert (refused.value.code, str(refused.value)) == ("unknown_flag", "there is no such flag")
