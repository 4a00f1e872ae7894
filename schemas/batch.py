"""A batch on the wire: one self-contained Arrow IPC stream."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from schemas.errors import ContractError, RowError
from schemas.identity import BatchHeader
from schemas.ipc import inflated_bytes
from schemas.telemetry import (
    ARROW,
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_INFLATED,
    MAX_ROWS,
    MINOR,
    SampleType,
    arrow_schema,
    columns,
)
from schemas.validate import row_errors

# What stands for a column that was left out: cut to length, which costs nothing.
_ABSENT = {
    t: {c.name: pa.nulls(MAX_ROWS, c.type) for c in columns(t) if c.since > 0} for t in SampleType
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch: header, rows that follow the contract, and those that do not.

    `rows` are the numbers of the good rows within the batch, which with the header's
    identity name each row; `table` holds just those rows.
    """

    header: BatchHeader
    table: pa.RecordBatch
    rows: list[int] | None
    refused: list[RowError]


def encode(rows: pa.RecordBatch) -> bytes:
    """Serialise one record batch (schema `ARROW[sample]`) to an Arrow IPC stream.

    Columns after 1.0 that hold nothing may have been left out (`lean`).
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(sink.getvalue())


def lean(rows: pa.RecordBatch, sample: SampleType) -> pa.RecordBatch:
    """The rows without the columns after 1.0 in which nothing is told: fewer bytes, same meaning.

    `rows` has the schema `ARROW[sample]`.
    """
    told = [
        name
        for name, values in zip(rows.schema.names, rows.columns, strict=True)
        if name not in _ABSENT[sample] or values.null_count < len(values)
    ]
    return rows if len(told) == rows.num_columns else rows.select(told)


def decode(value: bytes | None, header: BatchHeader, broker_ms: int) -> Batch:
    """Decode and validate the value of a record.

    `broker_ms` is the record's LogAppendTime, against which the clock guard works.
    Raises ContractError when the whole record cannot be used.
    """
    sample = header.identity.sample
    table = read_value(value, sample, header.minor)
    if table.num_rows != header.rows:
        raise ContractError("ce_rows", "must equal the number of rows in the batch")
    refused = row_errors(table, sample, broker_ms)
    if not refused:
        return Batch(header, table, None, [])
    bad = {e.row for e in refused}
    good = [i for i in range(table.num_rows) if i not in bad]
    return Batch(header, table.take(pa.array(good, pa.int32())), good, refused)


def read_value(
    value: bytes | None, sample: SampleType, declared: int = MINOR, reader: int = MINOR
) -> pa.RecordBatch:
    """The rows of an Arrow stream, schema `arrow_schema(sample, reader)`; values not judged yet.

    `declared` is the minor version that the batch was written by, `reader` the one that is read
    with. Of a newer one (declared > reader) only the columns that the reader knows are read, the
    others not even decoded; an unknown column of a version that it knows is refused. Columns
    after 1.0 that are left out are null. Raises ContractError.
    """
    if not value:
        raise ContractError("value", "must be an Arrow IPC stream")
    if len(value) > MAX_BYTES:
        raise ContractError("value", f"must be at most {MAX_BYTES} bytes")
    try:
        if inflated_bytes(value) > MAX_INFLATED:
            raise ContractError("value", f"must inflate to at most {MAX_INFLATED} bytes")
        # One batch is read and the stream's end is not looked for: a second batch is refused
        # below, so the rows in memory stay bounded by the record's own size.
        with pa.ipc.open_stream(value) as stream:
            known = _known_columns(stream.schema, sample, declared, reader)
            if known is None:
                table = _only_batch(stream)
        if known is not None:
            options = pa.ipc.IpcReadOptions(included_fields=known)
            with pa.ipc.open_stream(value, options=options) as stream:
                table = _only_batch(stream)
        if table.num_rows > MAX_ROWS:
            raise ContractError("value", f"must have at most {MAX_ROWS} rows")
        table.validate(full=True)
    except ContractError:
        raise
    except (pa.ArrowException, OSError, ValueError, StopIteration, MemoryError):
        raise ContractError("value", "is not a readable Arrow IPC stream") from None
    return _whole(table, sample, reader)


def _only_batch(stream: pa.ipc.RecordBatchStreamReader) -> pa.RecordBatch:
    table = stream.read_next_batch()
    if _has_more(stream):
        raise ContractError("value", "must hold exactly one record batch")
    return table


def _whole(table: pa.RecordBatch, sample: SampleType, reader: int) -> pa.RecordBatch:
    """With the columns that were left out, as null."""
    schema = ARROW[sample] if reader == MINOR else arrow_schema(sample, reader)
    if table.num_columns == len(schema):
        return table
    n, absent, names = table.num_rows, _ABSENT[sample], set(table.schema.names)
    arrays = [
        table.column(name) if name in names else absent[name].slice(0, n) for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _has_more(reader: pa.ipc.RecordBatchStreamReader) -> bool:
    try:
        reader.read_next_batch()
    except StopIteration:
        return False
    return True


def _known_columns(
    found: pa.Schema, sample: SampleType, declared: int, reader: int
) -> list[int] | None:
    """`_checked`, which sees each of the few layouts of a sample type once."""
    declared = min(declared, reader + 1)  # all that are newer are alike
    seen = _SEEN.setdefault((sample, declared, reader), [])
    for schema, at in seen:
        if found.equals(schema):
            return at
    at = _checked(found, sample, declared, reader)
    seen.insert(0, (found, at))
    del seen[_LAYOUTS:]
    return at


_LAYOUTS = 8
_SEEN: dict[tuple[SampleType, int, int], list[tuple[pa.Schema, list[int] | None]]] = {}


def _checked(found: pa.Schema, sample: SampleType, declared: int, reader: int) -> list[int] | None:
    """The allow-list: places of the columns to read; None for all. Raises ContractError."""
    if len(found) > MAX_COLUMNS:
        raise ContractError("schema", f"must have at most {MAX_COLUMNS} columns")
    known = {c.name: c for c in columns(sample, min(declared, reader))}
    if len(set(found.names)) != len(found):
        raise ContractError("schema", "has a column twice")
    if declared <= reader and not known.keys() >= set(found.names):
        # The name itself may be personal data: it is not repeated.
        raise ContractError("schema", "has a column that the contract does not list")
    at = [i for i, name in enumerate(found.names) if name in known]
    for field in (found.field(i) for i in at):
        if field.type != known[field.name].type:
            raise ContractError(field.name, f"must have Arrow type {known[field.name].type}")
    names = [found.names[i] for i in at]
    for column in known.values():
        if column.since == 0 and column.name not in names:
            raise ContractError(column.name, "column is missing")
    if names != [name for name in known if name in set(names)]:
        raise ContractError("schema", "columns must stand in the contract's order")
    return at if len(at) < len(found) else None
