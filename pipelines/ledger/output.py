"""Flags for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("opened_at", "rule", "grade", "level", "state", "platform_id", "flag_id")
_SHOWN = (
    "state", "level", "told", "held", "rule", "grade", "platform_id", "district", "opened_at",
    "over_at", "noticed_at", "decision",
)  # fmt: skip
_FIGURES = ("observed", "expected", "exposure", "window_s", "score", "threshold")


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line a flag; the id is never cut."""
    out = Table(box=None)
    for name in _COLUMNS:
        out.add_column(name, no_wrap=True, overflow="ignore")
    for row in rows:
        out.add_row(
            *(str(row[name])[:19] if name == "opened_at" else str(row[name]) for name in _COLUMNS)
        )
    wide = max((len(str(row["flag_id"])) for row in rows), default=0) + 100
    Console(file=sys.stdout, width=wide).print(out, highlight=False, markup=False)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A flag with all that is known of it."""
    yield str(found["flag_id"])
    figures = found["figures"]
    if figures is not None:
        yield f"  {figures['sentence_zh']}"
        yield f"  {figures['sentence_en']}"
    for name in _SHOWN:
        value = found[name]
        if name == "district" and found["entity_type"] in ("session", "merchant"):
            value = value if value not in ("", "999999") else "unknown"
        if value not in (None, "", []):
            yield f"  {name:<12} {', '.join(value) if isinstance(value, list) else value}"
    if figures is not None:
        for name in _FIGURES:
            yield f"  {name:<12} {figures[name]:g}"
    yield "  ledger"
    for entry in found["entries"]:
        who = entry["actor"] if entry["role"] == "system" else f"{entry['actor']} ({entry['role']})"
        said = entry["details"].get("level") or entry["details"].get("held") or entry["why"]
        yield f"  {entry['seq']:>7}  {entry['at'][:19]}  {entry['kind']:<10} {who}  {said}".rstrip()
