"""What a request can be answered with when it is not accepted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from schemas.errors import RowError

#: Errors in one answer; the rest is counted only.
MAX_LISTED = 100


@dataclass
class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """One clear error: a status, a field and the rule that it broke; never the value."""

    status: int
    field: str
    rule: str
    rows: list[RowError] = dataclasses.field(default_factory=list)
    retry_after_s: float = 0

    def body(self) -> dict[str, object]:
        """As it is sent. `rows` lists at most MAX_LISTED errors, `refused` counts them all."""
        found: dict[str, object] = {"error": {"field": self.field, "rule": self.rule}}
        if self.rows:
            found |= {"refused": len(self.rows), "rows": listed(self.rows)}
        return found


def listed(errors: list[RowError]) -> list[dict[str, object]]:
    """Row errors as they are sent: the row's number in the request, the field and the rule."""
    return [{"row": e.row, "field": e.field, "rule": e.rule} for e in errors[:MAX_LISTED]]
