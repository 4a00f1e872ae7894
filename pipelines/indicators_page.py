"""`docs/indicators.md`, made from the registry: `python -m pipelines.indicators_page FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.core.catalog import TABLE, Indicator


def markdown() -> str:
    """The page."""
    names = (
        "id, 指标, indicator, formula, windows, unit, scopes, unknown below, provisional, settled"
    )
    head = "| " + " | ".join(names.split(", ")) + " |"
    lines = [
        "# Indicators",
        "",
        "Made from `pipelines/core/catalog.py` by `python -m pipelines.indicators_page "
        "docs/indicators.md`, which a test checks. Windows of hours are of clock hours and windows "
        "of days are of Shanghai days, the present one included. Unknown is null, never zero. "
        "Medians and other quantiles are the upper edge of a bucket of one mergeable histogram "
        "(`pipelines/core/quantiles.py`), in the stream and in SQL alike. "
        "`v_settled_indicator_values(at = minute)` takes the minute that ends the window; "
        "`v_ledger_appeals` has a row for each Shanghai day that ends one.",
        "",
        head,
        "|" + "---|" * 10,
        *(_row(one) for one in TABLE),
    ]
    return "\n".join(lines) + "\n"


def _row(one: Indicator) -> str:
    least = f"{one.minimum} {one.minimum_of}" if one.minimum else ""
    where = f"`{one.table}`" + (f": `{one.columns}`" if one.columns else "")
    cells = (
        one.id, one.zh, one.en, one.formula, ", ".join(one.windows), one.unit,
        ", ".join(one.scopes), least, where, f"`{one.settled}`",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), "utf-8")
