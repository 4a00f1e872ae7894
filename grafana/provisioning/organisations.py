"""One organisation of Grafana per agency: in open-source Grafana whoever may view a dashboard may
query the data source behind it, so who may see what is kept apart by organisation and by the
ClickHouse role that the organisation's data source reads with (`livewatch ops access`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana.dashboards.text import Text
from schemas import codes

#: Dashboards of readers that have rows of their own, and no flags: those come from the API.
OWN: Final = ("district-base", "category-scenario")


@dataclass(frozen=True)
class Organisation:
    """`role` is its role, database and user in ClickHouse; `boards` empty is every dashboard."""

    id: int
    name: Text
    role: str
    boards: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Environment variable that holds its password."""
        return self.role.upper().replace("-", "_").replace(".", "_") + "_PASSWORD"


COMMISSION: Final = Organisation(1, Text("商务委", "Commerce commission"), "livewatch_commission")


def organisations(districts: Sequence[str], platforms: Sequence[str]) -> list[Organisation]:
    """The commission, then district bureaus, then platforms. Raises KeyError for no district."""
    found = [COMMISSION]
    for code in districts:
        name = Text(codes.DISTRICTS.zh(code), codes.DISTRICTS.en(code))
        found.append(Organisation(len(found) + 1, name, f"livewatch_district_{code}", OWN))
    for platform in platforms:
        role = f"livewatch_platform_{platform}"
        found.append(Organisation(len(found) + 1, Text(platform, platform), role, OWN))
    return found
