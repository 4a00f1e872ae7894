"""Series to test a detector on: CSV files with columns `bin,count[,exposure]`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.backtest.bins import bin_number
from pipelines.backtest.tame import odd_exposures

Floats = npt.NDArray[np.float64]
MAX_BINS = 2_000_000
COUNT_CEILING = 2.0**40


class BinLength(StrEnum):
    """How long a bin is."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"
    WEEK = "1w"

    @property
    def seconds(self) -> int:
        return {"5m": 300, "1h": 3_600, "1d": 86_400, "1w": 604_800}[self.value]


class InputError(Exception):
    """A file that is no series. The message names file, line, field and rule."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series, in rising order of its bins; what is unknown is NaN.

    `number` [T] are whole numbers of bins: since 1970 where the file has times, with 0 a Monday
    (days) or as they stand. `text` [T] is the bin as the file writes it.
    """

    name: str
    text: list[str]
    number: Floats
    counts: Floats
    exposure: Floats
    remarks: list[str]


def find(path: Path) -> list[Path]:
    """The CSV files that `path` names. Raises InputError when there is none."""
    files = sorted(f for f in path.glob("*.csv") if f.is_file()) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise InputError(f"{path}: no CSV file there")
    return files


def read(path: Path, length: BinLength) -> Series:
    """Read one file. Raises InputError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = csv.DictReader(file)
            names = {name.strip().lower(): name for name in rows.fieldnames or ()}
            for wanted in ("bin", "count"):
                if wanted not in names:
                    raise InputError(f"{path}: column {wanted}: is missing")
            return _series(path, length, list(_parse(path, rows, names)))
        except (csv.Error, UnicodeDecodeError):
            raise InputError(f"{path}: is not a CSV file in UTF-8") from None


def _parse(
    path: Path, rows: csv.DictReader[str], names: dict[str, str]
) -> Iterator[tuple[str, float, float]]:
    for number, row in enumerate(rows, start=2):
        if number > MAX_BINS:
            raise InputError(f"{path}: has more than {MAX_BINS} rows")
        where = f"{path}: line {number}"
        count = _number(row[names["count"]], where, "count")
        exposure = 1.0
        if "exposure" in names:
            exposure = _number(row[names["exposure"]], where, "exposure")
        yield (row[names["bin"]] or "").strip(), min(count, COUNT_CEILING), exposure


def _number(text: str | None, where: str, field: str) -> float:
    """A count or an exposure; empty, NaN and negative are unknown."""
    try:
        value = float(text) if text and text.strip() else math.nan
    except ValueError:
        raise InputError(f"{where}: {field}: must be a number") from None
    return value if value >= 0 and math.isfinite(value) else math.nan


def _series(path: Path, length: BinLength, rows: list[tuple[str, float, float]]) -> Series:
    remarks: list[str] = []
    found: dict[int, tuple[str, float, float]] = {}
    last = None
    disordered = repeated = 0
    for row, (text, count, exposure) in enumerate(rows, start=2):
        try:
            number = bin_number(text, length.seconds)
        except ValueError as error:
            raise InputError(f"{path}: line {row}: bin: {error}") from None
        disordered += last is not None and number < last
        repeated += number in found
        found[number] = (text, count, exposure)
        last = number
    order = sorted(found)
    if disordered:
        remarks.append(f"{disordered} rows were out of order and have been sorted")
    if repeated:
        remarks.append(f"{repeated} rows repeat a bin: the last one counts")
    gaps = sum(b - a - 1 for a, b in pairwise(order))
    if gaps:
        remarks.append(f"{gaps} bins are missing: unknown, not zero")
    counts = np.array([found[b][1] for b in order], float)
    exposures = np.array([found[b][2] for b in order], float)
    odd = odd_exposures(exposures)
    if odd.any():
        remarks.append(f"{int(odd.sum())} bins have an exposure a thousand times off: unknown")
    exposures = np.where(odd, np.nan, exposures)
    unknown = int((~np.isfinite(counts) | ~(exposures > 0)).sum())
    if unknown > int(odd.sum()):
        remarks.append(f"{unknown} bins have no usable count or exposure: unknown, not zero")
    texts = [found[b][0] for b in order]
    return Series(path.stem, texts, np.array(order, float), counts, exposures, remarks)
