"""Pseudonyms that a platform made by padding or coding a person's number."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import RowError
from schemas.personal import coded_number_fault
from schemas.telemetry import PSEUDONYM, SampleType, columns

Mask = npt.NDArray[np.bool_]
_SHAPED = re.compile(PSEUDONYM.rstrip("$")).fullmatch
_LENGTH = 32


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


def suspects(values: pa.StringArray) -> Mask:
    """Which of the pseudonyms have to be judged one by one: few, one in two hundred random ones.

    What `coded_number_fault` can find at all has eight of a kind in a row, 17 digits in a row, or
    is text in hex. Looked for in the bytes: patterns take more than half of the gateway's time.
    """
    whole = pc.equal(pc.binary_length(values), _LENGTH).fill_null(False).to_numpy(False)
    known = values if whole.all() else values.filter(pa.array(whole))
    found = np.zeros(len(values), dtype=bool)
    text = _bytes(known)
    found[np.flatnonzero(whole)[_rows(text)]] = True
    return found


def _bytes(values: pa.StringArray) -> npt.NDArray[np.uint8]:
    if not len(values):
        return np.zeros(0, np.uint8)
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    first, end = offsets[values.offset], offsets[values.offset + len(values)]
    return np.frombuffer(values.buffers()[2], np.uint8)[first:end]


def _rows(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Rows of 32 bytes with a suspect in them, some twice. What lies across two counts, too."""
    places = np.concatenate([np.flatnonzero(_eight_alike(text)), np.flatnonzero(_digits(text))])
    return np.concatenate([places // _LENGTH, np.flatnonzero(_text_in_hex(text))])


def _eight_alike(text: npt.NDArray[np.uint8]) -> Mask:
    two = text[1:] == text[:-1]
    three = two[1:] & two[:-1]
    five = three[2:] & three[:-2]
    eight: Mask = five[3:] & five[:-3]
    return eight


def _digits(text: npt.NDArray[np.uint8]) -> Mask:
    """Where 17 digits in a row begin."""
    one = run = text <= ord("9")
    for more in (1, 2, 4, 8):
        run = run[more:] & run[:-more]
    return run[1:] & one[:-16]


def _text_in_hex(text: npt.NDArray[np.uint8]) -> Mask:
    """By row: every two digits are a printed character, or the filler 00."""
    high = text[::2]
    printed = (high - np.uint8(ord("2"))) <= ord("7") - ord("2")
    printed |= (high == ord("0")) & (text[1::2] == ord("0"))
    every: Mask = (printed.view(np.uint64).reshape(-1, 2) == 0x0101010101010101).all(axis=1)
    return every


def _judged(text: str) -> str | None:
    # Of another shape the contract's own rule says so.
    return coded_number_fault(text) if _SHAPED(text) else None
