"""Every panel of every dashboard, asked of the screen as a page asks, in both languages.

A panel is right here when its query, as committed and with its macros expanded, is answered by the
engine with named columns, and rows in the order of their time. Hostile input must be refused with
a sentence. That figures agree with the raw rows, and that a browser draws them, is not asked here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import httpx

from deploy.errors import StackError
from deploy.stack.settings import HOST, StackSettings

Say = Callable[[str], None]
Json = dict[str, Any]
LANGS = ("zh", "en")
_SPAN = {"from": "latest-24h", "to": "latest"}
_SHOWN = 20
_AT_ONCE = 20
_TRIES = 10
#: What a page would never send: each must be a clear no.
HOSTILE: tuple[Json, ...] = (
    {"from": "latest-3650d", "to": "latest"},
    {"from": "latest", "to": "latest"},
    {"from": "0", "to": "99999999999999999999"},
    {"from": "1' OR 1=1 --", "to": "latest"},
    {"dashboard": "../../etc/passwd"},
    {"dashboard": "x' OR 1=1"},
    {"panel": "0; DROP TABLE raw_orders"},
    {"lang": "xx"},
)


def run(settings: StackSettings, say: Say) -> Json:
    """Needs a stack with a screen, filled with the small city."""
    base = f"http://{HOST}:{settings.ports.screen}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        boards = _json(client, "/api/dashboards")["dashboards"]
        panels = right = filled = 0
        for board in boards:
            for lang in LANGS:
                for problem, rows in _board(client, board["uid"], lang):
                    panels += 1
                    right += not problem
                    filled += rows > 0
                    if problem and panels - right <= _SHOWN:
                        say(f"FAILED: {board['uid']} {lang}: {problem}")
        unclear = list(_hostile(client, boards[0]["uid"]))
        for line in unclear:
            say(f"FAILED: hostile input: {line}")
    say(f"panels: {right} of {panels} right, {filled} with rows, on {len(boards)} dashboards")
    return {
        "dashboards": len(boards),
        "panels": panels,
        "panels_ok": right,
        "panels_with_rows": filled,
        "hostile_answers_unclear": len(unclear),
    }


def _board(client: httpx.Client, uid: str, lang: str) -> Iterator[tuple[str, int]]:
    """(what is wrong or nothing, rows) of each panel that asks ClickHouse."""
    board = _json(client, f"/api/dashboards/{uid}?{urlencode({'lang': lang})}")
    asked = [p for p in board["panels"] if any(t.get("rawSql") for t in p.get("targets", ()))]
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        query = [("dashboard", uid), ("lang", lang), *(("panel", str(p["id"])) for p in some)]
        answer = _json(client, "/api/query?" + urlencode([*query, *_SPAN.items()]))
        for panel in some:
            found = answer["panels"].get(str(panel["id"]), {"status": "missing"})
            yield judge(panel["title"], found), found.get("rows", 0)


def judge(title: str, found: Json) -> str:
    """What is wrong with a panel's answer; nothing when it is right."""
    if found.get("status") != "ok":
        return f"{title}: {found.get('error', found.get('status'))}"
    columns = found["columns"]
    if not columns or not all(column["name"] for column in columns):
        return f"{title}: a column without a name"
    if columns[0]["type"] == "time":
        times = [at for at in columns[0]["values"] if at is not None]
        if times != sorted(times) and times != sorted(times, reverse=True):
            return f"{title}: rows are not in the order of their time"
    return ""


def _hostile(client: httpx.Client, uid: str) -> Iterator[str]:
    """Requests whose answer is no clear no."""
    for change in HOSTILE:
        asked = {"dashboard": uid, "lang": "zh", "panel": "1", **_SPAN} | change
        answer = client.get("/api/query", params=asked)
        try:
            error = answer.json()["error"]
        except (ValueError, KeyError):
            error = {}
        clear = 400 <= answer.status_code < 500 and bool(error.get("zh")) and bool(error.get("en"))
        if not clear or "Traceback" in answer.text:
            yield f"{change} is answered {answer.status_code}: {answer.text[:200]}"


def _json(client: httpx.Client, path: str) -> Json:
    """Asked again where ClickHouse is busy, as the page does."""
    for _ in range(_TRIES):
        answer = client.get(path)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(float(answer.headers.get("retry-after", "2")))
    if not answer.is_success:
        raise StackError(f"the screen answers {answer.status_code} to {path[:80]}")
    found: Json = answer.json()
    return found
