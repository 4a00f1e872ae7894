"""Days published from a warehouse: attacked as a reader of the views would, and written once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deploy.check.differencing import READERS, cells_recovered, published
from pipelines.warehouse import publish
from tests.integration.serving.conftest import Warehouse


def test_nothing_is_recovered_from_the_views(warehouse: Warehouse) -> None:
    assert cells_recovered(warehouse.db) == []


def test_the_attacker_reads_what_a_reader_reads(warehouse: Warehouse) -> None:
    """Two days, both audiences; shown and suppressed cells in each kind of table."""
    days = warehouse.db.execute("SELECT DISTINCT day FROM v_published_day ORDER BY day")
    assert [d for (d,) in days] == list(warehouse.city.days)
    for prefix, dimensions in READERS.items():
        found = list(published(warehouse.db, prefix, dimensions, str(warehouse.city.days[0])))
        values = [v for name, shown in found if name == "sessions" for v in shown.cells.values()]
        assert None in values
        assert len([v for v in values if v is not None]) > 3
        assert len(found) == 7 + 5 + 1  # every measure by cell, by scenario, by code


def test_shown_cells_are_the_settled_figures(warehouse: Warehouse) -> None:
    """Of the raw rows, without the roll-ups."""
    rows = warehouse.city.tables["raw_orders"]
    first = warehouse.city.days[0]
    own = [r for r in rows if (r["event_time"] + timedelta(hours=8)).date() == first]
    found = warehouse.db.execute(
        "SELECT category, orders, paid_fen, sessions FROM v_published_day "
        f"WHERE day = '{first}' AND district = '*' AND NOT suppressed"
    )
    assert len(found) > 2
    for category, orders, paid, sessions in found:
        mine = [r for r in own if category in ("*", r["category"])]
        assert orders == sum(r["orders"] for r in mine)
        assert paid == sum(r["paid_fen"] for r in mine)
        assert sessions == len({r["session_id"] for r in mine})


def test_suppressed_is_neither_zero_nor_unknown(warehouse: Warehouse) -> None:
    gone = warehouse.db.execute("SELECT sessions, orders FROM v_shared_day WHERE suppressed")
    assert gone
    assert set(gone) == {(None, None)}


def test_a_day_is_published_once(warehouse: Warehouse) -> None:
    """What comes later, a correction even, changes nothing: the difference would tell."""
    before = warehouse.db.execute("SELECT * FROM v_shared_day ORDER BY ALL")
    day = warehouse.city.days[0]
    assert publish.publish(warehouse.db, day, datetime.now(UTC)).before
    # A second run that raced with the first: its rows are there, and nobody reads them.
    warehouse.db.execute(
        "INSERT INTO published_days SELECT day, 'later', published_at + 1, hours "
        f"FROM published_days WHERE day = '{day}'"
    )
    warehouse.db.execute(
        "INSERT INTO published_cells SELECT * REPLACE ('later' AS run, 0 AS suppressed) "
        f"FROM published_cells WHERE day = '{day}'"
    )
    assert warehouse.db.execute("SELECT * FROM v_shared_day ORDER BY ALL") == before


def test_a_day_without_figures_is_refused(warehouse: Warehouse) -> None:
    day = warehouse.city.days[0] - timedelta(days=9)
    with pytest.raises(ValueError, match="has no settled figures"):
        publish.publish(warehouse.db, day, datetime.now(UTC))
