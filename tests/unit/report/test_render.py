"""What a report says where figures are missing, partial, too few, or of nothing at all."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.report.model import (
    Appeals,
    Audience,
    Count,
    Flags,
    Handling,
    Line,
    Period,
    Report,
    span_of,
)
from pipelines.report.render import html
from pipelines.report.words import Lang

MONDAY = date(2026, 11, 23)
SUMS: dict[str, Any] = {
    "sessions": 100, "orders": 1000, "paid_fen": 5_000_000, "viewer_milliminutes": 6_000_000,
    "refunds": 100, "complaints": 12,
}  # fmt: skip


def line(key: str, gone: int = 0, **values: Any) -> Line:
    return Line(key, {**SUMS, "refunds_gone": 0, "complaints_gone": 0, **values}, gone)


def report(audience: Audience = Audience.PUBLIC, days: int = 7, **more: Any) -> Report:
    """A week of which the first `days` have figures."""
    there = [MONDAY + timedelta(days=n) for n in range(days)]
    made = Report(
        audience, span_of(Period.WEEK, MONDAY), "p-one" if audience is Audience.PLATFORM else "",
        there, line("*"), line("*", orders=800), None, [line(str(day)) for day in there],
        [line(str(hour)) for hour in range(24)], [], [line("food")], [line("310115")],
        [line("none")], [line("C01")], Handling(1.5, 20.0, 0.9), [], None,
    )  # fmt: skip
    return replace(made, **more)


def cards(text: str) -> dict[str, list[str]]:
    """Label to value and notes."""
    found = re.findall(r'<div class="card">(.*?)</div>', text, re.DOTALL)
    parts = [re.findall(r"<(?:span|b)>(.*?)</(?:span|b)>", card) for card in found]
    return {label: rest for label, *rest in parts}


def section(text: str, title: str) -> str:
    return text.split(f"<h2>{title}</h2>")[1].split("</section>")[0]


def test_a_whole_week_is_compared_with_the_one_before() -> None:
    text = html(report(), "en")
    assert cards(text)["Orders"] == ["1,000", "against the period before +25.0%"]
    assert "Days included: 7 / 7<" in text
    assert "no data" not in section(text, "Day by day")


@pytest.mark.parametrize(
    ("lang", "gone", "orders", "says"),
    [
        ("en", "Days without data, which are in no sum: 11-28, 11-29", "Orders", "not zero"),
        ("zh", "没有数据、不在任何合计中的日期：11-28、11-29", "订单数", "不是零"),
    ],
)
def test_a_missing_day_is_shown_as_unknown(lang: Lang, gone: str, orders: str, says: str) -> None:
    text = html(report(days=5), lang)
    assert gone in text
    # Five days are less than seven, whatever happened: no comparison, and no whole sum.
    assert cards(text)[orders] == ["≥ 1,000"]
    by_day = section(text, "Day by day" if lang == "en" else "逐日走势")
    assert len(re.findall(r"<rect [^>]*><title>", by_day)) == 7
    assert by_day.count("url(#gone)") == 2
    assert says in by_day
    assert "≥ 50,000" in section(text, "Categories" if lang == "en" else "品类")


def test_a_sum_that_leaves_days_out_is_not_compared() -> None:
    for total, before in ((line("*", gone=1), line("*")), (line("*"), line("*", gone=1))):
        assert len(cards(html(report(total=total, before=before), "en"))["Orders"]) == 1


def test_the_citys_sum_says_that_it_leaves_days_out() -> None:
    text = html(report(Audience.PLATFORM, city=line("*", gone=2)), "en")
    assert cards(text)["Orders"][-1] == "City, as published ≥ 1,000"
    assert cards(text)["Order value (yuan)"][-1] == "City, as published 50.0"


def test_hours_in_which_a_platform_was_silent_are_unknown() -> None:
    some = [line(str(hour)) for hour in range(20)]
    text = html(report(Audience.PLATFORM, by_hour=some, heard=frozenset({"21"})), "en")
    hours = section(text, "By hour of the day")
    assert "Hatched: no data, which is not zero: 20, 22, 23<" in hours
    assert "<title>21: 0</title>" in hours
    # What is published has no row where nothing happened.
    assert "Hatched" not in html(report(by_hour=some), "en")


def test_an_hour_that_is_not_shown_on_some_days_says_so() -> None:
    hours = [line("0", gone=3), *(line(str(h)) for h in range(1, 24))]
    text = section(html(report(by_hour=hours), "en"), "By hour of the day")
    assert "≥, some days not shown: 0<" in text


def test_a_share_of_no_orders_is_not_said_to_be_withheld() -> None:
    none = line("*", orders=0, paid_fen=0, refunds=0, complaints=0)
    text = html(report(total=none, by_category=[replace(none, key="food")]), "en")
    shown = cards(text)
    for label in ("Order value (yuan)", "Refunds / orders", "Complaints per 10,000 orders"):
        assert shown[label] == ["–"], label
    assert shown["Orders"][0] == "0"
    assert "not shown" not in section(text, "Categories")


def test_too_few_answers_are_said_to_be_too_few() -> None:
    text = html(report(handling=Handling(None, None, None)), "en")
    assert cards(text)["First answer, median (hours)"] == ["too few"]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (Count(), "0"), (Count(7), "7"), (Count(5, 1), "≥ 6"), (Count(0, 2), "≥ 2"),
        (Count(gone=1), "not shown"),
    ],
)  # fmt: skip
def test_counts_of_single_things(count: Count, said: str) -> None:
    text = html(report(flags=[Flags("F02", count, Count())]), "en")
    assert f"<td>{said}</td>" in text.replace('<td class="gone">', "<td>")


def test_few_of_a_single_day_are_under_three() -> None:
    day = replace(report(), span=span_of(Period.DAY, MONDAY), days=[MONDAY])
    text = html(replace(day, flags=[Flags("F02", Count(0, 1), Count())]), "en")
    assert "<td>under 3</td>" in text


def test_a_share_does_not_tell_the_part_that_is_not_told() -> None:
    few = Appeals(Count(gone=1), Count(12), Count(10), Count(0, 1))
    shown = cards(html(report(appeals=few), "en"))
    assert shown["Overturned, of those decided"] == ["–"]
    enough = replace(few, overturned=Count(4))
    shown = cards(html(report(appeals=enough), "en"))
    assert shown["Overturned, of those decided"] == ["40%"]


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("audience", Audience)
def test_hostile_names_are_text(audience: Audience, lang: Lang) -> None:
    evil = "<script>alert(1)</script>"
    lines = [line(evil)]
    text = html(
        report(audience, platform=evil, by_category=lines, by_code=lines, by_platform=lines), lang
    )
    assert "<script" not in text
