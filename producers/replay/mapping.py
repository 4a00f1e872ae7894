"""Which columns of a file mean what, checked before a row is read."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from producers.errors import UsageError
from schemas.telemetry import DIMENSIONS, MEASURES, Column, SampleType

#: The measure that a file's count is, by sample type.
COUNT_OF = {
    SampleType.VIEWERS: "viewers",
    SampleType.ORDERS: "orders",
    SampleType.COMPLAINTS: "complaints",
    SampleType.REVIEWS: "reviews",
}
_DEFAULTS = {
    "district": "999999", "category": "other", "code": "C99", "channel": "platform",
    "mode": "machine", "outcome": "passed",
}  # fmt: skip


@dataclass(frozen=True)
class Mapping:
    """How a file becomes rows of one sample type.

    `constants` gives contract columns one value, `columns` takes them from a column of the
    file; other columns get a default (unknown district, category other) or null. The
    entity, from which session and merchant pseudonyms are made, is `entity_column` or the
    file's name. `time_format` is a strptime format, epoch-s or epoch-ms; None: ISO 8601.
    Raises UsageError naming the column and the rule.
    """

    sample: SampleType
    time_column: str
    time_format: str | None = None
    time_zone: str = "UTC"
    count_column: str | None = None
    entity_column: str | None = None
    constants: Map[str, str] = field(default_factory=dict)
    columns: Map[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {c.name: c for c in (*DIMENSIONS, *MEASURES[self.sample])}
        for name, value in self.constants.items():
            _check_constant(_known(known, name, self.sample), value)
        for name in self.columns:
            _known(known, name, self.sample)
        both = sorted(set(self.constants) & set(self.columns))
        if both:
            raise UsageError(f"{both[0]}: is given both a value and a column")

    @property
    def wanted(self) -> list[str]:
        """Columns of the file that are read; no other is."""
        single = [self.time_column, self.count_column, self.entity_column]
        names = [n for n in single if n is not None] + list(self.columns.values())
        return list(dict.fromkeys(names))

    def constant(self, column: Column) -> Any:
        """Value of a contract column that the file does not give."""
        given = self.constants.get(column.name)
        if given is not None:
            if pa.types.is_boolean(column.type):
                return given == "true"
            return int(given) if column.maximum is not None else given
        if column.name == COUNT_OF[self.sample]:
            return 1
        if column.nullable:
            return None
        return _DEFAULTS.get(column.name, 0)


def _known(known: dict[str, Column], name: str, sample: SampleType) -> Column:
    column = known.get(name)
    if column is None or (column.pattern is not None and column.name.endswith(("_id", "_pid"))):
        allowed = [n for n, c in known.items() if not n.endswith(("_id", "_pid"))]
        raise UsageError(f"{name}: {sample.value} take only {', '.join(allowed)}")
    return column


def _check_constant(column: Column, value: str) -> None:
    if column.allowed is not None and value not in column.allowed:
        raise UsageError(f"{column.name}: must be one of {', '.join(sorted(column.allowed))}")
    if column.maximum is not None and not (value.isdigit() and int(value) <= column.maximum):
        raise UsageError(f"{column.name}: must be a whole number up to {column.maximum}")
    if pa.types.is_boolean(column.type) and value not in {"true", "false"}:
        raise UsageError(f"{column.name}: must be true or false")
