"""Which hours of completeness are computed: a drawing, and a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.warehouse.completeness import due

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
#: Clock times: k computed at 10:00, after what moved before; e 09:00, early; l 11:45, late;
#: n 11:55, less than ten minutes ago.
CLOCK = {
    "k": datetime(2026, 11, 26, 10, 0, tzinfo=UTC),
    "e": datetime(2026, 11, 26, 9, 0, tzinfo=UTC),
    "l": datetime(2026, 11, 26, 11, 45, tzinfo=UTC),
    "n": datetime(2026, 11, 26, 11, 55, tzinfo=UTC),
    ".": NEVER,
}


@pytest.mark.parametrize(
    ("touched", "computed", "expected"),
    [
        ("eeee", "kkkk", ""),  # all are kept
        ("eeee", "kk..", "23"),  # the last two were never computed
        ("eeln", "kk..", "2"),  # the newest moves still
        ("elee", "kkkk", "123"),  # one that moved takes all later ones with it
        ("enee", "k.kk", ""),  # nothing after one that moves: totals go through it
        ("eeee", "kekk", "123"),  # computed when its rows were not seen yet
        ("eeee", "....", "0123"),
        ("", "", ""),
    ],
)
def test_from_the_first_that_does_not_hold_to_the_first_that_moves(
    touched: str, computed: str, expected: str
) -> None:
    hours = [NOW - timedelta(hours=9 - i) for i in range(len(touched))]
    noted = [(h, CLOCK[t], CLOCK[c]) for h, t, c in zip(hours, touched, computed, strict=True)]
    assert due(reversed(noted), NOW) == [hours[int(i)] for i in expected]
