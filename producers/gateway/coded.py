"""Pseudonyms that a platform made by padding or coding a person's number."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import RowError
from schemas.personal import coded_number_fault
from schemas.telemetry import PSEUDONYM, SampleType, columns

#: What `coded_number_fault` can find at all: eight of a kind in a row, 17 digits, text in hex. Of
#: random pseudonyms one in two hundred is like that, so few are judged one by one. Apart, since
#: one pattern of all of them takes more than twice as long.
SUSPECT = (
    "|".join(f"{digit}{{8}}" for digit in "0123456789abcdef"),
    "[0-9]{17}",
    "^(?:00|[2-7][0-9a-f])+$",
)
_SHAPED = re.compile(PSEUDONYM.rstrip("$")).fullmatch


def coded_pseudonyms(rows: pa.RecordBatch, sample: SampleType) -> list[RowError]:
    """Pseudonyms that are a person's number. The pipeline knows their pattern only."""
    errors = []
    for column in columns(sample):
        if column.pattern != PSEUDONYM:
            continue
        values = rows.column(column.name)
        for n in np.flatnonzero(suspects(values)).tolist():
            fault = _judged(values[n].as_py())
            if fault is not None:
                errors.append(RowError(n, column.name, fault))
    return errors


def suspects(values: pa.Array) -> pa.Array:
    """Which of the pseudonyms have to be judged one by one."""
    first, *others = (pc.match_substring_regex(values, pattern) for pattern in SUSPECT)
    for found in others:
        first = pc.or_(first, found)
    return first.fill_null(False)


def _judged(text: str) -> str | None:
    # Of another shape the contract's own rule says so.
    return coded_number_fault(text) if _SHAPED(text) else None
