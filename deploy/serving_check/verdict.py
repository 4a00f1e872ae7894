"""What must hold for every column of the last line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Report = Mapping[str, Any]
QUERY_BUDGET_MS = 200.0
#: The roles of the database where no engine took them.
NO_SERVER = "not run: no server"
#: At least so many figures are held against the raw rows.
KEY_PANELS = 10


def _whole(part: str, of: str) -> Callable[[Report], bool]:
    return lambda r: 0 < r[of] == r[part]


def _none(name: str) -> Callable[[Report], bool]:
    return lambda r: r[name] == 0


#: Column to (what is wrong when it does not hold, the rule).
RULES: dict[str, tuple[str, Callable[[Report], bool]]] = {
    "panels_ok": ("a panel is not right", _whole("panels_ok", "panels")),
    "hostile_answers_unclear": (
        "hostile input got no clear answer", _none("hostile_answers_unclear"),
    ),
    "key_panels_agreeing": (
        "key panels differ from the raw rows",
        lambda r: KEY_PANELS <= r["key_panels"] == r["key_panels_agreeing"],
    ),
    "browser_panels_drawn": (
        "a browser did not draw a panel", _whole("browser_panels_drawn", "browser_panels"),
    ),
    "console_errors": ("the page has errors", _none("console_errors")),
    "alerts_delivered": ("an alert was lost", _whole("alerts_delivered", "alerts_raised")),
    "alerts_doubled": ("an alert was doubled", _none("alerts_doubled")),
    "cells_recovered_by_differencing": (
        "a suppressed cell was recovered", _none("cells_recovered_by_differencing"),
    ),
    "foreign_rows_seen": ("somebody saw another's rows", _none("foreign_rows_seen")),
    "looks_unrecorded": (
        "somebody looked at the screen without a record", _none("looks_unrecorded"),
    ),
    "database_roles": (
        "the roles of the database do not hold",
        lambda r: r["database_roles"] == ("checked" if r["database_roles_by"] else NO_SERVER),
    ),
    "slowest_query_ms": (
        "a query is over its budget", lambda r: r["slowest_query_ms"] <= QUERY_BUDGET_MS,
    ),
}  # fmt: skip


def not_run(report: Report) -> list[str]:
    """Columns that no part has filled in: they are in no verdict."""
    return [name for name in RULES if report.get(name) is None]


def failures(report: Report) -> list[str]:
    """What does not hold, in words."""
    return [
        what
        for name, (what, holds) in RULES.items()
        if report.get(name) is not None and not holds(report)
    ]
