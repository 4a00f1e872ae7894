"""Every role and every action, written out: a change of the table is a change of this test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.roles import PERMISSIONS, Action, Actor, Role, may, sees
from tests.unit.ledger.world import opened, write

#           see evidence ack appeal decide clear verify audit
MATRIX = {
    "commission":        "x x x . x x x x",
    "market_regulation": "x x x . x . . .",
    "cyberspace":        "x x x . . . . .",
    "culture_tourism":   "x x . . . . . .",
    "police":            "x x . . . . . .",
    "tax":               ". . . . . . . .",
    "consumer_council":  "x . . . . . . .",
    "district_bureau":   "x x x . . . . .",
    "platform":          "x x x x . . . .",
    "association":       ". . . . . . . .",
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_every_role_and_every_action(role: Role, action: Action) -> None:
    cells = MATRIX[role.value].split()
    assert may(Actor("a", role), action) == (cells[list(Action).index(action)] == "x")


def test_every_role_has_its_line() -> None:
    assert set(PERMISSIONS) == set(Role)


#: Who sees a flag of platform p01 in 310101: (rule, who was told) -> roles.
ACTORS = {
    role.value: Actor(role.value, role, "p01" if role is Role.PLATFORM else "",
                      "310101" if role is Role.DISTRICT_BUREAU else "")
    for role in Role
}  # fmt: skip
ACTORS["another platform"] = Actor("p02", Role.PLATFORM, "p02")
ACTORS["another bureau"] = Actor("xuhui", Role.DISTRICT_BUREAU, district="310104")
ACTORS["a platform bound to none"] = Actor("x", Role.PLATFORM)
ACTORS["a bureau bound to none"] = Actor("y", Role.DISTRICT_BUREAU)


@pytest.mark.parametrize(
    ("rule", "told", "who"),
    [
        ("F01", (), "commission market_regulation consumer_council district_bureau platform"),
        ("F04", (), "commission district_bureau platform"),
        ("F09", ("cyberspace",), "commission district_bureau platform cyberspace"),
        ("F04", ("police", "culture_tourism", "market_regulation"),
         "commission district_bureau platform police culture_tourism market_regulation"),
        ("F04", ("tax", "association", "consumer_council"), "commission district_bureau platform"),
    ],
)  # fmt: skip
def test_who_sees_a_flag(rule: str, told: tuple[str, ...], who: str) -> None:
    book = Book()
    write(book, [opened(rule=rule)])
    file = replace(book.files["f1"], told=told)
    assert {name for name, actor in ACTORS.items() if sees(actor, file)} == set(who.split())


def test_no_district_and_no_platform_are_nobodys() -> None:
    book = Book()
    write(book, [opened(district="", platform_id="")])
    file = book.files["f1"]
    assert {name for name, actor in ACTORS.items() if sees(actor, file)} == {
        "commission", "market_regulation", "consumer_council",
    }  # fmt: skip
