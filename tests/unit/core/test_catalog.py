"""The registry of indicators: complete, without contradiction, and what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.catalog import CATALOG, LONG, WIDE, Indicator
from pipelines.core.metrics import WINDOWS
from pipelines.indicators_page import markdown

ROOT = Path(__file__).parents[3]
SQL = ROOT / "schemas" / "clickhouse"


def test_the_page_is_that_of_the_registry() -> None:
    page = (ROOT / "docs" / "indicators.md").read_text("utf-8")
    assert page == markdown(), "run python -m pipelines.indicators_page docs/indicators.md"


def test_every_column_that_is_named_exists() -> None:
    declared = (SQL / "0002_indicators.up.sql").read_text("utf-8")
    for one in CATALOG.values():
        if one.table == WIDE:
            for column in one.columns.split(", "):
                for window in one.windows:
                    assert f"{column.format(w=window)} " in declared, (one.id, window)


def test_the_settled_views_exist() -> None:
    views = "".join(p.read_text("utf-8") for p in SQL.glob("*.up.sql"))
    for one in CATALOG.values():
        for view in one.settled.split(", "):
            assert f"CREATE VIEW {view} " in views, one.id
    assert all(f"{w}m" in CATALOG["I01"].windows for w in WINDOWS)
    assert all(f"'{i}'" in views for i, one in CATALOG.items() if one.table == LONG)


@pytest.mark.parametrize("wrong", [{"minimum": 3}, {"windows": ()}, {"scopes": ()}])
def test_a_contradiction_is_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {
        "id": "I99", "zh": "z", "en": "e", "formula": "f", "windows": ("1m",), "unit": "u",
        "scopes": ("city",),
    }  # fmt: skip
    with pytest.raises(ValueError, match="I99"):
        Indicator(**(good | wrong))  # type: ignore[arg-type]
