"""The body of a correction: what is good becomes targets, what is not names field and rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.gateway.correction import MAX_BATCHES, Draft, Here, read_correction
from producers.gateway.errors import Refusal
from schemas.identity import Supersedes
from schemas.sharding import shard_of
from schemas.telemetry import MAX_ROWS, SampleType
from tests.unit.gateway.test_parse import NOW, ORDERS, row

PARTITIONS = 8
HERE = Here("gw-1", PARTITIONS)
SESSION = "5e" * 16
SHARD = int(shard_of([SESSION.encode()], PARTITIONS)[0])
SPAN = {"session_id": SESSION, "from": NOW - 60_000, "to": NOW}
PHONE = "13812345678"


def batch(partition: int = SHARD, sequence: int = 12, *, sample: SampleType = ORDERS) -> str:
    return f"p01/gw-1/{NOW}/{sample.topic}/{partition}/{sequence}"


def read(body: Any, max_rows: int = 100) -> Draft:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_correction(ORDERS, HERE, raw, max_rows, NOW)


def correction(supersedes: Any = SPAN, reason: Any = "miscounted", **more: Any) -> dict[str, Any]:
    return {"supersedes": supersedes, "reason": reason, **more}


def refused(body: Any, max_rows: int = 100) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(body, max_rows)
    assert PHONE not in json.dumps(caught.value.body())
    return caught.value


def test_a_span_of_a_session_is_withdrawn_where_the_session_is() -> None:
    draft = read(correction())
    span = Supersedes(session_id=SESSION, from_ms=NOW - 60_000, to_ms=NOW)
    assert draft.correction.targets == ((SHARD, span),)
    assert (draft.correction.reason, draft.rows, draft.batches) == ("miscounted", None, ())
    text = SPAN | {"from": "2026-09-21T22:53:20+08:00"}
    assert read(correction(text)).correction.targets[0][1].from_ms == 1_790_002_400_000


def test_each_batch_is_withdrawn_once_where_it_is() -> None:
    draft = read(correction({"batches": [batch(), batch(3, 1), batch()]}))
    assert [(b.platform_id, b.partition, b.sequence) for b in draft.batches] == [
        ("p01", SHARD, 12), ("p01", 3, 1),
    ]  # fmt: skip
    assert draft.correction.targets == (
        (SHARD, Supersedes(epoch=NOW, sequence=12)),
        (3, Supersedes(epoch=NOW, sequence=1)),
    )


def test_rows_take_the_place_of_what_is_withdrawn() -> None:
    for supersedes in (SPAN, {"batches": [batch()]}):
        draft = read(correction(supersedes, rows=[row(orders=9), row(orders=1)]))
        assert draft.rows is not None
        assert draft.rows.column("orders").to_pylist() == [9, 1]
    columns = {name: [value] for name, value in row().items()}
    assert read(correction(rows=columns)).rows is not None
    assert read(correction(rows=[])).rows is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        (correction(phone=PHONE), "body"),
        ({"supersedes": SPAN}, "reason"),
        (correction(reason=PHONE), "reason"),
        (correction(reason="他的电话是" + PHONE), "reason"),
        (correction(reason=["miscounted"]), "reason"),
        ({"reason": "miscounted"}, "supersedes"),
        (correction("all"), "supersedes"),
        (correction({}), "supersedes"),
        (correction(SPAN | {PHONE: 1}), "supersedes"),
        (correction(SPAN | {"batches": [batch()]}), "supersedes"),
        (correction({"batches": []}), "batches"),
        (correction({"batches": [batch(0, n) for n in range(MAX_BATCHES + 1)]}), "batches"),
        (correction({"batches": [batch(), PHONE]}), "batches[1]"),
        (correction({"batches": [7]}), "batches[0]"),
        (correction({"batches": [batch(sample=SampleType.VIEWERS)]}), "batches[0]"),
        (correction({"batches": [batch().replace("gw-1", "gw-2")]}), "batches[0]"),
        (correction(SPAN | {"session_id": PHONE}), "session_id"),
        (correction(SPAN | {"session_id": 5}), "session_id"),
        (correction(SPAN | {"from": PHONE}), "from"),
        (correction(SPAN | {"from": True}), "from"),
        (correction(SPAN | {"to": 1e15}), "to"),
        (correction(SPAN | {"to": 10**15}), "to"),
        (correction(SPAN | {"to": SPAN["from"]}), "to"),
        (correction(rows=PHONE), "rows"),
        (correction(rows=None), "rows"),
    ],
)
def test_what_is_refused_names_its_field(body: Any, field: str) -> None:
    assert (refused(body).status, refused(body).field) == (422, field)


def test_unreadable_bodies_and_too_many_rows() -> None:
    assert refused(b'{"reason": ').status == 400
    assert refused(b'{"reason": "\xff"}').status == 400
    assert refused(b"[" * 100_000).status == 400
    assert refused(correction(rows=[row()] * 3), max_rows=2).status == 413
    most = refused(correction(rows=[row()] * (MAX_ROWS + 1)), max_rows=20_000)
    assert (most.status, most.field) == (413, "rows")


@pytest.mark.parametrize(
    ("supersedes", "wrong", "field"),
    [
        (SPAN, row(orders=-1), "orders"),
        (SPAN, row(base_id="b-" + PHONE), "base_id"),
        (SPAN, row() | {"phone": PHONE}, "row"),
        (SPAN, row(session_id="6f" * 16), "session_id"),
        (SPAN, row(event_time=NOW), "event_time"),
        (SPAN, row(event_time=NOW - 60_001), "event_time"),
        ({"batches": [batch((SHARD + 1) % PARTITIONS)]}, row(), "session_id"),
    ],
)
def test_one_bad_row_refuses_the_whole(supersedes: Any, wrong: Any, field: str) -> None:
    good = [row()] if supersedes is SPAN else []
    refusal = refused(correction(supersedes, rows=[*good, wrong]))
    assert (refusal.status, refusal.field) == (422, "rows")
    assert [(e.row, e.field) for e in refusal.rows] == [(len(good), field)]
