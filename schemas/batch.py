"""A batch on the wire: one self-contained Arrow IPC stream."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from schemas.errors import ContractError, RowError
from schemas.identity import BatchHeader
from schemas.telemetry import ARROW, MAX_BYTES, MAX_ROWS, SampleType, columns
from schemas.validate import row_errors


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
    """Serialise one record batch (schema `ARROW[sample]`) to an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(sink.getvalue())


def decode(value: bytes | None, header: BatchHeader, broker_ms: int) -> Batch:
    """Decode and validate the value of a record.

    `broker_ms` is the record's LogAppendTime, against which the clock guard works.
    Raises ContractError when the whole record cannot be used.
    """
    sample = header.identity.sample
    table = read_value(value, sample)
    if table.num_rows != header.rows:
        raise ContractError("ce_rows", "must equal the number of rows in the batch")
    refused = row_errors(table, sample, broker_ms)
    if not refused:
        return Batch(header, table, None, [])
    bad = {e.row for e in refused}
    good = [i for i in range(table.num_rows) if i not in bad]
    return Batch(header, table.take(pa.array(good, pa.int32())), good, refused)


def read_value(value: bytes | None, sample: SampleType) -> pa.RecordBatch:
    """The rows of an Arrow stream in the contract's schema; their values are not judged yet.

    Raises ContractError.
    """
    if not value:
        raise ContractError("value", "must be an Arrow IPC stream")
    if len(value) > MAX_BYTES:
        raise ContractError("value", f"must be at most {MAX_BYTES} bytes")
    try:
        # One batch is read and the stream's end is not looked for: a second batch is refused
        # below, so the rows in memory stay bounded by the record's own size.
        with pa.ipc.open_stream(value) as reader:
            _check_schema(reader.schema, sample)
            table = reader.read_next_batch()
            if _has_more(reader):
                raise ContractError("value", "must hold exactly one record batch")
        if table.num_rows > MAX_ROWS:
            raise ContractError("value", f"must have at most {MAX_ROWS} rows")
        table.validate(full=True)
    except ContractError:
        raise
    except (pa.ArrowException, OSError, ValueError, StopIteration, MemoryError):
        raise ContractError("value", "is not a readable Arrow IPC stream") from None
    return table


def _has_more(reader: pa.ipc.RecordBatchStreamReader) -> bool:
    try:
        reader.read_next_batch()
    except StopIteration:
        return False
    return True


def _check_schema(found: pa.Schema, sample: SampleType) -> None:
    """The allow-list: each column of the contract, in order, and not one more."""
    if found.equals(ARROW[sample]):
        return
    known = {c.name: c for c in columns(sample)}
    for field in found:
        column = known.pop(field.name, None)
        if column is None:
            # The name itself may be personal data: it is not repeated.
            raise ContractError("schema", "has a column that the contract does not list")
        if field.type != column.type:
            raise ContractError(column.name, f"must have Arrow type {column.type}")
    if known:
        raise ContractError(next(iter(known)), "column is missing")
    if found.names != ARROW[sample].names:
        raise ContractError("schema", "columns must stand in the contract's order")
