"""A query's result as columns of JSON values."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

Kind = Literal["time", "number", "string"]


@dataclass(frozen=True)
class Column:
    """Times are milliseconds since the epoch, UTC; an unknown value is None."""

    name: str
    kind: Kind
    values: list[Any]


@dataclass(frozen=True)
class Frame:
    columns: tuple[Column, ...]

    @property
    def rows(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    @cached_property
    def body(self) -> dict[str, Any]:
        """As JSON; made once for all panels that share the query."""
        columns = [{"name": c.name, "type": c.kind, "values": c.values} for c in self.columns]
        # The page redraws a panel only when its digest changes.
        packed = json.dumps(columns, ensure_ascii=False).encode()
        digest = hashlib.blake2b(packed, digest_size=8).hexdigest()
        return {"status": "ok", "columns": columns, "rows": self.rows, "digest": digest}


def frame(names_types: Sequence[tuple[str, str]], columns: Sequence[Sequence[Any]]) -> Frame:
    """From the driver's columnar result; no rows come as no columns."""
    filled = columns or [()] * len(names_types)
    return Frame(
        tuple(
            Column(name, kind, [_CONVERT[kind](v) for v in values])
            for (name, kind), values in zip(
                ((n, kind_of(t)) for n, t in names_types), filled, strict=True
            )
        )
    )


def kind_of(clickhouse_type: str) -> Kind:
    inner = clickhouse_type
    for wrapper in ("LowCardinality(", "Nullable("):
        inner = inner.removeprefix(wrapper)
    if inner.startswith("Date"):
        return "time"
    return "number" if inner.startswith(("Int", "UInt", "Float", "Decimal", "Bool")) else "string"


def _time(value: Any) -> int | None:
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000)
    return None


def _number(value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    number: int | float = value
    return number


def _string(value: Any) -> str | None:
    return None if value is None else str(value)


_CONVERT: dict[Kind, Callable[[Any], Any]] = {
    "time": _time,
    "number": _number,
    "string": _string,
}
