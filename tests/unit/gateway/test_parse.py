"""Bodies to columns: what is good becomes rows, what is not names row, field and rule."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import pyarrow as pa
import pytest

from producers.gateway import coded
from producers.gateway.body import inflate
from producers.gateway.errors import Refusal
from producers.gateway.parse import ARROW_STREAM, JSON, NDJSON, parse
from schemas.batch import encode
from schemas.personal import coded_number_fault
from schemas.telemetry import SampleType

NOW = 1_790_002_401_000
ORDERS = SampleType.ORDERS


def row(**changes: Any) -> dict[str, Any]:
    return {
        "event_time": NOW - 1_000,
        "session_id": "5e" * 16,
        "room_pid": "0a" * 16,
        "streamer_pid": "0b" * 16,
        "merchant_pid": "0c" * 16,
        "district": "310101",
        "category": "food",
        "orders": 2,
        "paid_fen": 100,
        "refunds": 0,
        "refunded_fen": 0,
    } | changes


def parsed(rows: Any, media_type: str = JSON) -> Any:
    return parse(ORDERS, media_type, json.dumps(rows).encode(), 100, NOW)


def test_the_four_ways_of_writing_rows_are_one() -> None:
    rows = [row(orders=n, base_id=None) for n in range(3)]
    by_rows = parsed(rows).rows
    by_columns = parsed({name: [r[name] for r in rows] for name in rows[0]}).rows
    lines = "\n".join(json.dumps(r) for r in rows).encode()
    by_lines = parse(ORDERS, NDJSON, lines, 100, NOW).rows
    by_arrow = parse(ORDERS, ARROW_STREAM, encode(by_rows), 100, NOW).rows
    plain = by_rows.to_pylist()
    assert [r["orders"] for r in plain] == [0, 1, 2]
    assert by_columns.to_pylist() == by_lines.to_pylist() == plain
    assert [{k: r[k] for k in by_arrow.schema.names} for r in plain] == by_arrow.to_pylist()


@pytest.mark.parametrize(
    "text", ["2026-09-21T14:53:20Z", "2026-09-21T22:53:20+08:00", "2026-09-21T14:53:20.000Z"]
)
def test_times_may_be_text_with_an_offset(text: str) -> None:
    time = parsed([row(event_time=text)]).rows.column(0).cast(pa.int64()).to_pylist()
    assert time == [1_790_002_400_000]


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"orders": -1}, "orders", "must be a whole number from 0"),
        ({"orders": 1.5}, "orders", "must be a whole number from 0"),
        ({"orders": 10**30}, "orders", "must be a whole number from 0"),
        ({"orders": "2"}, "orders", "must be a whole number from 0"),
        ({"orders": None}, "orders", "must be a whole number from 0"),
        ({"district": "999"}, "district", "code of the contract's list"),
        ({"district": None}, "district", "must be a string"),
        ({"session_id": "13800138000"}, "session_id", "must match"),
        ({"event_time": "2026-09-21T14:53:20"}, "event_time", "with its offset"),
        ({"event_time": True}, "event_time", "whole ms since 1970"),
        ({"event_time": NOW + 61_000}, "event_time", "60 s ahead"),
        ({"event_time": 0}, "event_time", "before 2020"),
        ({"base_id": "b-13800138000"}, "base_id", "must not"),
        ({"base_id": "B"}, "base_id", "must match"),
        ({"phone": "13800138000"}, "row", "the contract does not list"),
    ],
)
def test_a_bad_row_names_its_number_its_field_and_the_rule(
    change: dict[str, Any], field: str, rule: str
) -> None:
    rows = [row(), row() | change, row()]
    found = parsed(rows)
    assert found.rows.num_rows == 2
    assert [(e.row, e.field) for e in found.errors] == [(1, field)]
    assert rule in found.errors[0].rule
    assert "13800138000" not in str(found.errors[0])


def test_a_missing_field_is_named() -> None:
    bad = row()
    del bad["category"]
    assert [str(e) for e in parsed([bad]).errors] == ["row 0: category: is missing"]


#: Bodies that once broke something, or are of the kind that breaks programs.
CORPUS = [
    b"", b"null", b"7", b"[", b"[" * 100_000, b'{"a":' * 100_000, b"[\xff]", b'["\\ud800"]',
    b"[1e400]", b"[NaN]", b"{}", b'{"event_time":[1]}', b'{"event_time":{}}', b"[null]", b"[[]]",
    b'[{"event_time":"0001-01-01T00:00:00+14:00"}]', b'[{"event_time":"9999-12-31T23:59:60Z"}]',
    b'[{"orders":-9223372036854775809}]', b"\x00" * 64, b"ARROW1\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\x00" * 64,
]  # fmt: skip


@pytest.mark.parametrize("media_type", [JSON, NDJSON, ARROW_STREAM])
@pytest.mark.parametrize("body", CORPUS, ids=range(len(CORPUS)))
def test_nothing_breaks_it(media_type: str, body: bytes) -> None:
    try:
        found = parse(ORDERS, media_type, body, 100, NOW)
    except Refusal as refusal:
        assert refusal.status in (400, 413, 422)  # noqa: PT017 - an answer is one way, none another
    else:
        assert found.rows.num_rows == 0


def test_changed_bytes_are_refused_or_judged() -> None:
    rng = random.Random(5)
    good = encode(parsed([row(orders=n) for n in range(20)]).rows)
    for _ in range(400):
        body = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        try:
            parse(ORDERS, ARROW_STREAM, bytes(body), 100, NOW)
        except Refusal as refusal:
            assert refusal.status in (413, 422)  # noqa: PT017 - most are refused, some are rows


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        parsed([row()] * 101)
    assert refusal.value.status == 413


def test_a_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(Refusal) as refusal:
        inflate(bomb, "gzip", 1_000_000)
    assert refusal.value.status == 413
    assert inflate(gzip.compress(b"x" * 1000), "gzip", 1000) == b"x" * 1000


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"x")[:-3], gzip.compress(b"x") * 2, zlib.compress(b"x")],
    ids=["empty", "no gzip", "cut short", "two streams", "zlib"],  # gzip's head has the time
)
def test_what_is_not_one_gzip_stream_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        inflate(body, "gzip", 1000)
    assert refusal.value.status == 400


@pytest.mark.parametrize("name", ["session_id", "room_pid", "streamer_pid", "merchant_pid"])
@pytest.mark.parametrize(
    "value",
    [
        "13812345678".rjust(32, "0"),
        "13812345678".ljust(32, "f"),
        b"13812345678".hex().ljust(32, "0"),
        b"tel 13812345678".hex().ljust(32, "0"),
        b"zhangsan@qq.com".hex().ljust(32, "0"),
        "110105194912310011".ljust(32, "a"),
        "abc" + "110105194912310011" + "b" * 11,
    ],
)
def test_a_padded_number_is_no_pseudonym(name: str, value: str) -> None:
    found = parsed([row(), row(**{name: value})])
    assert [(e.row, e.field) for e in found.errors] == [(1, name)]
    assert "13812345678" not in found.errors[0].rule
    again = parsed([row(**{name: value})])
    assert len(again.errors) == 1


def test_no_random_pseudonym_is_refused() -> None:
    rng = random.Random(5)
    rows = [row(session_id=f"{rng.getrandbits(128):032x}") for _ in range(20_000)]
    found = parse(ORDERS, JSON, json.dumps(rows).encode(), 20_000, NOW)
    assert found.errors == []


def test_a_number_of_its_own_is_a_session_id() -> None:
    rows = [row(session_id=f"{n:032x}") for n in range(20_000)]
    assert parse(ORDERS, JSON, json.dumps(rows).encode(), 20_000, NOW).errors == []


def test_the_quick_look_at_pseudonyms_passes_over_none_that_has_a_fault() -> None:
    rng = random.Random(5)
    texts = [
        rng.choice("0f7") * rng.randrange(6, 22) + f"{rng.randrange(10**11):011}"
        for _ in range(900)
    ]
    texts += [text[::-1] for text in texts]
    texts += [f"110101199001{rng.randrange(10**6):06}" for _ in range(900)]
    texts += [
        f"{rng.choice(['', 'a'])}1{rng.randrange(10**10)}@qq.com".encode().hex() for _ in "12"
    ]
    whole = [(text + "0" * 32)[:32] for text in texts] + [
        ("ab" * 16 + text)[-32:] for text in texts
    ]
    faulty = [text for text in whole if coded_number_fault(text)]
    assert len(faulty) > 100
    assert coded.suspects(pa.array(faulty)).all()
    mixed = [None, "0" * 31, *faulty, f"{rng.getrandbits(128):032x}"[:30], faulty[0], "é" * 16]
    found = coded.suspects(pa.array(mixed).slice(1))
    assert found.tolist() == [False, *[True] * len(faulty), False, True, False]


def test_few_random_pseudonyms_are_judged_one_by_one() -> None:
    rng = random.Random(6)
    texts = pa.array([f"{rng.getrandbits(128):032x}" for _ in range(20_000)])
    assert coded.suspects(texts).sum() < 200
