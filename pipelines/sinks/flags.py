"""Flag events as columns of their table."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from pipelines.core.columns import TableColumns
from pipelines.core.flags import FlagEvent

_TEXT = "str"


def flag_columns(flags: list[FlagEvent], version: int) -> TableColumns:
    """One row an event; times are ms since the epoch."""
    out: TableColumns = {}
    for field in fields(FlagEvent):
        values = [getattr(flag, field.name) for flag in flags]
        if field.type == _TEXT:
            out[field.name] = values
        else:
            out[field.name] = np.array(values, np.float64 if field.type == "float" else np.int64)
    out["version"] = np.full(len(flags), version, np.int64)
    return out
