"""Sharing through the API as it runs: every role at every list, pages, ETags, and the stream."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest

from pipelines.core.ledger.roles import Role
from pipelines.warehouse.client import connect
from tests.integration.ledger.conftest import Desk, event

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
BEGIN = NOW - timedelta(minutes=40)
MINUTES = 30
CELLS = list(product(("p01", "p02"), ("food", "apparel"), ("310101", "310115")))
SPAN = {"from": (BEGIN - timedelta(hours=1)).isoformat(), "to": NOW.isoformat()}
WHO = [*(role.value for role in Role), "wei", "p02"]
Row = dict[str, Any]
#: Whose rows each role may have, by list; who is not named may have none.
MINE: dict[str, dict[str, Callable[[Row], bool]]] = {
    "indicators": {
        "commission": lambda row: True,
        "wei": lambda row: True,
        "platform": lambda row: row["platform_id"] == "p01",
        "p02": lambda row: row["platform_id"] == "p02",
        "district_bureau": lambda row: row["district"] == "310101",
    },
    "completeness": {
        "commission": lambda row: True,
        "wei": lambda row: True,
        "platform": lambda row: row["platform_id"] == "p01",
        "p02": lambda row: row["platform_id"] == "p02",
    },
}


@pytest.fixture(scope="module", autouse=True)
def _figures(desk: Desk) -> None:
    """Closed minutes, two open ones, and the completeness of a source for each platform."""
    cells = [
        {"minute": BEGIN + timedelta(minutes=m), "platform_id": p, "category": c, "district": d,
         "closed": int(m < MINUTES), "orders_5m": 10 * m + n}
        for m in range(MINUTES + 2)
        for n, (p, c, d) in enumerate(CELLS)
    ]  # fmt: skip
    spans = [
        {"minute": BEGIN + timedelta(minutes=m), "platform_id": p, "source": f"{p}-gw",
         "topic": "telemetry.orders.v1", "kafka_partition": 0, "batches": m, "rows": m * 10}
        for m in range(MINUTES)
        for p in ("p01", "p02")
    ]  # fmt: skip
    with connect(desk.settings) as client:
        client.execute(f"INSERT INTO indicators_cell ({', '.join(cells[0])}) VALUES", cells)
        client.execute(f"INSERT INTO completeness ({', '.join(spans[0])}) VALUES", spans)


def get(desk: Desk, who: str, path: str, **params: Any) -> httpx.Response:
    etag = params.pop("etag", None)
    headers = {"if-none-match": etag} if etag else {}
    return desk.ask(who, "GET", f"/v1/share/{path}", params=params, headers=headers)


def everything(desk: Desk, who: str, path: str, **params: Any) -> list[Row]:
    """All pages."""
    found: list[Row] = []
    after: dict[str, str] = {}
    while True:
        page = get(desk, who, path, **params, **after)
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        if page.json()["next"] is None:
            return found
        after = {"after": page.json()["next"]}


@pytest.mark.parametrize("who", WHO)
def test_nobody_sees_a_row_that_is_not_his(desk: Desk, who: str) -> None:
    for path, mine in MINE.items():
        if who not in mine:
            answer = get(desk, who, path, **SPAN)
            assert answer.status_code == 403
            assert "披露控制" in answer.json()["error"]["message"]
            continue
        rows = everything(desk, who, path, limit=100, **SPAN)
        assert rows
        assert all(mine[who](row) for row in rows)
        if path == "indicators":
            names = ("platform_id", "category", "district")
            cells = [dict(zip(names, cell, strict=True)) for cell in CELLS]
            assert len(rows) == MINUTES * sum(mine[who](cell) for cell in cells)
    for part in ("day", "hour", "scenario", "code"):
        assert get(desk, who, f"daily/{part}").status_code == 200


def test_asking_for_anothers_rows_is_refused_and_says_so(desk: Desk) -> None:
    foreign = (("platform", {"platform_id": "p02"}), ("district_bureau", {"district": "310115"}))
    for who, asked in foreign:
        answer = get(desk, who, "indicators", **SPAN, **asked)
        assert answer.status_code == 403
        said = answer.json()["error"]["message"]
        assert "own data only" in said
        assert "自己" in said
    assert get(desk, "platform", "indicators", **SPAN, district="310115").status_code == 200


def test_pages_have_every_row_once_in_order(desk: Desk) -> None:
    for limit in (1000, 50):
        rows = everything(desk, "commission", "indicators", limit=limit, **SPAN)
        keys = [(r["minute"], r["platform_id"], r["category"], r["district"]) for r in rows]
        assert keys == sorted(set(keys))
        assert len(keys) == MINUTES * len(CELLS)
    # Open minutes are not shown: what was read does not change.
    assert max(keys)[0] < (BEGIN + timedelta(minutes=MINUTES)).isoformat()
    only = everything(desk, "commission", "indicators", **SPAN, category="food", limit=90)
    assert len(only) == MINUTES * len(CELLS) // 2


def test_a_cursor_that_was_tampered_with_gives_no_right(desk: Desk) -> None:
    key = [BEGIN.replace(tzinfo=None).isoformat() + "Z", "p01", "", ""]
    forged = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    page = get(desk, "p02", "indicators", **SPAN, after=forged, limit=1000)
    assert {row["platform_id"] for row in page.json()["items"]} == {"p02"}


def test_what_is_unchanged_is_not_sent_again_and_all_is_on_record(desk: Desk) -> None:
    first = get(desk, "platform", "indicators", **SPAN, limit=1000)
    again = get(desk, "platform", "indicators", **SPAN, limit=1000, etag=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    other = get(desk, "p02", "indicators", **SPAN, limit=1000, etag=first.headers["etag"])
    assert other.status_code == 200
    get(desk, "tax", "indicators", **SPAN)
    sql = (
        "SELECT account, http_status, shown FROM v_access WHERE route = '/v1/share/indicators'"
        " ORDER BY asked_at DESC LIMIT 4"
    )
    rows = MINUTES * 4
    wanted = [("tax", 403, 0), ("p02", 200, rows), ("platform", 304, 0), ("platform", 200, rows)]
    desk.until("on record", lambda: desk.query(sql) == wanted, 20)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"from": "yesterday"}, "from must be a time"),
        ({"from": "2026-11-26T08:00:00"}, "needs an offset"),
        ({"from": "1970-01-01T00:00:00Z"}, "years 2000 to 2100"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "years 2000 to 2100"),
        ({"from": "2016-11-26T00:00:00Z"}, "at most 7 days"),
        ({"from": SPAN["to"], "to": SPAN["to"]}, "from must be before to"),
        ({"after": "AAAA"}, "after is not a cursor"),
        ({"after": base64.urlsafe_b64encode(b"[" * 500).decode()}, "after is not a cursor"),
        ({"after": base64.urlsafe_b64encode(b'["2026-11-26T00:00:00Z"]').decode()}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"platform_id": "p01' OR 1=1 --"}, "platform_id"),
        ({"category": "x" * 65}, "category"),
        ({"platform": "p01"}, "not listed"),
        ({"FROM": SPAN["from"]}, "not listed"),
        ({"category": ["food", "apparel"]}, "twice"),
        ({"from": "2100-12-31T23:59:59-23:59", "to": "2100-12-31T23:59:59-23:59"}, "before to"),
    ],
)
def test_what_makes_no_sense_is_a_clear_answer(
    desk: Desk, params: dict[str, Any], says: str
) -> None:
    answer = get(desk, "commission", "indicators", **params)
    assert answer.status_code == 422
    assert says in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("completeness", {"district": "310101"}), ("daily/day", {"platform_id": "p01"}),
        ("daily/hour", {"x": ""}), ("stream", {"figure": "true"}),
    ],
)  # fmt: skip
def test_a_parameter_that_is_not_listed_is_not_passed_over(
    desk: Desk, path: str, params: dict[str, str]
) -> None:
    """Whoever asks for one district must not take the whole city for it."""
    answer = get(desk, "commission", path, **params)
    assert answer.status_code == 422
    assert "not listed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("indicators", ["2026-11-26T00:00:00Z", "\ud800", "", ""]),
        ("indicators", ["2026-11-26T00:00:00Z", 7, "", ""]),
        ("indicators", ["2026-11-26T00:00:00Z", True, "", ""]),
        ("daily/hour", ["2026-11-26", "x", "food"]),
        ("daily/hour", ["2026-11-26", 10**30, "food"]),
        ("daily/hour", ["2026-11-26", -1, "food"]),
    ],
)
def test_a_cursor_of_other_types_is_none_of_ours(desk: Desk, path: str, key: list[Any]) -> None:
    after = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    answer = get(desk, "commission", path, after=after)
    assert answer.status_code == 422
    assert "after is not a cursor" in answer.json()["error"]["message"]


def test_nobody_unknown_gets_in(desk: Desk) -> None:
    for path in ("indicators", "completeness", "daily/day", "stream"):
        assert get(desk, "", path).status_code == 401


# -- the stream -------------------------------------------------------------------------------


def listen(desk: Desk, who: str, seconds: float, last: str = "", **params: Any) -> Iterator[Row]:
    """Events as they come: id, event, data. Ends when nothing came for so long."""
    headers = {"authorization": f"Bearer {desk.tokens[who]}"}
    if last:
        headers["last-event-id"] = last
    url = f"http://127.0.0.1:{desk.process.port}/v1/share/stream"
    timeout = httpx.Timeout(30, read=seconds)
    with httpx.stream(
        "GET", url, headers=headers, params=params, timeout=timeout, trust_env=False
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        one: Row = {}
        try:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line and name in ("id", "event", "data"):
                    one[name] = json.loads(value) if name == "data" else value
                elif not line and "data" in one:
                    yield one
                    one = {}
        except httpx.ReadTimeout:
            return


def test_the_stream_tells_of_ones_own_flags_and_goes_on_where_it_was_left(desk: Desk) -> None:
    mine, foreign = event("stream-1"), event("stream-2", platform_id="p02", district="310115")
    for flag in (mine, foreign):
        desk.raise_flag(flag)
        desk.flag(flag.flag_id)
    whole = list(listen(desk, "platform", 6, after=-1))
    assert {one["data"]["flag"]["platform_id"] for one in whole} == {"p01"}
    of_mine = [one for one in whole if one["data"]["flag"]["flag_id"] == mine.flag_id]
    assert [one["event"] for one in of_mine] == ["opened", "level"]
    numbers = [int(one["id"]) for one in whole]
    assert numbers == sorted(set(numbers))
    rest = list(listen(desk, "platform", 6, last=of_mine[0]["id"]))
    seen = int(of_mine[0]["id"])
    assert [one["id"] for one in rest] == [o["id"] for o in whole if int(o["id"]) > seen]
    assert {o["data"]["flag"]["platform_id"] for o in listen(desk, "p02", 6, after=-1)} == {"p02"}
    assert not list(listen(desk, "cyberspace", 6, after=-1))


def test_who_sees_no_flags_has_no_stream_and_nonsense_is_refused(desk: Desk) -> None:
    for who in ("tax", "association"):
        assert get(desk, who, "stream").status_code == 403
    for nonsense in ("x", "-1", "9" * 20, "1" * 15):
        answer = desk.ask(
            "platform", "GET", "/v1/share/stream", headers={"last-event-id": nonsense}
        )
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "invalid"


def test_figures_that_a_role_has_none_of_are_refused(desk: Desk) -> None:
    """And not a stream that says nothing for ever."""
    for who in ("tax", "association", "market_regulation", "police"):
        answer = get(desk, who, "stream", figures="true")
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "not_permitted"


def test_a_minute_of_a_whole_city_is_told_whole(desk: Desk) -> None:
    """More cells than a page has rows."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    names = {f"c{n:04d}" for n in range(2300)}
    rows = [
        {"minute": minute, "platform_id": "p01", "category": c, "district": "310104",
         "closed": 1, "orders_5m": 3}
        for c in sorted(names)
    ]  # fmt: skip
    stream = listen(desk, "platform", 25, figures="true")
    with connect(desk.settings) as client:
        client.execute(f"INSERT INTO indicators_cell ({', '.join(rows[0])}) VALUES", rows)
    told: list[str] = []
    for one in stream:
        if one["event"] == "indicator" and one["data"]["district"] == "310104":
            told.append(one["data"]["category"])
        if len(told) == len(names):
            break
    assert sorted(told) == sorted(names)


def test_flags_that_are_unchanged_are_not_sent_again(desk: Desk) -> None:
    flag = event("etag")
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    for path in ("/v1/flags", f"/v1/flags/{flag.flag_id}"):
        etag = desk.ask("platform", "GET", path).headers["etag"]
        again = desk.ask("platform", "GET", path, headers={"if-none-match": f'"old", W/{etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert desk.ask("p02", "GET", "/v1/flags", headers={"if-none-match": etag}).is_success
    assert desk.ask("platform", "POST", f"/v1/flags/{flag.flag_id}/ack").status_code == 200
    changed = desk.ask("platform", "GET", path, headers={"if-none-match": etag})
    assert changed.json()["state"] == "ACKED"


def test_minutes_that_close_come_with_the_stream(desk: Desk) -> None:
    stream = listen(desk, "platform", 20, figures="true")
    began = time.monotonic()
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    rows = [
        {"minute": minute, "platform_id": p, "category": "food", "district": "310101",
         "closed": 1, "orders_5m": 7}
        for p in ("p01", "p02")
    ]  # fmt: skip
    with connect(desk.settings) as client:
        client.execute(f"INSERT INTO indicators_cell ({', '.join(rows[0])}) VALUES", rows)
    for one in stream:
        if one["event"] == "indicator" and one["data"]["district"] == "310101":
            assert one["data"]["platform_id"] == "p01"
            assert one["data"]["orders_5m"] == 7
            break
        assert time.monotonic() - began < 60


def test_the_document_names_every_route(desk: Desk) -> None:
    document = desk.ask("", "GET", "/openapi.json").json()
    names = ("indicators", "completeness", "daily/{part}", "stream")
    assert {f"/v1/share/{name}" for name in names} <= set(document["paths"])


def test_the_document_says_what_an_error_looks_like(desk: Desk) -> None:
    document = desk.ask("", "GET", "/openapi.json").json()
    shapes = document["components"]["schemas"]
    assert shapes["Refused"]["required"] == ["error"]
    assert shapes["Said"]["required"] == ["code", "message"]
    assert "HTTPValidationError" not in shapes
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for code in ("401", "422", "429", "503", "504"):
                told = operation["responses"][code]["content"]["application/json"]["schema"]
                assert told == {"$ref": "#/components/schemas/Refused"}, path
    stream = document["paths"]["/v1/share/stream"]["get"]["responses"]["200"]["content"]
    assert list(stream) == ["text/event-stream"]
