"""Rows of `indicator_values`: an indicator of a scope over a window, with what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.catalog import CATALOG
from pipelines.core.columns import Coded, Maybe, TableColumns

TABLE = "indicator_values"
VALUES_EVERY = 5
"""Minutes between two rows of one indicator and scope."""


class Scope(NamedTuple):
    """Whom a value is about; what does not apply is empty."""

    kind: str
    platform: str = ""
    category: str = ""
    id: str = ""


@dataclass(slots=True)
class Values:
    """Rows as they are gathered. A NaN value is unknown."""

    rows: list[tuple[str, str, str, Scope, float, float, float, int]] = field(default_factory=list)

    def add(
        self,
        indicator: str,
        window: str,
        scope: Scope,
        value: float,
        parts: tuple[float, float, int],
        part: str = "",
    ) -> None:
        """`parts`: numerator, denominator and volume. Below the minimum volume it is unknown."""
        numerator, denominator, n = parts
        known = n >= CATALOG[indicator].minimum
        shown = value if known else float("nan")
        self.rows.append((indicator, window, part, scope, shown, numerator, denominator, n))

    def columns(self, minute: int, version: int) -> TableColumns | None:
        """Columns of the table; None without rows."""
        if not self.rows:
            return None
        indicator, window, part, scope, value, top, bottom, n = zip(*self.rows, strict=True)
        shown = np.array(value, np.float64)
        return {
            "minute": np.full(len(shown), minute * 60, np.int64),
            "indicator": coded(indicator),
            "window": coded(window),
            "part": coded(part),
            "scope": coded([s.kind for s in scope]),
            "platform_id": coded([s.platform for s in scope]),
            "category": coded([s.category for s in scope]),
            "session_id": [s.id for s in scope],
            "value": Maybe(np.nan_to_num(shown), np.isnan(shown)),
            "numerator": np.array(top, np.float64),
            "denominator": np.array(bottom, np.float64),
            "n": np.array(n, np.int64),
            "version": np.full(len(shown), version, np.int64),
        }


def coded(texts: Any) -> Coded:
    """Texts of few kinds."""
    values = sorted(set(texts))
    place = {v: i for i, v in enumerate(values)}
    return Coded(np.array([place[t] for t in texts], np.int32), values)


def same(text: str, n: int) -> Coded:
    """One text for `n` rows."""
    return Coded(np.zeros(n, np.int8), [text])


def percent(top: npt.NDArray[Any], bottom: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """100 x top / bottom; NaN where bottom is zero."""
    out = np.full(len(top), np.nan)
    np.divide(100 * top, bottom, out=out, where=bottom != 0)
    return out
