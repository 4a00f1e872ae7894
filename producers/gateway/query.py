"""Parameters of a request's address. Both raise Refusal."""

from __future__ import annotations

from starlette.requests import Request

from producers.gateway.errors import Refusal


def known(request: Request, *names: str) -> None:
    """A parameter that is passed over would be one that the platform believes in."""
    if not request.query_params.keys() <= set(names):
        raise Refusal(422, "query", "has a parameter that is not listed")


def flag(request: Request, name: str) -> bool:
    """A switch: true, false, or left out."""
    given = request.query_params.getlist(name)
    if not given:
        return False
    if given not in (["true"], ["false"]):
        raise Refusal(422, name, "must be true or false, once")
    return given == ["true"]
