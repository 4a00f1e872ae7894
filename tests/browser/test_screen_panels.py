"""Every panel's SQL on the real engine over a simulated day, and key figures against numpy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from clickhouse_driver.errors import ServerException

from deploy.check.simulated_day.events import flag_events
from deploy.check.simulated_day.key_panels import KEY_PANELS, KeyPanel, last
from deploy.check.simulated_day.reference import O, Reference
from deploy.serving_check.panels import faults
from grafana.dashboards import catalogue
from grafana.dashboards.catalogue import Asked
from grafana.screen.timerange import TimeRange
from tests.browser.conftest import DATABASE, CityDay

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def truth(city_day: CityDay) -> Reference:
    return Reference(city_day.day)


@pytest.fixture(scope="module")
def panel(city_day: CityDay) -> Any:
    """Rows of a panel over a span, as its committed SQL gives them."""

    def asked(board: str, number: int, span: TimeRange, **values: str) -> list[dict[str, Any]]:
        known = {"session": city_day.day.session, **values}
        (one,) = [
            a for a in catalogue.panels(span, known) if a.board == board and a.name == str(number)
        ]
        found = city_day.ask(one.sql)
        names = [column.name for column in found.columns]
        rows = zip(*(column.values for column in found.columns), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return asked


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_panel_answers_with_rows_in_order(city_day: CityDay, lang: Any) -> None:
    known = {"session": city_day.day.session}
    listed = catalogue.panels(city_day.day.span, known, lang)
    assert len(listed) > 120
    if lang == "en":
        # What reads the same in both languages has been asked already.
        asked = {a.sql for a in catalogue.panels(city_day.day.span, known, "zh")}
        listed = [a for a in listed if a.sql not in asked]
    once = {(a.sql, a.kind): a for a in listed}.values()
    wrong = [f"{a.board}/{a.name} {w}" for a in once for w in _faults(city_day, a)]
    assert wrong == []


def test_annotations_and_variables_answer(city_day: CityDay) -> None:
    for asked in catalogue.others(city_day.day.span, {"session": city_day.day.session}):
        found = city_day.ask(asked.sql)
        columns = [c.name for c in found.columns]
        if asked.kind == "annotation":
            assert columns == ["time", "timeEnd", "text", "tags"], asked
        else:
            assert len(columns) == 1
            assert found.rows > 0


def _faults(city_day: CityDay, asked: Asked) -> list[str]:
    try:
        found = city_day.ask(asked.sql)
    except ServerException as error:
        return [str(error).split("Stack trace")[0][:300]]
    return list(faults(asked.kind, found.columns))


@pytest.mark.parametrize("key", KEY_PANELS, ids=str)
def test_a_key_panel_agrees_with_the_raw_rows(key: KeyPanel, panel: Any, truth: Reference) -> None:
    assert key.differences(panel, truth) == []


def test_silence_is_unknown_and_not_zero(panel: Any, city_day: CityDay) -> None:
    """p03 sends nothing from 16:00 to 16:25: no line there, whatever the sums say."""
    start = city_day.day.start
    dark = range(16 * 60 + 1, 16 * 60 + 25)
    begin = round(start.timestamp() * 1000)
    around = TimeRange(start + timedelta(hours=15, minutes=30), start + timedelta(hours=16.9))
    for number in (11, 12, 13):
        found = [r for r in panel("city-overview", number, around) if r["platform_id"] == "p03"]
        silent = [r for r in found if (r["time"] - begin) // 60_000 in dark]
        assert all(r["value"] is None for r in silent)
        assert any(r["value"] for r in found)


def test_a_filter_narrows_the_flags(panel: Any, city_day: CityDay) -> None:
    events = flag_events(city_day.day)
    mine = {e["flag_id"] for e in events if e["platform_id"] == "p03"}
    (narrow,) = panel("flags-appeals", 2, city_day.day.span, platform="p03")
    assert narrow["opened"] == len(mine)


def test_appeals_and_files_are_those_of_the_ledger(panel: Any, city_day: CityDay) -> None:
    """Flags 31 to 35."""
    (found,) = panel("flags-appeals", 31, city_day.day.span)
    assert (found["appeals"], found["overturned_share"]) == (2, 0.5)
    assert found["minutes_to_ack"] == 11  # of 10, 11 and 12 minutes after they were told
    states = {r["name"]: r["value"] for r in panel("flags-appeals", 34, city_day.day.span)}
    assert states["撤销"] == states["维持"] == states["已确认"] == 1
    files = panel("flags-appeals", 35, city_day.day.span)
    assert len(files) == sum(states.values())


def test_a_filter_narrows_the_figures(panel: Any, city_day: CityDay, truth: Reference) -> None:
    chosen = {"platform": "p01", "category": "apparel"}
    found = panel("city-overview", 2, city_day.day.hour, **chosen)
    at = truth.minute_of(city_day.day.closed_through)
    keep = truth.of(O, platform_id="p01", category="apparel") & truth.within(O, at, at)
    assert last(found, "orders_per_min") == truth.total(O, "orders", keep)


def test_before_the_first_sample_everything_is_unknown(panel: Any, city_day: CityDay) -> None:
    early = city_day.day.start - timedelta(hours=9)
    span = TimeRange(early, early + timedelta(hours=1))
    assert panel("city-overview", 2, span) == []
    (flags,) = panel("city-overview", 8, span)
    assert set(flags.values()) == {None}
    (summary,) = panel("complaints", 2, span)
    assert set(summary.values()) == {None}


def test_the_database_is_not_changed_by_looking(warehouse: Any) -> None:
    with (
        warehouse.client(database=DATABASE, user="viewer") as client,
        pytest.raises(ServerException, match="readonly"),
    ):
        client.execute("DROP TABLE flag_events")
