"""Pseudonyms that a platform made by padding or coding a person's number."""

from __future__ import annotations

import re

import pyarrow as pa

from schemas.errors import RowError
from schemas.personal import coded_number_fault
from schemas.telemetry import PSEUDONYM, SampleType, columns

_CLEAN: set[str] = set()
_REMEMBERED = 200_000
_SHAPED = re.compile(PSEUDONYM.rstrip("$")).fullmatch


def coded_pseudonyms(rows: pa.RecordBatch, sample: SampleType) -> list[RowError]:
    """Pseudonyms that are a person's number. A source says the same ones with every sample, so each
    is judged once; the pipeline, which reads far more, knows their pattern only."""
    errors = []
    for column in columns(sample):
        if column.pattern != PSEUDONYM:
            continue
        values = rows.column(column.name)
        faults = {text: fault for text in _new(values) if (fault := _judged(text))}
        if faults:
            errors += [
                RowError(n, column.name, faults[text])
                for n, text in enumerate(values.to_pylist())
                if text in faults
            ]
    return errors


def _new(values: pa.Array) -> set[str]:
    return {text for text in values.unique().to_pylist() if text is not None} - _CLEAN


def _judged(text: str) -> str | None:
    if not _SHAPED(text):
        return None  # the contract's own rule says so
    fault = coded_number_fault(text)
    if fault is None:
        if len(_CLEAN) >= _REMEMBERED:
            _CLEAN.clear()
        _CLEAN.add(text)
    return fault
