"""The verdict of producer-check: one bad figure is enough, and so is one that was never tried."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.producer_check.run import passed

GOOD: dict[str, Any] = {
    "pii_planted": 10, "pii_passed": 0, "clean_sent": 10, "clean_refused": 0, "kills": 2,
    "broker_outages": 1, "accepted": 50, "delivered": 50, "lost": 0, "doubled": 0,
    "foreign_writes_tried": 12, "foreign_writes_passed": 0, "second_language_batches": 1,
    "second_language_skipped": "", "fuzz_cases": 9, "fuzz_crashes": 0,
}  # fmt: skip


def test_a_good_report_passes() -> None:
    assert passed(GOOD)
    assert passed(GOOD | {"second_language_batches": 0, "second_language_skipped": "no javac"})


@pytest.mark.parametrize(
    "bad",
    [
        {"pii_passed": 1}, {"clean_refused": 1}, {"lost": 1}, {"doubled": 1}, {"delivered": 49},
        {"foreign_writes_passed": 1}, {"fuzz_crashes": 1}, {"second_language_batches": 0},
        {"pii_planted": 0}, {"kills": 0}, {"broker_outages": 0}, {"accepted": 0, "delivered": 0},
        {"foreign_writes_tried": 0}, {"fuzz_cases": 0},
    ],
    ids=str,
)  # fmt: skip
def test_one_bad_figure_is_enough(bad: dict[str, Any]) -> None:
    assert not passed(GOOD | bad)
