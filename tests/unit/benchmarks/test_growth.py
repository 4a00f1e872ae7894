"""What the queries took is one table, the smallest warehouse first, in the width of a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from benchmarks.growth import draw


def told(rows: int, hours: int, slowest: int, over: list[str]) -> dict[str, object]:
    return {
        "rows": rows, "fill_s": rows // 400_000, "gb": rows / 4e7, "hours": hours, "queries": 163,
        "slowest_query_ms": slowest, "slowest_cpu_ms": slowest + 50, "median_ms": 20,
        "over_budget": over,
    }  # fmt: skip


def test_a_line_a_size_and_range() -> None:
    out = io.StringIO()
    found = [
        told(100_000_000, 2160, 1091, ["a: 1091 ms"]),
        told(100_000_000, 6, 90, []),
        told(1_000_000, 6, 75, []),
    ]
    draw(found, Console(file=out, width=80))
    drawn = out.getvalue()
    lines = [[c.strip() for c in x.split("│")[1:-1]] for x in drawn.splitlines() if "│" in x]
    assert lines == [
        ["1,000,000", "2", "0.03", "6 h", "75", "125", "20", "0"],
        ["100,000,000", "250", "2.50", "6 h", "90", "140", "20", "0"],
        ["100,000,000", "250", "2.50", "90 d", "1091", "1141", "20", "1"],
    ]
    assert "163 queries" in drawn
