"""Reports of a published city: right, the same twice, made of nothing that others may not see."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from pipelines.report.gather import NothingThereError, gather
from pipelines.report.model import Audience, Count, Period, Report, Span, span_of
from pipelines.report.pdf import PdfError, pdf
from pipelines.report.render import html
from pipelines.warehouse.client import insert
from tests.integration.ledger.conftest import columns_of, event
from tests.integration.serving.conftest import Warehouse

P, A, O = Audience.PUBLIC, Audience.AGENCY, Audience.PLATFORM  # noqa: E741


def of(
    warehouse: Warehouse, audience: Audience, period: Period = Period.DAY, platform: str = ""
) -> Report:
    return gather(warehouse.db, audience, span_of(period, warehouse.city.days[0]), platform)


def own_rows(warehouse: Warehouse, table: str, platform: str = "") -> list[dict[str, Any]]:
    day = warehouse.city.days[0]
    return [
        row
        for row in warehouse.city.tables[table]
        if (row["event_time"] + timedelta(hours=8)).date() == day
        and platform in ("", row["platform_id"])
    ]


@pytest.mark.parametrize(("audience", "platform"), [(P, ""), (A, ""), (O, "p-one")])
def test_totals_are_those_of_the_raw_rows(
    warehouse: Warehouse, audience: Audience, platform: str
) -> None:
    total = of(warehouse, audience, platform=platform).total
    orders = own_rows(warehouse, "raw_orders", platform)
    assert total.values["orders"] == sum(r["orders"] for r in orders)
    assert total.values["paid_fen"] == sum(r["paid_fen"] for r in orders)
    assert total.values["sessions"] == len({r["session_id"] for r in orders})
    complaints = own_rows(warehouse, "raw_complaints", platform)
    assert total.values["complaints"] == sum(r["complaints"] for r in complaints)


class Spy:
    """Notes what is read."""

    def __init__(self, db: Client) -> None:
        self.db, self.read = db, set[str]()

    def execute(self, query: str, params: object = None) -> Any:
        self.read |= set(re.findall(r"\b(?:v_\w+|raw_\w+|hour_session|day_cell)\b", query))
        return self.db.execute(query, params)


def test_everybody_s_report_reads_what_everybody_may(warehouse: Warehouse) -> None:
    spy = Spy(warehouse.db)
    gather(spy, P, span_of(Period.WEEK, warehouse.city.days[0]))
    sums = {v for v in spy.read if v.startswith("v_published_")}
    # Beside published sums only rounded shares, flags by rule for the city, completeness.
    beside = {"v_settled_complaints", "v_flags_counted", "v_flag_files", "v_day_cell"}
    assert spy.read - sums <= {*beside, "v_flags", "v_settled_day_cell", "day_cell"}
    assert len(sums) == 4


def test_suppressed_is_said_and_never_a_zero(warehouse: Warehouse) -> None:
    report = of(warehouse, P)
    gone = [x for x in report.by_category + report.by_district + report.by_scenario if x.gone]
    assert gone
    assert all(x.values["orders"] is None for x in gone)
    assert html(report, "zh").count("不予公布</td>") >= 5 * len(gone)


@pytest.mark.parametrize(
    ("audience", "platform", "period", "lang"),
    [(P, "", Period.MONTH, "zh"), (A, "", Period.WEEK, "en"), (O, "p-two", Period.DAY, "zh")],
)
def test_the_same_data_gives_the_same_bytes(
    warehouse: Warehouse, audience: Audience, platform: str, period: Period, lang: Any
) -> None:
    first = html(of(warehouse, audience, period, platform), lang)
    assert first == html(of(warehouse, audience, period, platform), lang)
    assert first.count("<section") >= 9


def test_a_pdf_is_readable_and_the_same_twice(warehouse: Warehouse, tmp_path: Path) -> None:
    text = html(of(warehouse, P, Period.WEEK), "zh")
    try:
        first = pdf(text, "20261125")
    except PdfError as error:
        pytest.skip(str(error))
    assert first == pdf(text, "20261125")
    file = tmp_path / "report.pdf"
    file.write_bytes(first)
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("no pdftotext here: apt install poppler-utils")
    said = subprocess.run([reader, "-layout", file, "-"], capture_output=True, check=True).stdout
    assert "直播电商运行监测报告" in said.decode()
    assert "浦东新区" in said.decode()


def test_a_period_without_figures_is_refused(warehouse: Warehouse) -> None:
    span = span_of(Period.DAY, warehouse.city.days[0] - timedelta(days=20))
    with pytest.raises(NothingThereError, match="there are no figures"):
        gather(warehouse.db, P, span)
    with pytest.raises(NothingThereError):
        gather(warehouse.db, O, span_of(Period.DAY, warehouse.city.days[0]), "' OR 1 = 1 --")


def put_flags(warehouse: Warehouse, of_day: list[int]) -> None:
    """So many raised F02 at noon of each day of the city."""
    for day, count in zip(warehouse.city.days, of_day, strict=True):
        at = int(datetime(day.year, day.month, day.day, 4, tzinfo=UTC).timestamp()) * 1000
        for n in range(count):
            one = event(f"report{n}", flag_id=f"F02:merchant/p-one/{n}:{at}", rule="F02", onset=at,
                        event_time=at, decided_at=at, platform_id="p-one")  # fmt: skip
            insert(warehouse.db, "flag_events", columns_of(one))


def test_a_weeks_flags_less_those_of_its_days_tell_no_small_count(warehouse: Warehouse) -> None:
    """What a day's report does not tell must not follow from the week's."""
    put_flags(warehouse, [5, 2])
    first, last = warehouse.city.days
    month = span_of(Period.MONTH, first)
    if month != span_of(Period.MONTH, last):
        pytest.skip("the city's days lie in two months today")

    def raised(audience: Audience, span: Span) -> Count:
        found = gather(warehouse.db, audience, span).flags
        assert found is not None
        return next(f.raised for f in found if f.rule == "F02")

    days = [raised(P, span_of(Period.DAY, day)) for day in (first, last)]
    assert days == [Count(5), Count(0, 1)]
    assert raised(P, month) == Count(5, 1)
    assert raised(A, month) == Count(7)
    assert "≥ 6</td>" in html(gather(warehouse.db, P, month), "zh")


def test_a_platform_is_heard_in_the_hours_in_which_it_sent_something(warehouse: Warehouse) -> None:
    """A heartbeat even; in others its figures are unknown, and not zero."""
    day = warehouse.city.days[0]
    assert of(warehouse, O, platform="p-three").heard == frozenset()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    for who, hour, batches in (("p-three", 4, 1), ("p-three", 5, 0), ("p-one", 6, 1)):
        at = midnight + timedelta(hours=hour, minutes=3)
        row = {"minute": at, "platform_id": who, "source": f"gate{hour}", "topic": "t",
               "kafka_partition": 0, "batches": batches}  # fmt: skip
        warehouse.db.execute(f"INSERT INTO completeness ({', '.join(row)}) VALUES", [row])
    assert of(warehouse, O, platform="p-three").heard == {"4"}
