"""Rows of a file as the contract's columns, a piece at a time, each with its errors."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from producers.errors import UsageError
from producers.gateway.errors import Refusal
from producers.gateway.parse import JSON, NDJSON, parse
from schemas.errors import RowError
from schemas.telemetry import SampleType, columns

FORMATS = {
    ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv",
    ".arrow": "arrow", ".arrows": "arrow", ".feather": "arrow", ".parquet": "parquet",
}  # fmt: skip
_CHUNK = 2_000


@dataclass(frozen=True)
class Piece:
    """Some rows: how many, and the errors of those at fault, numbered within the file from 0."""

    rows: int
    errors: list[RowError]


def pieces(path: Path, sample: SampleType, now_ms: int) -> Iterator[Piece]:
    """Every row of the file. Raises UsageError when it cannot be read as what its name says."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path}: name must end in one of {', '.join(FORMATS)}")
    try:
        yield from _numbered(_chunks(path, form, sample), sample, now_ms)
    except Refusal as refusal:
        raise UsageError(f"{path}: {refusal.field}: {refusal.rule}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: must be UTF-8") from None
    except (OSError, pa.ArrowException, csv.Error, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as {form}: {type(error).__name__}") from None


def _numbered(chunks: Iterator[bytes], sample: SampleType, now_ms: int) -> Iterator[Piece]:
    first = 0
    for lines in chunks:
        found = parse(sample, NDJSON, lines, _CHUNK, now_ms)
        errors = [RowError(first + e.row, e.field, e.rule) for e in found.errors]
        count = found.rows.num_rows + len(errors)
        yield Piece(count, errors)
        first += count


def _chunks(path: Path, form: str, sample: SampleType) -> Iterator[bytes]:
    """Rows as JSON lines, `_CHUNK` at a time: one way of judging for every format."""
    if form == "ndjson":
        with path.open("rb") as file:
            lines = (line for line in file if line.strip())
            while some := list(islice(lines, _CHUNK)):
                yield b"".join(line.rstrip(b"\n") + b"\n" for line in some)
        return
    rows = {"json": _json, "csv": _csv, "arrow": _arrow, "parquet": _parquet}[form](path, sample)
    while part := list(islice(rows, _CHUNK)):
        yield "\n".join(json.dumps(row, default=_plain) for row in part).encode()


def _json(path: Path, sample: SampleType) -> Iterator[Any]:
    found = json.loads(path.read_text("utf-8"))
    if isinstance(found, list):
        return iter(found)
    body = json.dumps(found).encode()
    return iter(parse(sample, JSON, body, 32_000, 1 << 52).rows.to_pylist())


def _csv(path: Path, sample: SampleType) -> Iterator[Any]:
    """Texts become numbers where the contract wants them; an empty cell is null."""
    every = columns(sample)
    numbers = {c.name for c in every if c.maximum is not None or c.name == "event_time"}
    flags = {c.name for c in every if pa.types.is_boolean(c.type)}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, restkey="beyond the header", strict=True):
            yield {
                name: _flag(value) if name in flags else _cell(value, name in numbers)
                for name, value in row.items()
            }


_FLAGS = {"true": True, "false": False, "": None}


def _flag(value: Any) -> Any:
    return _FLAGS.get(value.lower(), value) if isinstance(value, str) else value


def _cell(value: Any, number: bool) -> Any:
    if value == "":
        return None
    if number and isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 20:
        return int(value)
    return value


def _arrow(path: Path, _: SampleType) -> Iterator[Any]:
    with pa.memory_map(str(path)) as file:
        stream = file.read(6) != b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_stream(file) if stream else pa.ipc.open_file(file)
        batches = reader if stream else map(reader.get_batch, range(reader.num_record_batches))
        for batch in batches:
            batch.validate(full=True)
            yield from batch.to_pylist()


def _parquet(path: Path, _: SampleType) -> Iterator[Any]:
    for batch in pq.ParquetFile(path).iter_batches(_CHUNK):
        yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    """What JSON does not have: times as text, anything else as something that is refused."""
    return value.isoformat() if hasattr(value, "isoformat") else {"type": type(value).__name__}
