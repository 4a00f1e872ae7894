"""Every panel of every dashboard, asked of the screen as a page asks, in both languages.

A panel is right here when its query, as committed and with its macros expanded, is answered by the
engine with rows, in the columns that its kind draws and in the order of their time. Of the key
panels the figures must be those that the raw rows give. Hostile input must be refused with a
sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from deploy.check.simulated_day.key_panels import KEY_PANELS
from deploy.check.simulated_day.reference import Reference
from deploy.errors import StackError
from deploy.serving_check.ask import Screen
from deploy.serving_check.day import Shown
from grafana.screen.frames import Column

Say = Callable[[str], None]
Json = dict[str, Any]
LANGS = ("zh", "en")
_SHOWN = 20
_AT_ONCE = 20
_OVER_TIME = ("timeseries", "state-timeline", "heatmap")
_SPAN = {"from": "latest-24h", "to": "latest"}
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


def run(shown: Shown, say: Say) -> Json:
    """The columns of the last line that need no browser."""
    with Screen(shown.url, shown.day.session) as screen:
        boards = [board["uid"] for board in screen.boards()]
        asked = [problem for uid in boards for problem in _both(screen, uid, shown)]
        differing = list(_differing(screen, shown))
        unclear = list(_hostile(screen, boards[0]))
        again = screen.again
    wrong = [problem for problem in asked if problem]
    for line in [*wrong[:_SHOWN], *differing, *unclear]:
        say(f"FAILED: {line}")
    report = {
        "dashboards": len(boards),
        "panels": len(asked),
        "panels_ok": len(asked) - len(wrong),
        "key_panels": len(KEY_PANELS),
        "key_panels_agreeing": len(KEY_PANELS) - len(differing),
        "hostile_answers_unclear": len(unclear),
        "asked_again": again,
    }
    say("panels: " + ", ".join(f"{name} {count}" for name, count in report.items()))
    return report


def _both(screen: Screen, uid: str, shown: Shown) -> Iterator[str]:
    for lang in LANGS:
        for problem in _board(screen, uid, lang, shown):
            yield f"{uid} {lang}: {problem}" if problem else ""


def _board(screen: Screen, uid: str, lang: str, shown: Shown) -> Iterator[str]:
    """What is wrong, or nothing, of each panel that asks ClickHouse."""
    panels = screen.board(uid, lang)["panels"]
    asked = [p for p in panels if any(t.get("rawSql") for t in p.get("targets", ()))]
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        answers = screen.panels(uid, lang, (p["id"] for p in some), shown.day.span, {})
        for panel in some:
            problem = judge(panel["type"], answers.get(str(panel["id"]), {"status": "missing"}))
            yield f"{panel['title']}: {problem}" if problem else ""


def judge(kind: str, found: Json) -> str:
    """What is wrong with a panel's answer; nothing when it is right."""
    if found.get("status") != "ok":
        return f"{found.get('error', found.get('status'))}"
    columns = [Column(c["name"], c["type"], c["values"]) for c in found["columns"]]
    return ", ".join(faults(kind, columns))


def faults(kind: str, columns: Iterable[Column]) -> Iterator[str]:
    """What keeps a panel of this kind from being drawn of these columns."""
    found = tuple(columns)
    names = [column.name for column in found]
    if not all(names) or len(set(names)) != len(names):
        yield f"columns without a name of their own: {names}"
    if not found or not found[0].values:
        yield "no rows"
        return
    times = [at for at in found[0].values if at is not None]
    rising = times == sorted(times)
    if kind in _OVER_TIME and (found[0].name != "time" or found[0].kind != "time" or not rising):
        yield "no sorted time column first"
    if found[0].kind == "time" and not rising and times != sorted(times, reverse=True):
        yield "rows are not in the order of their time"
    if kind == "barchart" and names != ["name", "value"]:
        yield f"columns {names}"
    figures = [c for c in found if c.kind != "string" and c.name != "time"]
    if kind != "table" and not any(v is not None for c in figures for v in c.values):
        yield "no figure"


def _differing(screen: Screen, shown: Shown) -> Iterator[str]:
    """A line for each key panel whose figures are not those of the raw rows."""
    truth = Reference(shown.day)
    for key in KEY_PANELS:
        try:
            found = key.differences(screen.rows, truth)
        except StackError as error:
            found = [str(error)]
        if found:
            yield f"{key}: {found[0]} ({len(found)} differences)"


def _hostile(screen: Screen, uid: str) -> Iterator[str]:
    """Requests whose answer is no clear no."""
    for change in HOSTILE:
        asked = {"dashboard": uid, "lang": "zh", "panel": "1", **_SPAN} | change
        answer = screen.client.get("/api/query", params=asked)
        try:
            error = answer.json()["error"]
        except (ValueError, KeyError):
            error = {}
        clear = 400 <= answer.status_code < 500 and bool(error.get("zh")) and bool(error.get("en"))
        if not clear or "Traceback" in answer.text:
            yield f"hostile input: {change} is answered {answer.status_code}: {answer.text[:200]}"
