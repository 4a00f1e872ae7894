"""Where two structures of figures differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NEAR = 1e-9


@dataclass(frozen=True)
class Between:
    """Any value from `low` to `high` is right."""

    low: float
    high: float


def unlike(shown: Any, counted: Any, where: str = "") -> Iterator[str]:
    """Every difference in words; numbers agree to 1e-9."""
    if isinstance(counted, Mapping):
        yield from _mappings(shown, counted, where)
    elif isinstance(counted, Sequence) and not isinstance(counted, str):
        if len(shown) != len(counted):
            yield f"{where}: {len(shown)} shown, {len(counted)} counted"
            return
        for number, pair in enumerate(zip(shown, counted, strict=True)):
            yield from unlike(*pair, f"{where}[{number}]")
    elif not _same(shown, counted):
        yield f"{where}: {shown} shown, {counted} counted"


def _mappings(shown: Mapping[str, Any], counted: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in shown.keys() | counted.keys():
        inside = f"{where}.{name}" if where else str(name)
        if name not in shown or name not in counted:
            yield f"{inside}: {'only counted' if name in counted else 'only shown'}"
        else:
            yield from unlike(shown[name], counted[name], inside)


def _same(shown: Any, counted: Any) -> bool:
    if isinstance(counted, Between):
        return shown is not None and bool(counted.low <= shown <= counted.high)
    if isinstance(shown, int | float) and isinstance(counted, int | float):
        return math.isclose(shown, counted, rel_tol=NEAR)
    return bool(shown == counted)
