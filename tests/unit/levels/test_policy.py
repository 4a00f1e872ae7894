"""The shipped policy against its cases, and what a policy file may not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.ledger.book import Book
from pipelines.core.ledger.entry import Kind
from pipelines.core.ledger.events import draft_of
from pipelines.core.ledger.lifecycle import FlagFile, Level
from pipelines.core.levels.clerk import due
from pipelines.core.levels.evaluate import evaluate, recipients
from pipelines.policy.cases import Case, parse_cases, run
from pipelines.policy.load import PolicyError, default_text, load, parse
from tests.unit.ledger.world import (
    DAY,
    HOUR,
    LIN,
    P01,
    START,
    WEI,
    add_weekdays,
    ask,
    opened,
    write,
)

POLICY = load(None)
CASES = parse_cases(default_text("cases.yaml"), "cases")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_shipped_case(case: Case) -> None:
    assert run(case, POLICY).faults == ()


def test_a_case_that_expects_something_else_fails_and_says_so() -> None:
    text = (
        "cases: [{name: a, flags: [{id: a, rule: F01, opened: 1m}], expect: {a: {level: action}}}]"
    )
    (case,) = parse_cases(text, "cases")
    assert run(case, POLICY).faults == ("a: level is notice, expected action",)


def without(*path: str) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(default_text())
    inner = raw
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return raw


def changed(value: Any, *path: Any) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(default_text())
    inner: Any = raw
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return raw


QUIET = {
    "platform": "p01",
    "start": "2026-03-01T02:00:00",
    "end": "2026-03-01T04:00:00+08:00",
    "reason": "x",
}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (without("levels"), "levels: Field required"),
        (without("levels", "action"), "levels.action must name who is told"),
        (changed(["commission"], "levels", "warning"), "must also tell platform, as notice"),
        (changed(["mayor"], "levels", "notice"), "levels.notice.0: Input should be"),
        (changed("30", "escalate", "unacknowledged", "after"), "a duration such as 30m"),
        (changed("0m", "escalate", "unacknowledged", "after"), "a duration such as 30m"),
        (changed(1, "escalate", "several", "flags"), "greater than or equal to 2"),
        (changed("F1", "grades", 0, "rules", 0), "should match pattern"),
        (changed("watch", "grades", 0, "grade"), "watch is below opens_from"),
        (changed("notice", "escalate", "unacknowledged", "level"), "must be above notice"),
        (changed(2, "version"), "version: Input should be 1"),
        (changed(True, "surprise"), "surprise: Extra inputs are not permitted"),
        (changed([QUIET], "maintenance"), "start and end need an offset"),
        (changed([QUIET | {"start": "2026-03-02T02:00:00+08:00"}], "maintenance"), "before end"),
        (changed([{"rule": "F04"}], "shadow"), "shadow.0.platform: Field required"),
    ],
)  # fmt: skip
def test_a_wrong_policy_says_what_is_wrong_where(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(yaml.safe_dump(raw), "policy.yaml")
    assert all(line.startswith("policy.yaml: ") for line in str(error.value).splitlines())
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "a: [", "[1]", "a: 1\na: 2", "!!python/object:os.system {}", "a: &a [*a]"]
)
def test_what_is_no_policy_at_all(text: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        parse(text, "policy.yaml")
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load(path)
    with pytest.raises(PolicyError, match="No such file"):
        load(tmp_path / "none.yaml")


RULES = [f"F{n:02}" for n in range(1, 13)]


@st.composite
def files(draw: st.DrawFn) -> list[FlagFile]:
    book = Book()
    count = draw(st.integers(1, 5))
    for number in range(count):
        at = START - draw(st.integers(0, 200)) * HOUR
        rule, grade = draw(st.sampled_from(RULES)), draw(st.sampled_from(["raised", "critical"]))
        draft = opened(f"f{number}", rule=rule, grade=grade, event_time=at, onset=at)
        write(book, [draft], at)
    warned = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return [
        replace(f, level=Level.WARNING, noticed_at=f.opened_at, warned_at=f.opened_at) if w else f
        for f, w in zip(book.files.values(), warned, strict=True)
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(), st.integers(0, 400), st.integers(0, 400))
def test_a_level_never_falls_and_a_higher_one_tells_all_whom_a_lower_one_tells(
    some: list[FlagFile], first: int, later: int
) -> None:
    file = some[0]
    now = START + min(first, later) * HOUR
    early = evaluate(file, some, [], POLICY, now)
    assert early.level >= file.level
    raised = replace(file, level=early.level, told=early.told)
    late = evaluate(raised, some, [], POLICY, START + max(first, later) * HOUR)
    assert late.level >= early.level
    assert set(recipients(file, early.level, POLICY)) <= set(recipients(file, late.level, POLICY))


def settle(book: Book, now: int) -> list[str]:
    """What the clerk writes until nothing more is due."""
    said = []
    while drafts := list(due(book, POLICY, add_weekdays, now)):
        said += [
            f"{e.flag_id} {e.kind} {e.details.get('level', '')}".strip()
            for e in write(book, drafts, now)
        ]
    return said  # fmt: skip


def test_the_clerk_through_a_flags_life() -> None:
    book = Book()
    write(book, [opened()])
    assert settle(book, START) == ["f1 level notice"]
    assert settle(book, START + HOUR // 2 - 1) == []
    assert settle(book, START + HOUR // 2) == ["f1 level warning"]
    ask(book, Kind.ACKED, LIN, START + HOUR)
    assert settle(book, START + DAY) == []
    ask(book, Kind.APPEALED, P01, START + DAY)
    ask(book, Kind.UPHELD, WEI, START + DAY)
    assert settle(book, START + 30 * DAY) == []  # its episode goes on
    over = {"event_time": START + DAY}
    write(book, [replace(opened(), entry_id="o", kind=Kind.OVER, details=over)], START + DAY)
    assert settle(book, START + DAY) == ["f1 cleared"]
    assert not book.active


def test_a_file_that_nobody_appeals_is_cleared_after_the_term() -> None:
    book = Book()
    write(book, [opened()])
    settle(book, START)
    ask(book, Kind.ACKED, P01, START)
    write(book, [replace(opened(), entry_id="o", kind=Kind.OVER, details={"event_time": START})])
    assert settle(book, START + 7 * DAY) == []  # the fifth working day is the Wednesday after
    assert settle(book, START + 8 * DAY) == ["f1 cleared"]


def test_what_nobody_was_told_of_needs_nobody_to_acknowledge_it() -> None:
    book = Book()
    silence = opened("gap", rule="F11", entity_type="platform", entity="p01", onset=START - HOUR)
    write(book, [silence, opened()])
    assert settle(book, START) == ["gap level notice", "f1 held notice"]
    assert settle(book, START + DAY) == ["gap level warning"]
    write(book, [replace(opened(), entry_id="o", kind=Kind.OVER, details={"event_time": START})])
    assert settle(book, START + DAY) == ["f1 cleared"]


@pytest.mark.parametrize(
    ("grade", "held"), [("watch", ""), ("raised", ""), ("critical", "parent:wide")]
)
def test_a_parent_holds_back_only_what_people_are_told_of_it_at_that_level(
    grade: str, held: str
) -> None:
    book = Book()
    write(book, [opened("child", rule="F01", grade="critical"), opened("wide", rule="F01")], START)
    child = replace(book.files["child"], parent_id="wide")
    wide = replace(book.files["wide"], grade=grade)
    assert evaluate(child, [], [], POLICY, START, {"wide": wide}).held == held
    assert evaluate(child, [], [], POLICY, START, {}).held == ""


def test_an_attachment_is_an_entry_of_the_same_grade() -> None:
    book = Book()
    write(book, [opened("child", rule="F01", grade="critical")], START)
    file = book.files["child"]
    event = {
        "flag_id": "child", "event": "attached", "grade": "raised", "rule": "F01",
        "parent_id": "wide", "onset": file.onset, "event_time": START, "decided_at": START,
    }  # fmt: skip
    draft = draft_of(event, book.files, "raised")
    assert draft is not None
    write(book, [draft], START)
    assert (book.files["child"].parent_id, book.files["child"].grade) == ("wide", "critical")
    assert draft_of(event, book.files, "raised") is None
