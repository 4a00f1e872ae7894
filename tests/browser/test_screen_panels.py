"""Every panel's SQL on the real engine over a simulated day, and key figures against numpy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from clickhouse_driver.errors import ServerException

from grafana.dashboards import catalogue
from grafana.dashboards.catalogue import Asked
from grafana.screen.timerange import TimeRange
from schemas import codes
from tests.browser.conftest import DATABASE, CityDay
from tests.browser.events import flag_events
from tests.browser.reference import C, O, Reference, V, rows

pytestmark = pytest.mark.integration
NEAR = 1e-9


@pytest.fixture(scope="module")
def truth(city_day: CityDay) -> Reference:
    return Reference(city_day.day)


@pytest.fixture(scope="module")
def panel(city_day: CityDay) -> Any:
    """Rows of a panel over a span, as its committed SQL gives them."""

    def asked(board: str, number: int, span: TimeRange, **values: str) -> list[dict[str, Any]]:
        known = {"session": city_day.session, **values}
        (found,) = [
            a for a in catalogue.panels(span, known) if a.board == board and a.name == str(number)
        ]
        return rows(city_day.ask(found.sql))

    return asked


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_panel_answers_with_rows_in_order(city_day: CityDay, lang: Any) -> None:
    known = {"session": city_day.session}
    listed = catalogue.panels(city_day.span, known, lang)
    assert len(listed) > 120
    if lang == "en":
        # What reads the same in both languages has been asked already.
        asked = {a.sql for a in catalogue.panels(city_day.span, known, "zh")}
        listed = [a for a in listed if a.sql not in asked]
    once = {(a.sql, a.kind): a for a in listed}.values()
    wrong = [f"{a.board}/{a.name} {w}" for a in once for w in _faults(city_day, a)]
    assert wrong == []


def test_annotations_and_variables_answer(city_day: CityDay) -> None:
    for asked in catalogue.others(city_day.span, {"session": city_day.session}):
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
    columns = {c.name: c for c in found.columns}
    faults = [] if found.rows else ["no rows"]
    if len(columns) != len(found.columns):
        faults.append("a column twice")
    if asked.kind in ("timeseries", "state-timeline", "heatmap"):
        first = found.columns[0]
        if first.name != "time" or first.kind != "time" or first.values != sorted(first.values):
            faults.append("no sorted time column first")
    if asked.kind == "barchart" and list(columns) != ["name", "value"]:
        faults.append(f"columns {list(columns)}")
    figures = [c for c in columns.values() if c.kind != "string" and c.name != "time"]
    if asked.kind != "table" and not any(v is not None for c in figures for v in c.values):
        faults.append("no figure")
    return faults


def last(found: list[dict[str, Any]], name: str) -> Any:
    return [row[name] for row in found if row[name] is not None][-1]


def test_the_city_s_figures(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """Panels 2 to 6 of the city overview: I01, I02, I04, I05, I11 at the last closed minute."""
    found = panel("city-overview", 2, city_day.hour)
    at = truth.minute_of(city_day.day.closed_through)
    sessions, viewers = truth.gauges(at, truth.of(V))
    paid = truth.total(O, "paid_fen", truth.within(O, at - 4, at)) / 100
    assert last(found, "sessions") == sessions
    assert last(found, "viewers") == viewers
    assert last(found, "orders_per_min") == truth.total(O, "orders", truth.within(O, at, at))
    assert last(found, "gmv_yuan") == pytest.approx(paid, rel=NEAR)
    rate = truth.rate(at - 59, at, truth.of)
    assert last(found, "complaints_per_10000") == pytest.approx(rate, rel=NEAR)


def test_every_point_of_the_lines_by_platform(
    panel: Any, city_day: CityDay, truth: Reference
) -> None:
    """Panels 11, 12, 13 and 15: each platform and minute of the last hour."""
    for number, sample, column in ((13, O, "orders"), (15, C, "complaints")):
        for row in panel("city-overview", number, city_day.hour):
            at = (row["time"] - truth.begin_ms) // 60_000
            mask = truth.of(sample, platform_id=row["platform_id"])
            wanted = truth.total(sample, column, mask & truth.within(sample, at, at))
            assert row["value"] == wanted
    pairs = zip(*(panel("city-overview", n, city_day.hour) for n in (11, 12)), strict=True)
    for active, watching in pairs:
        at = (active["time"] - truth.begin_ms) // 60_000
        wanted = truth.gauges(at, truth.of(V, platform_id=active["platform_id"]))
        assert (active["value"], watching["value"]) == wanted


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


def test_bars_by_district_and_category(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """Panels 31 and 32: GMV of the day, in the reader's words."""
    through = truth.minute_of(city_day.day.closed_through)
    mask = truth.within(O, 0, through)
    for number, by, names in (
        (31, "district", codes.DISTRICTS),
        (32, "category", codes.CATEGORIES),
    ):
        wanted = {names.zh(k): v / 100 for k, v in truth.by(O, by, "paid_fen", mask).items()}
        found = {r["name"]: r["value"] for r in panel("city-overview", number, city_day.span)}
        assert found == pytest.approx({k: wanted[k] for k in found}, rel=NEAR)
        assert min(found.values()) >= sorted(wanted.values())[-len(found)] - 1e-6


def test_bases_and_scenarios(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """District 21 and category 21: orders, GMV and complaints of the sessions with each tag."""
    through = truth.minute_of(city_day.day.closed_through)
    for board, tag in (("district-base", "base_id"), ("category-scenario", "scenario")):
        orders = truth.by(O, tag, "orders", truth.within(O, 0, through))
        paid = truth.by(O, tag, "paid_fen", truth.within(O, 0, through))
        filed = truth.by(C, tag, "complaints", truth.within(C, 0, through))
        found = panel(board, 21, city_day.span)
        assert len(found) >= 5
        for row in found:
            name = row["tag"]
            assert row["orders"] == orders[name]
            assert row["gmv_yuan"] == pytest.approx(paid[name] / 100, rel=NEAR)
            assert row["complaints"] == filed.get(name, 0)


def test_the_night_s_share(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """Category 8: GMV from 18:00 to 06:00 in Shanghai; the day starts at midnight there."""
    (found,) = panel("category-scenario", 8, city_day.span)
    through = truth.minute_of(city_day.day.closed_through)
    hours = truth.minutes(O) // 60
    night = ((hours >= 18) | (hours < 6)) & truth.within(O, 0, through)
    whole = truth.within(O, 0, through)
    share = truth.total(O, "paid_fen", night) / truth.total(O, "paid_fen", whole)
    assert found["night_gmv"] == pytest.approx(share, rel=NEAR)


def test_complaints_by_code_channel_and_merchant(
    panel: Any, city_day: CityDay, truth: Reference
) -> None:
    """Complaints 2, 14, 15 and 21."""
    through = truth.minute_of(city_day.day.closed_through)
    mask = truth.within(C, 0, through)
    (summary,) = panel("complaints", 2, city_day.span)
    assert summary["complaints"] == truth.total(C, "complaints", mask)
    for number, by, names in ((14, "code", codes.COMPLAINTS), (15, "channel", codes.CHANNELS)):
        wanted = {names.zh(k): v for k, v in truth.by(C, by, "complaints", mask).items()}
        found = panel("complaints", number, city_day.span)
        assert {r["name"]: r["value"] for r in found} == wanted
    shops = truth.by(C, "merchant_pid", "complaints", mask)
    found = panel("complaints", 21, city_day.span)
    assert [r["complaints"] for r in found] == sorted(shops.values(), reverse=True)[: len(found)]
    assert all(r["complaints"] == shops[r["merchant_pid"]] for r in found)


def test_a_session_s_evidence(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """Session 1 to 7 and 18: its peak, orders, money and each complaint row."""
    chosen = city_day.session
    (found,) = panel("session-detail", 1, city_day.span)
    through = truth.minute_of(city_day.day.closed_through)
    orders = truth.of(O, session_id=chosen) & truth.within(O, 0, through)
    filed = truth.of(C, session_id=chosen) & truth.within(C, 0, through)
    watched = truth.of(V, session_id=chosen) & truth.within(V, 0, through)
    viewers = city_day.day.raw[V]["viewers"][watched].astype(np.float64)
    assert found["peak_viewers"] == np.nanmax(viewers)
    assert found["orders"] == truth.total(O, "orders", orders)
    assert found["gmv_yuan"] == pytest.approx(truth.total(O, "paid_fen", orders) / 100, rel=NEAR)
    assert found["complaints"] == truth.total(C, "complaints", filed)
    evidence = panel("session-detail", 18, city_day.span)
    raw = city_day.day.raw[C]
    identities = zip(raw["ms"][filed], raw["sequence"][filed], raw["row"][filed], strict=True)
    assert {(r["event_time"], r["sequence"], r["row"]) for r in evidence} <= {
        (int(ms), int(sequence), int(row)) for ms, sequence, row in identities
    }
    assert len(evidence) == min(200, int(filed.sum()))


def test_flags_are_counted_once_each(panel: Any, city_day: CityDay) -> None:
    """Flags 2 and 12: distinct flags, not their events; a filter narrows them."""
    events = flag_events(city_day.day)
    known = {e["flag_id"]: e for e in events if e["onset"] <= city_day.span.end}
    (found,) = panel("flags-appeals", 2, city_day.span)
    assert found["opened"] == len(known)
    assert found["muted_flags"] == 1
    rules = {r["name"].split(" ")[0]: r["value"] for r in panel("flags-appeals", 12, city_day.span)}
    assert rules == {
        rule: sum(e["rule"] == rule for e in known.values()) for rule in ("F01", "F11")
    }
    mine = [e for e in known.values() if e["platform_id"] == "p03"]
    (narrow,) = panel("flags-appeals", 2, city_day.span, platform="p03")
    assert narrow["opened"] == len(mine)


def test_how_complaints_were_handled(panel: Any, city_day: CityDay, truth: Reference) -> None:
    """Complaints 31 to 33: I13 and I14, each answer counted once."""
    (found,) = panel("complaints", 31, city_day.span)
    raw = city_day.day.raw[C]
    mask = truth.within(C, 0, truth.minute_of(city_day.day.closed_through))
    minutes = raw["response_minutes"][mask].astype(np.float64)
    answered = np.nan_to_num(raw["responded"][mask].astype(np.float64)).astype(int)
    told = ~np.isnan(minutes) & (answered > 0)
    each = np.sort(np.repeat(minutes[told], answered[told])) / 60
    for share, name in ((0.5, "p50_h"), (0.95, "p95_h")):
        at = np.ceil(share * len(each)).astype(int)
        # Between two answers any of them is the quantile.
        assert each[max(at - 2, 0)] <= found[name] <= each[min(at, len(each) - 1)]
    closed, resolved = (np.nansum(raw[k][mask].astype(np.float64)) for k in ("closed", "resolved"))
    assert found["resolved_share"] == pytest.approx(resolved / closed, rel=NEAR)


def test_appeals_and_files_are_those_of_the_ledger(panel: Any, city_day: CityDay) -> None:
    """Flags 31 to 35."""
    (found,) = panel("flags-appeals", 31, city_day.span)
    assert (found["appeals"], found["overturned_share"]) == (2, 0.5)
    assert found["minutes_to_ack"] == 11  # of 10, 11 and 12 minutes after they were told
    states = {r["name"]: r["value"] for r in panel("flags-appeals", 34, city_day.span)}
    assert states["撤销"] == states["维持"] == states["已确认"] == 1
    files = panel("flags-appeals", 35, city_day.span)
    assert len(files) == sum(states.values())


def test_a_filter_narrows_the_figures(panel: Any, city_day: CityDay, truth: Reference) -> None:
    chosen = {"platform": "p01", "category": "apparel"}
    found = panel("city-overview", 2, city_day.hour, **chosen)
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
