"""Which rows of which figures a role may read. Pure; one table, as for flags (core/ledger/roles).

A platform reads its own minutes and its own completeness; a district bureau the minutes of its
district; the commerce commission all. Everybody reads daily figures under disclosure control: city
agencies those cut for agencies; platforms, districts and the association what is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipelines.core.ledger.roles import Actor, Role


class Dataset(StrEnum):
    """What can be read."""

    INDICATORS = "indicators"
    COMPLETENESS = "completeness"
    DAILY = "daily"


class ForbiddenError(Exception):
    """The role may not read that; the message is a sentence for whoever asked."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Rows:
    """Conditions on columns, each with its parameter; none: every row."""

    equal: dict[str, str] = field(default_factory=dict)

    def sql(self) -> tuple[str, dict[str, Any]]:
        """(condition, parameters); names are ours, values never part of the text."""
        parts = [f"{column} = %(own_{column})s" for column in self.equal]
        return " AND ".join(parts) or "1", {f"own_{c}": v for c, v in self.equal.items()}


ALL = Rows()
_AGENCIES = frozenset(
    {
        Role.COMMISSION, Role.MARKET_REGULATION, Role.CYBERSPACE, Role.CULTURE_TOURISM,
        Role.POLICE, Role.TAX, Role.CONSUMER_COUNCIL,
    }
)  # fmt: skip


def rows_of(actor: Actor, dataset: Dataset) -> Rows:
    """The rows that the actor may read. Raises ForbiddenError where there are none."""
    role = actor.role
    if dataset is Dataset.DAILY or role is Role.COMMISSION:
        return ALL
    if role is Role.PLATFORM and actor.platform_id:
        return Rows({"platform_id": actor.platform_id})
    if role is Role.DISTRICT_BUREAU and actor.district and dataset is Dataset.INDICATORS:
        return Rows({"district": actor.district})
    raise ForbiddenError(
        "您的角色只能查看经披露控制的每日汇总数据(/v1/share/daily)。",
        "Your role reads daily figures under disclosure control only (/v1/share/daily).",
    )


def audience_of(actor: Actor) -> str:
    """For whom the daily figures were cut: `shared` between agencies, or `published`."""
    return "shared" if actor.role in _AGENCIES else "published"


def require_own(rows: Rows, asked: Mapping[str, str | None]) -> None:
    """Asking for another's rows is an error, not an empty answer. Raises ForbiddenError."""
    for column, own in rows.equal.items():
        given = asked.get(column)
        if given is not None and given != own:
            raise ForbiddenError(
                f"{column} 只能为 {own}:您只能查看自己的数据。",
                f"{column} can only be {own}: you may read your own data only.",
            )
