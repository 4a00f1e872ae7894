"""The chain against an independent hash, and everything that can be done to it in secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.ledger.book import Book, BrokenChainError
from pipelines.core.ledger.entry import GENESIS, Entry, EntryError, canonical, chained
from pipelines.core.ledger.events import digest
from pipelines.core.ledger.verify import anchored, bound_events, compare, unbound_events, walk
from tests.unit.ledger.world import DAY, START, opened, whole_life, write

CHAIN = whole_life()
LATER = START + DAY


def hash_by_hand(prev: str, entry: dict[str, Any]) -> str:
    body = {k: v for k, v in entry.items() if k not in ("prev", "hash")}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(bytes.fromhex(prev) + text.encode("utf-8")).hexdigest()


def test_each_hash_is_the_sha256_of_the_one_before_and_the_content() -> None:
    prev = GENESIS
    for number, entry in enumerate(CHAIN):
        raw = json.loads(entry.to_bytes())
        assert (raw["seq"], raw["prev"]) == (number, prev)
        assert raw["hash"] == hash_by_hand(prev, raw)
        prev = raw["hash"]


def test_an_untouched_chain_has_no_findings() -> None:
    found = walk("topic", [entry.to_bytes() for entry in CHAIN], LATER)
    assert found.findings == []
    assert found.head == (len(CHAIN) - 1, CHAIN[-1].hash)
    assert compare(CHAIN, CHAIN, LATER, 0) == []


CHANGES: dict[str, Any] = {
    "flag_id": "f7", "entry_id": "x", "actor": "mallory", "role": "police", "why": "otherwise",
    "at": START + 1, "details": {"grade": "watch"},
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("at", range(len(CHAIN)))
def test_a_changed_entry_is_found_where_it_stands(field: str, at: int) -> None:
    changed = replace(CHAIN[at], **{field: CHANGES[field]})
    rows = [*CHAIN[:at], changed, *CHAIN[at + 1 :]]
    found = walk("table", rows, LATER).findings
    assert any(f.seq == at and "does not have its hash" in f.what for f in found)
    told = compare(CHAIN, rows, LATER, 0)
    assert [(f.seq, f.what) for f in told] == [(at, f"differs from the topic in {field}")]


@pytest.mark.parametrize("at", range(len(CHAIN)))
def test_a_changed_entry_with_a_new_hash_does_not_fit_the_next(at: int) -> None:
    changed = replace(CHAIN[at], why="otherwise")
    changed = replace(changed, hash=changed.expected_hash())
    rows = [*CHAIN[:at], changed, *CHAIN[at + 1 :]]
    found = walk("table", rows, LATER).findings
    if at + 1 < len(CHAIN):
        assert [f.seq for f in found] == [at + 1]
    else:  # the last one has no next: the other copy knows, and an anchor
        assert found == []
        assert [f.seq for f in compare(CHAIN, rows, LATER, 0)] == [at]
        assert anchored(rows, at, CHAIN[-1].hash)


@pytest.mark.parametrize("at", range(len(CHAIN)))
def test_a_deleted_entry_is_found(at: int) -> None:
    rows = [*CHAIN[:at], *CHAIN[at + 1 :]]
    found = walk("table", rows, LATER).findings
    if at + 1 < len(CHAIN):
        assert found[0].seq == at + 1
        assert "missing" in found[0].what
    assert [(f.where, f.seq) for f in compare(CHAIN, rows, LATER, 0)] == [("table", at)] or at == 0
    assert [(f.where, f.seq) for f in compare(rows, CHAIN, LATER, 0)] == [("topic", at)] or at == 0


@pytest.mark.parametrize("at", range(len(CHAIN) - 1))
def test_two_entries_that_changed_places_are_found(at: int) -> None:
    rows = [*CHAIN[:at], CHAIN[at + 1], CHAIN[at], *CHAIN[at + 2 :]]
    found = walk("topic", rows, LATER).findings
    assert {f.seq for f in found} >= {at, at + 1}


def test_an_entry_written_twice_and_one_slipped_in_are_found() -> None:
    twice = walk("topic", [*CHAIN, CHAIN[-1]], LATER).findings
    assert {f.what for f in twice} >= {"its identity was written before"}
    forged = chained(opened("f9"), len(CHAIN), CHAIN[3].hash, START)
    assert walk("topic", [*CHAIN, forged], LATER).findings


def test_a_move_that_may_not_be_is_found_though_its_hash_is_right() -> None:
    ack = next(e for e in CHAIN if e.kind == "acked")
    again = chained(
        replace(opened(), entry_id="z", kind=ack.kind), len(CHAIN), CHAIN[-1].hash, START
    )
    (found,) = walk("topic", [*CHAIN, again], LATER).findings
    assert (found.seq, found.what) == (len(CHAIN), "may not be: acked in state CLEARED")


def test_a_beginning_past_its_retention_is_no_deletion() -> None:
    rest = CHAIN[4:]
    assert walk("topic", rest, START + 3 * 365 * DAY).findings == []
    (found,) = walk("topic", rest, LATER).findings
    assert found.what == "the entries 0 to 3 are missing"


def test_what_is_on_its_way_to_the_table_is_not_missing_yet() -> None:
    rows = CHAIN[:-1]
    assert compare(CHAIN, rows, CHAIN[-1].at + 5_000, 60_000) == []
    assert compare(CHAIN, rows, CHAIN[-1].at + 60_000, 60_000)


def test_bytes_that_are_no_entry() -> None:
    good = CHAIN[0].to_bytes()
    bad = [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        good[:-1],
        good.replace(b'"seq":0', b'"seq":"0"'),
    ]
    for data in bad:
        with pytest.raises(EntryError):
            Entry.from_bytes(data)
    found = walk("topic", [b"no", *(e.to_bytes() for e in CHAIN)], LATER).findings
    assert [f.seq for f in found] == [0]


def test_a_fraction_has_no_canonical_form() -> None:
    for value in (1.5, float("nan"), None, b"x", {1: "a"}, "\ud800"):
        with pytest.raises(EntryError):
            canonical({"a": value} if not isinstance(value, dict) else value)


JSON = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abz中é"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text('abz中é"\\\n'), JSON, max_size=5))
def test_the_canonical_form_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    reverse = dict(reversed(value.items()))
    assert canonical(value) == canonical(reverse)
    assert json.loads(canonical(value)) == value


def test_the_book_takes_nothing_that_does_not_follow() -> None:
    for at in range(len(CHAIN)):
        book = Book()
        for entry in CHAIN[:at]:
            book.apply(entry)
        before = (book.seq, book.head, dict(book.files))
        changed = replace(CHAIN[at], why="otherwise")
        with pytest.raises(BrokenChainError):
            book.apply(changed)
        assert (book.seq, book.head, dict(book.files)) == before


def test_an_identity_is_written_once() -> None:
    book = Book()
    assert len(write(book, [opened(), opened()])) == 1
    assert write(book, [opened()]) == []


EVENT = {
    "flag_id": "f1", "event": "opened", "grade": "raised", "observed": 9.0, "expected": 1.1,
    "exposure": 300.0, "score": 2.25, "threshold": 0.1, "window_s": 3600, "evidence": "",
}  # fmt: skip


def test_the_chain_is_bound_to_the_detectors_figures() -> None:
    book = Book()
    entries = write(book, [opened(digest=digest(EVENT))])
    key = ("f1", "opened", "raised")
    assert bound_events(entries, {key: EVENT}) == []
    assert bound_events(entries, {key: EVENT | {"observed": 9}}) == []  # 9 and 9.0 are one figure
    assert bound_events(entries, {key: EVENT | {"later_column": ""}}) == []
    assert "changed" in bound_events(entries, {key: EVENT | {"observed": 10.0}})[0].what
    assert "missing" in bound_events(entries, {})[0].what


def test_an_event_that_somebody_else_wrote_is_found() -> None:
    first = EVENT | {"decided_at": START}
    later = opened(flag="f2", digest=digest(first), decided_at=START + DAY)
    chain = walk("topic", write(Book(), [opened(digest=digest(first)), later]), LATER)

    def found(**changes: Any) -> list[str]:
        event = first | changes
        key = (event["flag_id"], event["event"], event["grade"])
        return [f.what for f in unbound_events(chain, {key: event}, "raised", 60_000)]

    assert found() == []
    assert found(flag_id="w", grade="watch") == []  # no file of its own
    assert "f3" in found(flag_id="f3")[0]
    assert "cleared" in found(event="cleared")[0]
    assert "escalated" in found(event="escalated", grade="critical")[0]
    assert found(flag_id="f3", decided_at=START + DAY) == []  # may be on its way
