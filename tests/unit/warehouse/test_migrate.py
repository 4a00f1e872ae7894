"""The plan of migrations is pure: what runs, in which order, and what is refused."""

from __future__ import annotations

import pytest

from pipelines.warehouse.migrate import Migration, load, plan

SOME = [Migration(n, f"m{n}", f"CREATE {n};\n-- no; statement\nX {n};\n", f"DROP {n};\n") for n in (1, 2, 3)]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("applied", "target", "steps"),
    [
        (0, None, ["1 forward", "2 forward", "3 forward"]),
        (1, 2, ["2 forward"]),
        (3, None, []),
        (3, 1, ["3 reverse", "2 reverse"]),
        (2, 0, ["2 reverse", "1 reverse"]),
    ],
)
def test_from_where_it_is_to_where_it_should_be(
    applied: int, target: int | None, steps: list[str]
) -> None:
    found = plan(SOME, applied, target)
    told = [f"{s.migration.number} {'forward' if s.forward else 'reverse'}" for s in found]
    assert told == steps


def test_an_unknown_target_or_a_newer_database_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 3"):
        plan(SOME, 0, 4)
    with pytest.raises(ValueError, match="knows only 3"):
        plan(SOME, 4, None)


def test_statements_come_one_at_a_time_without_comments() -> None:
    assert list(plan(SOME, 0, 1)[0].statements("any")) == ["CREATE 1", "X 1"]


def test_ours_are_in_order_and_each_has_a_reverse() -> None:
    numbers = [m.number for m in load()]
    assert numbers == sorted(set(numbers))
    found = load()
    assert all(m.up.strip() and m.down.strip() for m in found)
