"""JSONL, CSV or Parquet in chunks, times and counts made uniform; bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from producers.arrays import I64
from producers.errors import UsageError
from producers.replay.mapping import Mapping

_BLOCK_BYTES = 1 << 20
_CHUNK_ROWS = 16_384
_EPOCHS = {"epoch-ms": 1, "epoch-s": 1000}


def read_chunks(path: Path, mapping: Mapping) -> Iterator[pa.RecordBatch]:
    """The mapped columns of a file, in chunks of bounded size.

    Raises UsageError when the file cannot be read or lacks a column.
    """
    readers = {
        ".csv": _csv, ".jsonl": _json, ".ndjson": _json, ".json": _json, ".parquet": _parquet,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: must be .csv, .jsonl or .parquet")
    try:
        yield from reader(path, mapping)
    except pa.ArrowKeyError as error:
        raise UsageError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path}: cannot be read ({type(error).__name__})") from None


def _csv(path: Path, mapping: Mapping) -> Iterator[pa.RecordBatch]:
    # All as text: what a column is must not depend on its first megabyte.
    with path.open("rb") as file:
        names = pa.csv.open_csv(file).schema.names
    _check_columns(path, names, mapping)
    options = pa.csv.ConvertOptions(
        include_columns=mapping.wanted,
        column_types=dict.fromkeys(mapping.wanted, pa.string()),
        strings_can_be_null=True,
    )
    read = pa.csv.ReadOptions(block_size=_BLOCK_BYTES)
    with pa.csv.open_csv(path, read_options=read, convert_options=options) as reader:
        yield from reader


def _json(path: Path, mapping: Mapping) -> Iterator[pa.RecordBatch]:
    options = pa.json.ReadOptions(block_size=_BLOCK_BYTES)
    with pa.json.open_json(path, read_options=options) as reader:
        _check_columns(path, reader.schema.names, mapping)
        for chunk in reader:
            yield chunk.select(mapping.wanted)


def _parquet(path: Path, mapping: Mapping) -> Iterator[pa.RecordBatch]:
    with pa.parquet.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names, mapping)
        yield from file.iter_batches(_CHUNK_ROWS, columns=mapping.wanted)


def _check_columns(path: Path, names: list[str], mapping: Mapping) -> None:
    for name in mapping.wanted:
        if name not in names:
            raise UsageError(f"{path.name}: has no column {name!r}; it has {', '.join(names)}")


def event_ms(chunk: pa.RecordBatch, mapping: Mapping, first_row: int) -> I64:
    """Event times of a chunk. Raises UsageError naming the row and the column."""
    name = mapping.time_column
    values = chunk.column(name)
    if values.null_count:
        row = first_row + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise UsageError(f"row {row}: {name}: must not be empty")
    try:
        return _to_ms(values, mapping)
    except (pa.ArrowException, ValueError):
        rule = mapping.time_format or "ISO 8601; else give --time-format"
        raise UsageError(f"rows from {first_row}: {name}: must be a time ({rule})") from None


def _to_ms(values: pa.Array, mapping: Mapping) -> I64:
    scale = _EPOCHS.get(mapping.time_format or "")
    if scale is not None:
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(np.rint(numbers * scale), np.int64)
    if pa.types.is_timestamp(values.type):
        stamps = values
    elif mapping.time_format:
        stamps = pc.strptime(values, format=mapping.time_format, unit="ms")
    elif pa.types.is_string(values.type):
        stamps = _iso(values)
    else:
        raise ValueError("a number needs --time-format epoch-s or epoch-ms")
    if stamps.type.tz is None:
        stamps = pc.assume_timezone(
            stamps.cast(pa.timestamp("ms")), mapping.time_zone,
            ambiguous="earliest", nonexistent="earliest",
        )  # fmt: skip
    stamps = stamps.cast(pa.timestamp("ms", tz="UTC"), safe=False)
    return np.asarray(stamps.view(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _iso(values: pa.Array) -> pa.Array:
    """Text to timestamps; with a zone offset or without."""
    try:
        return values.cast(pa.timestamp("ms"))
    except pa.ArrowInvalid:
        return values.cast(pa.timestamp("ms", tz="UTC"))


def whole_numbers(values: pa.Array, name: str, maximum: int, first_row: int) -> I64:
    """Counts of a column. Raises UsageError naming the column and the rule."""
    try:
        numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        numbers = np.array([np.nan])
    bad = ~((numbers >= 0) & (numbers <= maximum) & (np.rint(numbers) == numbers))
    if bad.any():
        row = first_row + int(np.flatnonzero(bad)[0])
        raise UsageError(f"row {row}: {name}: must be a whole number from 0 to {maximum}")
    return np.asarray(numbers, np.int64)
