"""What `benchmarks.queries` measured as one table: how queries grow with the rows.

`python -m benchmarks.growth FILE...` draws it of kept output, one JSON object a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_COLUMNS = (
    "raw rows", "fill\ns", "\nGB", "range", "slowest\nms", "processor\nms", "median\nms",
    "over\n200 ms",
)  # fmt: skip


def draw(found: Iterable[Mapping[str, Any]], console: Console) -> None:
    """A line a size and range, the smallest first; sizes are set apart."""
    order = sorted(found, key=lambda one: (one["rows"], one["hours"]))
    asked = max((one["queries"] for one in order), default=0)
    table = Table(title=f"{asked} queries of the dashboards", title_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for i, one in enumerate(order):
        last = i + 1 == len(order) or order[i + 1]["rows"] != one["rows"]
        table.add_row(*_line(one), end_section=last)
    console.print(table)


def _line(one: Mapping[str, Any]) -> list[str]:
    hours = one["hours"]
    return [
        f"{one['rows']:,}",
        f"{one['fill_s']:,}",
        f"{one['gb']:.2f}",
        f"{hours} h" if hours < 48 else f"{hours // 24} d",
        str(one["slowest_query_ms"]),
        str(one["slowest_cpu_ms"]),
        str(one["median_ms"]),
        str(len(one["over_budget"])),
    ]


def main() -> None:
    """Raises OSError and json.JSONDecodeError for what is not such output."""
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text("utf-8").splitlines()]
    draw([json.loads(line) for line in lines if line.startswith("{")], Console())


if __name__ == "__main__":
    main()
