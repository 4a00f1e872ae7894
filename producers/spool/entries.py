"""Rows as they lie in the spool, and how they become the rows of a batch again.

A single sample is one MessagePack array, many are one Arrow message without its schema: codes
as plain text, since a dictionary is worth its bytes only once per batch. The layout (names and
types) is kept beside the entries, so that a newer version reads what an older one accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.sharding import shard_of
from schemas.telemetry import ARROW, SampleType

# An entry is sealed whole, so it must leave room in a batch.
MAX_ENTRY_ROWS = 1_000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


@dataclass(frozen=True, slots=True)
class Lane:
    """One topic-partition of one source."""

    platform_id: str
    source: str
    sample: SampleType
    partition: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Some rows of one lane; `first_ms` is the earliest event time among them.

    With `supersedes` and `reason` it is a correction (`BatchHeader`): a batch of its own.
    """

    lane: Lane
    rows: int
    first_ms: int
    value: bytes
    single: bool = False
    supersedes: str = ""
    reason: str = ""


def _plain(field: pa.Field) -> pa.Field:
    kind = pa.utf8() if pa.types.is_dictionary(field.type) else field.type
    return pa.field(field.name, kind, field.nullable)


#: The layout of today's entries, per sample type.
LAYOUT = {t: pa.schema([_plain(f) for f in ARROW[t]]) for t in SampleType}


def row_entry(lane: Lane, event_ms: int, values: Sequence[Any]) -> Entry:
    """One sample: `values` in the order of the contract's columns, event time first."""
    return Entry(lane, 1, event_ms, _encode(values), single=True)


def table_entry(lane: Lane, rows: pa.RecordBatch) -> Entry:
    """Rows (schema `ARROW[sample]`) of one lane, 1 to MAX_ENTRY_ROWS."""
    layout = LAYOUT[lane.sample]
    plain = [c.cast(f.type) for c, f in zip(rows.columns, layout, strict=True)]
    value = pa.RecordBatch.from_arrays(plain, schema=layout).serialize().to_pybytes()
    first: int = pc.min(rows.column(0).cast(pa.int64())).as_py()
    return Entry(lane, rows.num_rows, first, value)


def table_entries(
    platform_id: str, source: str, rows: pa.RecordBatch, sample: SampleType, partitions: int
) -> list[Entry]:
    """Split rows (schema `ARROW[sample]`, already validated) by shard into entries."""
    if not rows.num_rows:
        return []
    ids = rows.column("session_id").cast(pa.binary()).to_pylist()
    shards = shard_of(ids, partitions)
    order = np.argsort(shards, kind="stable")
    found, starts = np.unique(shards[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    entries = []
    for shard, start, end in zip(found.tolist(), starts.tolist(), ends, strict=True):
        lane = Lane(platform_id, source, sample, shard)
        for at in range(start, end, MAX_ENTRY_ROWS):
            chosen = pa.array(order[at : min(end, at + MAX_ENTRY_ROWS)])
            entries.append(table_entry(lane, rows.take(chosen)))
    return entries


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it was read back, with the layout that it was written in."""

    layout: pa.Schema
    single: bool
    value: bytes


def assemble(stored: Iterable[Stored], sample: SampleType) -> pa.RecordBatch:
    """The rows of a batch, schema `ARROW[sample]`, in the order of the entries.

    Raises ValueError (pa.ArrowException and msgspec's errors are such) when they are damaged.
    """
    parts: list[pa.RecordBatch] = []
    singles: list[list[Any]] = []
    layout: pa.Schema | None = None
    for one in stored:
        if singles and (not one.single or one.layout is not layout):
            parts.append(_columnar(singles, layout))
            singles = []
        layout = one.layout
        if one.single:
            singles.append(_decode(one.value))
        else:
            parts.append(pa.ipc.read_record_batch(pa.py_buffer(one.value), layout))
    if singles:
        parts.append(_columnar(singles, layout))
    whole = pa.concat_batches([_fit(p, LAYOUT[sample]) for p in parts])
    wanted = ARROW[sample]
    arrays = [_coded(c, f.type) for c, f in zip(whole.columns, wanted, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _columnar(rows: list[list[Any]], layout: pa.Schema | None) -> pa.RecordBatch:
    assert layout is not None  # noqa: S101 - a row was read with it
    columns = zip(*rows, strict=True)
    arrays = [_array(list(c), f.type) for c, f in zip(columns, layout, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=layout)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).view(kind)  # many times as fast as one by one
    return pa.array(values, kind)


def _fit(rows: pa.RecordBatch, layout: pa.Schema) -> pa.RecordBatch:
    """Columns that came with a newer contract are null: it only ever adds optional ones."""
    if rows.schema.equals(layout):
        return rows
    have = set(rows.schema.names)
    arrays = [
        rows.column(f.name) if f.name in have else pa.nulls(rows.num_rows, f.type) for f in layout
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=layout)


def _coded(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column
