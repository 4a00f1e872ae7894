"""The document about a flag: what agrees, what does not, and what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.core.flags import Entity, flag_event
from pipelines.core.ledger.book import Book
from pipelines.core.ledger.events import draft_of
from pipelines.ledger.clerk import event_of, one_of_each
from pipelines.ledger.evidence import evidence, recompute
from pipelines.ledger.evidence_page import page
from pipelines.ledger.read import entry_json
from pipelines.ledger.rules import personal_in
from tests.unit.detect.test_dossier import spike_events
from tests.unit.ledger.world import START, write

RISEN = [e for e in spike_events() if e.series == 3 and e.evidence]


def document() -> dict[str, Any]:
    entity = Entity("merchant", "<script>alert(1)</script>", "p01", "food", "310101")
    events = [flag_event(e, entity, e.bin_start_ms, START).to_json() for e in RISEN]
    book, entries = Book(), []
    for event in events:
        draft = draft_of(event, book.files, "raised")
        entries += write(book, [draft] if draft else [])
    file = next(iter(book.files.values()))
    return evidence(file, events, [entry_json(e) for e in entries], START)


def test_each_score_follows_from_its_inputs_and_is_bound_to_the_ledger() -> None:
    found = document()
    assert len(found["decisions"]) == len(RISEN)
    for one in found["decisions"]:
        assert one["recomputed"] == {"score": one["score"], "difference": 0.0, "agrees": True}
        assert (one["ledger_entry"] is not None) == (one["grade"] != "watch")


def test_the_page_is_one_page_of_its_own() -> None:
    text = page(document())
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<svg") == len(RISEN)
    assert "一致" in text


def test_a_bin_that_is_unknown_is_no_zero() -> None:
    found = document()
    found["decisions"][0]["window"][2] |= {"observed": None, "expected": None}
    assert page(found).count('class="unknown"') == 1


@pytest.mark.parametrize(
    ("event", "agrees"),
    [
        ({"rule": "F02", "event": "opened", "observed": 3.0, "score": 3.0}, True),
        ({"rule": "F02", "event": "opened", "observed": 3.0, "score": 4.0}, False),
        ({"rule": "F11", "event": "opened", "entity_type": "platform", "observed": 2.0,
          "expected": 8.0, "score": 0.75}, True),
        ({"rule": "F05", "event": "opened", "observed": 3.0, "score": 4.0}, None),
        ({"rule": "F01", "event": "opened", "observed": 3.0, "score": 4.0}, None),
    ],
)  # fmt: skip
def test_what_can_be_computed_again(event: dict[str, Any], agrees: bool | None) -> None:
    assert recompute(event, None)["agrees"] is agrees


def test_inputs_that_cannot_be_read_do_not_agree() -> None:
    told = {"statistic": "spike_log_odds", "v": 1}
    assert recompute({"rule": "F01", "event": "opened", "score": 1.0}, told)["agrees"] is False


def test_events_of_one_flag_come_one_after_the_other() -> None:
    events = [{"flag_id": f, "n": n} for n, f in enumerate("aabcab")]
    assert ["".join(e["flag_id"] for e in some) for some in one_of_each(events)] == [
        "abc",
        "ab",
        "a",
    ]
    order = [e["n"] for some in one_of_each(events) for e in some if e["flag_id"] == "a"]
    assert order == [0, 1, 4]


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"null", b"{}", b"\xff", b'{"flag_id":"f"}', b"[" * 99_999]
)
def test_a_record_that_is_no_event_is_none(value: bytes) -> None:
    assert event_of(value) is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("更正后数据不同，商家李明在浦东新区已重新上报", []),
        ("电话 138-1234-5678", ["phone"]),
        ("write to a@b.cn", ["email"]),
    ],
)
def test_a_reason_may_be_a_sentence(text: str, kinds: list[str]) -> None:
    assert personal_in(text) == kinds
