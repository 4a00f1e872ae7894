"""Every role at every route of the API, and at the screen: does anybody see a row not his own?

What belongs to whom is said here anew, apart from the tables of the API: a platform has its own id
in every row, a district bureau its own code, the commission may see all; all others see days under
disclosure control, flags of which they were told or, of complaints, those that their role is for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.check.small_city import DISTRICTS, PLATFORMS
from deploy.errors import StackError
from deploy.serving_check import screen_roles
from deploy.serving_check.accounts import Holder, write
from deploy.serving_check.flag_events import FlagWriter, flag
from deploy.stack.home import Home
from deploy.stack.settings import HOST, StackSettings
from pipelines.core.ledger.roles import Role

Say = Callable[[str], None]
Row = dict[str, Any]
_LISTS = ("indicators", "completeness")
_PARTS = ("day", "hour", "scenario", "code")
_COMPLAINTS = ("F01", "F02", "F12")
#: ClickHouse is away, or took too long: a client asks again.
_BUSY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
_TRIES = 10
_READ_S = 4.0
_SETTLE_S = 60.0


def run(settings: StackSettings, say: Say) -> dict[str, Any]:
    """Needs a stack with an API, filled with the small city, its days published."""
    path = Home(settings.home).secrets / "accounts.json"
    holders = write(path, PLATFORMS[:2], DISTRICTS[:2])
    _raise_flags(settings.bootstrap)
    with httpx.Client(
        base_url=f"http://{HOST}:{settings.ports.api}", timeout=60, trust_env=False
    ) as client:
        _await_flags(client, holders)
        seen = foreign = 0
        for holder in holders:
            mine, others = _look(client, holder)
            say(f"sharing: {holder.actor.account} saw {mine} rows, {others} of them foreign")
            seen, foreign = seen + mine, foreign + others
            if not mine and holder.actor.role in (Role.COMMISSION, Role.PLATFORM):
                raise StackError(f"{holder.actor.account} saw nothing: there was nothing to check")
        foreign += _unproven(client)
    at_screen = screen_roles.run(settings, path, holders, say)
    return {
        "foreign_rows_seen": foreign + at_screen["foreign"],
        "rows_shared": seen,
        "roles_asked": len(holders),
        "looks_unrecorded": at_screen["unrecorded"],
    }


def _raise_flags(bootstrap: str) -> None:
    """A notice and a warning of each platform, in two districts."""
    writer = FlagWriter(bootstrap)
    for number, platform in enumerate(PLATFORMS):
        for grade, at in (("raised", 0), ("critical", 1)):
            one = flag(90_000 + 10 * number + at, platform, grade)
            writer.write([replace(one, district=DISTRICTS[at])])
    writer.close()


def _await_flags(client: httpx.Client, holders: list[Holder]) -> None:
    """Until the clerk has opened the files and given them their levels."""
    boss = next(one for one in holders if one.actor.role is Role.COMMISSION)
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        answer = _get(client, boss, "/v1/flags", {"limit": "500"})
        files = answer.json().get("flags", []) if answer.is_success else []
        mine = [one for one in files if one["platform_id"] in PLATFORMS and one["told"]]
        if len(mine) >= 2 * len(PLATFORMS):
            return
        time.sleep(0.5)
    raise StackError("the ledger did not open the flags that were raised")


def _proof(holder: Holder) -> dict[str, str]:
    return {"authorization": f"Bearer {holder.token}"}


def _look(client: httpx.Client, holder: Holder) -> tuple[int, int]:
    """(rows that the holder got, rows of them that are not his)."""
    seen, foreign = 0, 0
    for rows, is_own in _answers(client, holder):
        seen += len(rows)
        foreign += sum(not is_own(row) for row in rows)
    return seen, foreign


def _answers(
    client: httpx.Client, holder: Holder
) -> Iterator[tuple[list[Row], Callable[[Row], bool]]]:
    """What every route gives, and what may be in it."""
    own, may_flags = _own_cell(holder), _own_flag(holder)
    for name in _LISTS:
        yield list(_pages(client, holder, f"/v1/share/{name}")), own
        for asked in ({"platform_id": PLATFORMS[3]}, {"district": DISTRICTS[3]}):
            # Another's rows, asked for by name.
            yield list(_pages(client, holder, f"/v1/share/{name}", asked)), own
    for part in _PARTS:
        span = {"from": (datetime.now(UTC) - timedelta(days=30)).isoformat()}
        yield list(_pages(client, holder, f"/v1/share/daily/{part}", span)), _own_day(holder)
    flags = _get(client, holder, "/v1/flags", {"limit": "500"})
    yield (flags.json()["flags"] if flags.is_success else []), may_flags
    yield [one["flag"] for one in _stream(client, holder)], may_flags
    for other in PLATFORMS:
        one = flag(90_000 + 10 * PLATFORMS.index(other), other)
        for what in ("", "/entries", "/evidence"):
            answer = _get(client, holder, f"/v1/flags/{one.flag_id}{what}")
            if answer.is_success:
                yield [{"rule": "F01", "platform_id": other, "district": DISTRICTS[0],
                        "told": [f"platform:{other}"]}], may_flags  # fmt: skip


def _own_cell(holder: Holder) -> Callable[[Row], bool]:
    actor = holder.actor
    if actor.role is Role.COMMISSION:
        return lambda row: True
    if actor.role is Role.PLATFORM:
        return lambda row: bool(row["platform_id"] == actor.platform_id)
    if actor.role is Role.DISTRICT_BUREAU:
        return lambda row: bool(row.get("district") == actor.district)
    return lambda row: False


def _own_day(holder: Holder) -> Callable[[Row], bool]:
    """A suppressed cell shows no figure; who is no city agency sees no platform."""
    public = holder.actor.role in (Role.PLATFORM, Role.DISTRICT_BUREAU, Role.ASSOCIATION)
    figures = ("sessions", "orders", "paid_fen", "viewer_milliminutes")

    def mine(row: Row) -> bool:
        hidden = not row["suppressed"] or all(row.get(name) is None for name in figures)
        return hidden and not (public and "platform_id" in row)

    return mine


def _own_flag(holder: Holder) -> Callable[[Row], bool]:
    actor = holder.actor
    if actor.role is Role.COMMISSION:
        return lambda row: True
    if actor.role is Role.PLATFORM:
        return lambda row: bool(row["platform_id"] == actor.platform_id)
    if actor.role is Role.DISTRICT_BUREAU:
        return lambda row: bool(
            row["district"] == actor.district or f"district:{actor.district}" in row["told"]
        )
    if actor.role in (Role.TAX, Role.ASSOCIATION):
        return lambda row: False
    complaints = actor.role in (Role.MARKET_REGULATION, Role.CONSUMER_COUNCIL)
    told = actor.role.value
    return lambda row: bool((complaints and row["rule"] in _COMPLAINTS) or told in row["told"])


def _pages(
    client: httpx.Client, holder: Holder, path: str, asked: dict[str, str] | None = None
) -> Iterator[Row]:
    """Every row of a list; nothing where it is refused."""
    span = {"from": (datetime.now(UTC) - timedelta(days=6, hours=23)).isoformat(), "limit": "1000"}
    after: dict[str, str] = {}
    while True:
        answer = _get(client, holder, path, span | (asked or {}) | after)
        if answer.status_code in (403, 404, 422):
            return
        if not answer.is_success:
            raise StackError(f"{path} answers {answer.status_code} to {holder.actor.account}")
        body = answer.json()
        yield from body["items"]
        if body["next"] is None:
            return
        after = {"after": body["next"]}


def _stream(client: httpx.Client, holder: Holder) -> Iterator[Row]:
    """What the stream tells of all that ever was, until it has nothing more."""
    headers, timeout = _proof(holder), httpx.Timeout(30, read=_READ_S)
    with client.stream(
        "GET", "/v1/share/stream?after=-1", headers=headers, timeout=timeout
    ) as answer:
        if not answer.is_success:
            return
        try:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))
        except httpx.ReadTimeout:
            return


def _unproven(client: httpx.Client) -> int:
    """Routes that answer to nobody in particular; each is worth a row."""
    paths = [f"/v1/share/{name}" for name in (*_LISTS, *(f"daily/{p}" for p in _PARTS), "stream")]
    wrong = {"authorization": "Bearer lw_0000000000000000_nobody"}
    asked = [(path, headers) for path in [*paths, "/v1/flags"] for headers in ({}, wrong)]
    answers = [client.get(path, headers=headers) for path, headers in asked]
    return sum(answer.status_code not in (401, 429) for answer in answers)


def _get(
    client: httpx.Client, holder: Holder, path: str, params: dict[str, str] | None = None
) -> httpx.Response:
    """Asked again where that was too fast, and, not for ever, where the API had other work."""
    busy = 0
    while True:
        answer = client.get(path, params=params, headers=_proof(holder))
        busy += answer.status_code in _BUSY
        if answer.status_code not in (*_BUSY, httpx.codes.TOO_MANY_REQUESTS) or busy >= _TRIES:
            return answer
        time.sleep(float(answer.headers.get("retry-after", "1")))
