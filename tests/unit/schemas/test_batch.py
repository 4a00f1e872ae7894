"""Batches on the wire: every row rule, and bytes that went wrong."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.batch import decode, encode
from schemas.errors import ContractError
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import (
    ARROW,
    MAX_AHEAD_MS,
    MAX_COHORT_DAYS,
    MAX_COUNT,
    MAX_FEN,
    MAX_LATENCY_MS,
    MAX_RESPONSE_MIN,
    SampleType,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "contract" / "1.1"
NOW = 1_790_000_000_000
V1 = {t: (FIXTURES / f"{t.value}.arrows").read_bytes() for t in SampleType}
ROWS: dict[str, list[dict[str, Any]]] = json.loads((FIXTURES / "rows.json").read_text("utf-8"))


def header(sample: SampleType, rows: int) -> BatchHeader:
    return BatchHeader(BatchIdentity("p01", "s", 1, sample.topic, 0, 0), rows, NOW, NOW)


def batch(sample: SampleType, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    columns = []
    for field in ARROW[sample]:
        values = [row[field.name] for row in rows]
        if pa.types.is_dictionary(field.type):
            columns.append(pa.array(values, pa.utf8()).dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=ARROW[sample])


def plain(table: pa.RecordBatch) -> list[dict[str, Any]]:
    at = table.schema.get_field_index("event_time")
    return table.set_column(at, "event_time", table.column(at).cast(pa.int64())).to_pylist()


BAD = [
    (SampleType.VIEWERS, "event_time", NOW + MAX_AHEAD_MS + 1),
    (SampleType.VIEWERS, "event_time", 1_577_836_799_999),
    (SampleType.VIEWERS, "event_time", 86_400_000),
    (SampleType.VIEWERS, "event_time", 4_102_444_800_000),
    (SampleType.VIEWERS, "event_time", None),
    (SampleType.VIEWERS, "session_id", "A" * 32),
    (SampleType.VIEWERS, "session_id", None),
    (SampleType.VIEWERS, "room_pid", "13812345678"),
    (SampleType.VIEWERS, "mcn_pid", "0" * 31),
    (SampleType.VIEWERS, "merchant_pid", "0" * 32 + "\n"),
    (SampleType.VIEWERS, "base_id", "Base 1"),
    (SampleType.VIEWERS, "base_id", "base-1\n"),
    (SampleType.VIEWERS, "district", "000000"),
    (SampleType.VIEWERS, "category", None),
    (SampleType.VIEWERS, "scenario", "party"),
    (SampleType.VIEWERS, "viewers", MAX_COUNT + 1),
    (SampleType.VIEWERS, "venue_id", "Nanjing Road"),
    (SampleType.VIEWERS, "origin_region", "310101"),
    (SampleType.VIEWERS, "brand_type", "luxury"),
    (SampleType.VIEWERS, "streamer_tier", "S"),
    (SampleType.ORDERS, "cohort_days", MAX_COHORT_DAYS + 1),
    (SampleType.ORDERS, "shipped_48h", MAX_COUNT + 1),
    (SampleType.COMPLAINTS, "response_minutes", MAX_RESPONSE_MIN + 1),
    (SampleType.REVIEWS, "mode", "robot"),
    (SampleType.REVIEWS, "outcome", None),
    (SampleType.REVIEWS, "latency_ms", MAX_LATENCY_MS + 1),
    (SampleType.ORDERS, "orders", None),
    (SampleType.ORDERS, "paid_fen", -1),
    (SampleType.ORDERS, "refunded_fen", MAX_FEN + 1),
    (SampleType.COMPLAINTS, "code", "C98"),
    (SampleType.COMPLAINTS, "channel", "phone"),
]


@pytest.mark.parametrize(("sample", "name", "value"), BAD)
def test_a_row_that_breaks_a_rule_goes_alone(sample: SampleType, name: str, value: Any) -> None:
    good = ROWS[sample.value]
    rows = [good[0], good[1] | {name: value}, good[1]]
    columns = batch(sample, rows)
    found = decode(encode(columns), header(sample, 3), NOW)
    assert [(e.row, e.field) for e in found.refused] == [(1, name)]
    assert value is None or str(value) not in str(found.refused[0])
    assert found.rows == [0, 2]
    assert plain(found.table) == good


@pytest.mark.parametrize("name", ["base_id", "venue_id"])
@pytest.mark.parametrize(
    "value", ["13812345678", "tel-138-1234-5678", "110105-19491231-002x", "zhang-at-qq-com"]
)
def test_a_public_id_that_is_a_persons_is_refused_from_any_client(name: str, value: str) -> None:
    """Kafka's clients in other languages have no check of ours before they send."""
    sample = SampleType.VIEWERS
    rows = [ROWS["viewers"][0], ROWS["viewers"][0] | {name: value}, ROWS["viewers"][0]]
    for _ in range(2):  # a dictionary that was good once is not judged again; a bad one is
        found = decode(encode(batch(sample, rows)), header(sample, 3), NOW)
        assert [(e.row, e.field) for e in found.refused] == [(1, name)]
        assert value not in found.refused[0].rule
        assert found.rows == [0, 2]


def test_the_edges_are_good() -> None:
    row = ROWS["orders"][0] | {"event_time": NOW + MAX_AHEAD_MS, "orders": MAX_COUNT}
    found = decode(
        encode(batch(SampleType.ORDERS, [row | {"paid_fen": MAX_FEN}])),
        header(SampleType.ORDERS, 1),
        NOW,
    )
    assert found.refused == []


def test_whole_records_that_break_a_rule() -> None:
    good = batch(SampleType.ORDERS, ROWS["orders"])
    two = pa.BufferOutputStream()
    with pa.ipc.new_stream(two, good.schema) as writer:
        writer.write_batch(good)
        writer.write_batch(good)
    extra = pa.RecordBatch.from_arrays([*good.columns, good[0]], names=[*good.schema.names, "x"])
    turned = pa.RecordBatch.from_arrays(good.columns[::-1], names=good.schema.names[::-1])
    for value, field in (
        (None, "value"),
        (b"", "value"),
        (b"x" * 2_000_000, "value"),
        (two.getvalue().to_pybytes(), "value"),
        (encode(extra), "schema"),
        (encode(turned), "schema"),
        (encode(good.drop_columns(["refunded_fen"])), "refunded_fen"),
        (encode(wide(good)), "schema"),
        (V1[SampleType.VIEWERS], "schema"),
        (encode(good.slice(0, 1)), "ce_rows"),
    ):
        with pytest.raises(ContractError) as error:
            decode(value, header(SampleType.ORDERS, 2), NOW)
        assert error.value.field == field


def wide(rows: pa.RecordBatch) -> pa.RecordBatch:
    """With 1,000 columns more."""
    more = [rows[0]] * 1_000
    names = [*rows.schema.names, *(f"x{i}" for i in range(1_000))]
    return pa.RecordBatch.from_arrays([*rows.columns, *more], names=names)


@settings(max_examples=400, deadline=1_000)
@given(
    st.sampled_from(list(SampleType)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_bytes_gone_wrong_raise_a_contract_error_at_most(
    sample: SampleType, changes: list[tuple[int, int]], cut: int, shorter: bool
) -> None:
    value = bytearray(V1[sample])
    for at, byte in changes:
        value[at % len(value)] = byte
    if shorter:
        value = value[: cut % len(value)]
    started = time.monotonic()
    with contextlib.suppress(ContractError):
        decode(bytes(value), header(sample, 2), NOW)
    assert time.monotonic() - started < 1
