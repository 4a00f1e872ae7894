"""Columns on their way to the warehouse: numbers, fixed-width text, and codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Coded:
    """A low-cardinality text column: `values[codes[i]]` is row i."""

    codes: npt.NDArray[np.integer[Any]]
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class Maybe:
    """A nullable column: row i is null where `null[i]`."""

    values: npt.NDArray[Any]
    null: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)


Column: TypeAlias = npt.NDArray[Any] | Coded | Maybe | list[str]
"""Numbers, fixed-width bytes ('S32'), codes, nullable numbers, or plain strings."""
TableColumns: TypeAlias = dict[str, Column]


def concat(parts: Sequence[Column]) -> Column:
    """Parts of one column, one after the other."""
    first = parts[0]
    if isinstance(first, list):
        return [text for part in parts if isinstance(part, list) for text in part]
    if isinstance(first, Coded):
        return _concat_coded([part for part in parts if isinstance(part, Coded)])
    if isinstance(first, Maybe):
        some = [p for p in parts if isinstance(p, Maybe)]
        values, null = [p.values for p in some], [p.null for p in some]
        return Maybe(np.concatenate(values), np.concatenate(null))
    return np.concatenate([p for p in parts if isinstance(p, np.ndarray)])


def _concat_coded(parts: Sequence[Coded]) -> Coded:
    """Partitions number their platforms each in its own order: bring them to one."""
    place: dict[str, int] = {}
    codes = []
    for part in parts:
        moved = [place.setdefault(value, len(place)) for value in part.values]
        codes.append(np.array(moved, np.int32)[part.codes])
    return Coded(np.concatenate(codes), list(place))


def from_nan(values: npt.NDArray[np.float64]) -> Maybe:
    """A nullable column in which NaN is null."""
    null = np.isnan(values)
    return Maybe(np.where(null, 0.0, values), null)
