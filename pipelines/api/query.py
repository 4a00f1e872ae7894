"""What an address may ask for, and how long the warehouse may take to answer."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from pipelines.api.errors import ApiError
from pipelines.api.identity import Who
from pipelines.api.state import Api, WarehouseAwayError


def only_listed(request: Request, _: Who) -> None:
    """A parameter that is passed over would be one that the client believes in."""
    route = request.scope["route"]
    operation = request.app.openapi()["paths"][route.path_format][request.method.lower()]
    listed = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
    given = request.query_params
    if not given.keys() <= listed:
        names = ", ".join(sorted(listed)) or "none"
        raise ApiError(
            422, "invalid", f"query: has a parameter that is not listed; there are: {names}"
        )
    if len(given.multi_items()) > len(given):
        raise ApiError(422, "invalid", "query: has a parameter twice")


async def rows(api: Api, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of a query. Raises ApiError where ClickHouse is away or slow."""
    try:
        return await api.query(sql, parameters)
    except WarehouseAwayError:
        raise ApiError(503, "warehouse", "ClickHouse does not answer: try again") from None
    except TimeoutError:
        raise ApiError(504, "slow", "that takes too long: ask for less at once") from None
