"""Streams made to harm: each gets one clear error, in little memory and time, and nothing dies.

`tests/fixtures/contract/corpus/` keeps what was found, one file a finding; every one of them goes
through the decoder of every sample type.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.batch import encode, read_value
from schemas.errors import ContractError
from schemas.ipc import inflated_bytes
from schemas.telemetry import ARROW, MAX_BYTES, MAX_INFLATED, MINOR, SampleType

KEPT = Path(__file__).parents[2] / "fixtures" / "contract"
CORPUS = sorted((KEPT / "corpus").iterdir())
GOOD = {t: (KEPT / "1.1" / f"{t.value}.arrows").read_bytes() for t in SampleType}
VIEWERS = SampleType.VIEWERS
LITTLE = 64 << 20


def rows(**values: pa.Array) -> pa.RecordBatch:
    """The kept viewers rows with other columns."""
    table = read_value(GOOD[VIEWERS], VIEWERS)
    arrays = [
        values.get(name, column)
        for name, column in zip(table.schema.names, table.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=table.schema.names)


def compressed(table: pa.RecordBatch, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_batch(table)
    return bytes(sink.getvalue().to_pybytes())


def refused(value: bytes, sample: SampleType = VIEWERS, **how: int) -> ContractError:
    """The error, which must come soon and cost little."""
    pool, started = pa.default_memory_pool(), time.process_time()
    before = pool.max_memory()
    with pytest.raises(ContractError) as error:
        read_value(value, sample, **how)
    assert time.process_time() - started < 1
    assert pool.max_memory() - before < LITTLE
    return error.value


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: str(file.name))
def test_what_was_found_once_is_refused_for_ever(file: Path) -> None:
    for sample in SampleType:
        refused(file.read_bytes(), sample)
        refused(file.read_bytes(), sample, declared=MINOR + 1)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_bomb_does_not_go_off(codec: str) -> None:
    big = pa.array(["\0" * (MAX_INFLATED + 1), "0" * 32])
    value = compressed(rows(room_pid=big), codec)
    assert len(value) < MAX_BYTES
    assert refused(value).rule == f"must inflate to at most {MAX_INFLATED} bytes"


def test_nor_does_one_in_a_dictionary_or_in_an_unknown_column() -> None:
    entry = pa.array(["\0" * (MAX_INFLATED + 1)])
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int16()), entry)
    assert "inflate" in refused(compressed(rows(base_id=coded), "zstd")).rule
    newer = rows().append_column("more", coded)
    assert "inflate" in refused(compressed(newer, "zstd"), declared=MINOR + 1).rule


@pytest.mark.parametrize("sample", list(SampleType))
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_is_compressed_within_bounds_is_read(sample: SampleType, codec: str) -> None:
    table = read_value(GOOD[sample], sample)
    many = pa.Table.from_batches([table] * 500).combine_chunks().to_batches()[0]
    value = compressed(many, codec)
    assert read_value(value, sample).to_pylist() == many.to_pylist()
    # As much as Arrow has in its buffers afterwards, but for their padding to 64 bytes.
    held = sum(b.size for c in many.columns for b in c.buffers() if b)
    held += sum(
        b.size for c in many.columns if hasattr(c, "dictionary") for b in c.dictionary.buffers()
        if b
    )  # fmt: skip
    assert abs(inflated_bytes(value) - held) < 64 * 4 * many.num_columns
    assert inflated_bytes(GOOD[sample]) == 0


def test_a_buffer_of_negative_length_does_not_hide_a_bomb() -> None:
    big = pa.array(["\0" * (MAX_INFLATED + 1), "0" * 32])
    value = bytearray(compressed(rows(room_pid=big), "zstd"))
    said = struct.pack("<q", MAX_INFLATED + 33)
    body = value.index(said)  # the bomb's own first eight bytes
    lengths = [at for at in range(0, body, 8) if struct.unpack_from("<q", value, at)[0] == 16]
    assert lengths
    for at in lengths:
        struct.pack_into("<q", value, at, -(1 << 40))
    refused(bytes(value))


def test_a_great_many_columns() -> None:
    names = [f"c{i}" for i in range(20_000)]
    schema = pa.schema([*ARROW[VIEWERS], *((name, pa.int8()) for name in names)])
    empty = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
    value = encode(empty)
    assert refused(value[:MAX_BYTES]).field in {"value", "schema"}
    assert refused(value[: MAX_BYTES + 1]).rule == f"must be at most {MAX_BYTES} bytes"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([float("nan"), 1.0]),
        pa.array(["1", "2"]),
        pa.array([-1, 2], pa.int64()),
        pa.array([[1], [2]]),
        pa.array([2**40, 1], pa.uint64()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_count_of_another_type(column: pa.Array) -> None:
    error = refused(encode(rows(viewers=column)))
    assert (error.field, error.rule) == ("viewers", "must have Arrow type uint32")


@pytest.mark.parametrize("name", ["room_pid", "base_id"])
def test_text_that_is_not_utf_8(name: str) -> None:
    bad = pa.array([b"\xff" * 32, b"0" * 32], pa.binary())
    text = pa.StringArray.from_buffers(2, bad.buffers()[1], bad.buffers()[2])
    if name == "base_id":
        text = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int16()), text)
    assert refused(encode(rows(**{name: text}))).rule == "is not a readable Arrow IPC stream"


EXTREME = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63]
SOURCES = [*GOOD.values(), compressed(rows(), "zstd"), compressed(rows(), "lz4")]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SOURCES),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.sampled_from(EXTREME), st.sampled_from(["<I", "<Q"])),
        min_size=1,
        max_size=3,
    ),
    st.none() | st.integers(0, 6_000),
    st.integers(0, MINOR + 1),
)
def test_lengths_and_offsets_gone_wild(
    good: bytes, changes: list[tuple[int, int, str]], cut: int | None, declared: int
) -> None:
    value = bytearray(good)
    for place, number, form in changes:
        size = struct.calcsize(form)
        at = place * 4 % (len(value) - size)
        struct.pack_into(form, value, at, number & ((1 << 8 * size) - 1))
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    for sample in SampleType:
        found = outcome(bytes(value[:cut]), sample, declared)
        assert found is None or isinstance(found, ContractError)
    assert pool.max_memory() - before < LITTLE


def outcome(value: bytes, sample: SampleType, declared: int) -> Any:
    try:
        read_value(value, sample, declared)
    except ContractError as error:
        return error
    return None
