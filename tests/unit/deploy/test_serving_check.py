"""The verdict of serving-check, and the comparison that its columns of alerts rest on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from deploy.check.simulated_day.unlike import Between, unlike
from deploy.errors import StackError
from deploy.serving_check import panels
from deploy.serving_check.alerts import event_id, judge, owed
from deploy.serving_check.ask import Screen
from deploy.serving_check.flag_events import flag, later
from deploy.serving_check.verdict import failures, not_run
from deploy.serving_check.webhook import Heard
from grafana.screen.timerange import TimeRange
from pipelines.core.flags import FlagEvent

GOOD: dict[str, Any] = {
    "panels": 100, "panels_ok": 100, "hostile_answers_unclear": 0, "key_panels": 12,
    "key_panels_agreeing": 12, "browser_panels": 100, "browser_panels_drawn": 100,
    "console_errors": 0, "alerts_raised": 60, "alerts_delivered": 60, "alerts_doubled": 0,
    "cells_recovered_by_differencing": 0, "foreign_rows_seen": 0, "looks_unrecorded": 0,
    "database_roles": "checked", "database_roles_by": ["embedded engine with XML users"],
    "slowest_query_ms": 140.0,
}  # fmt: skip


def test_all_is_well() -> None:
    assert failures(GOOD) == []
    assert not_run(GOOD) == []


@pytest.mark.parametrize(
    "change",
    [
        {"panels_ok": 99}, {"hostile_answers_unclear": 1}, {"panels": 0, "panels_ok": 0},
        {"key_panels_agreeing": 11}, {"key_panels": 9, "key_panels_agreeing": 9},
        {"browser_panels_drawn": 99}, {"browser_panels": 0, "browser_panels_drawn": 0},
        {"console_errors": 1}, {"alerts_delivered": 59},
        {"alerts_raised": 0, "alerts_delivered": 0}, {"alerts_doubled": 1},
        {"cells_recovered_by_differencing": 1}, {"foreign_rows_seen": 1},
        {"looks_unrecorded": 1},
        {"database_roles": "failed"}, {"database_roles": "not run: no server"},
        {"database_roles_by": []}, {"slowest_query_ms": 200.1},
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_fails_the_check(change: dict[str, Any]) -> None:
    assert len(failures(GOOD | change)) == 1


def test_roles_that_no_engine_took_are_said_to_be_not_run() -> None:
    assert failures(GOOD | {"database_roles": "not run: no server", "database_roles_by": []}) == []


def test_a_column_that_was_not_filled_in_is_named_and_not_judged() -> None:
    some = {k: v for k, v in GOOD.items() if k != "console_errors"} | {"panels_ok": None}
    assert not_run(some) == ["panels_ok", "console_errors"]
    assert failures(some) == []


# -- panels -----------------------------------------------------------------------------------


def column(kind: str, *values: Any, name: str = "time") -> dict[str, Any]:
    return {"name": name, "type": kind, "values": list(values)}


TIMES, FIGURES = column("time", 1, 2, 2), column("number", 3, None, 4, name="value")
NAMES = column("string", "b", "a", name="name")


@pytest.mark.parametrize(
    ("kind", "columns", "says"),
    [
        ("timeseries", [TIMES, FIGURES], ""),
        ("table", [column("time", 3, 2, None)], ""),
        ("table", [NAMES], ""),
        ("barchart", [NAMES, column("number", 2, 1, name="value")], ""),
        ("table", [column("time", 1, 3, 2)], "order"),
        ("timeseries", [column("time", 3, 2, 1), FIGURES], "no sorted time"),
        ("timeseries", [NAMES, FIGURES], "no sorted time"),
        ("barchart", [column("string", "b"), column("number", 1, name="value")], "columns"),
        ("stat", [column("number", None)], "no figure"),
        ("table", [], "no rows"),
        ("table", [column("string")], "no rows"),
        ("table", [column("number", 1, name="")], "name"),
        ("table", [NAMES, NAMES], "name"),
    ],
)
def test_a_panel_is_right_when_it_can_be_drawn(
    kind: str, columns: list[dict[str, Any]], says: str
) -> None:
    told = panels.judge(kind, {"status": "ok", "columns": columns})
    assert says in told
    assert bool(told) == bool(says)


@pytest.mark.parametrize(
    ("found", "says"),
    [({"status": "error", "error": {"en": "unknown column"}}, "unknown column"),
     ({"status": "missing"}, "missing")],
)  # fmt: skip
def test_a_panel_without_an_answer_is_not_right(found: dict[str, Any], says: str) -> None:
    assert says in panels.judge("stat", found)


@pytest.mark.parametrize(
    ("shown", "counted", "differ"),
    [
        ({"a": 1.0}, {"a": 1 + 1e-12}, 0),
        ({"a": 1.0}, {"a": 1.001}, 1),
        ({"a": [1, None]}, {"a": [1, 0]}, 1),
        ({"a": 1}, {"a": 1, "b": 2}, 1),
        ({"a": 1, "b": 2}, {"a": 1}, 1),
        ([1, 2], [1], 1),
        ((3, "x"), [3, "x"], 0),
        (2, Between(1, 2), 0),
        (2.1, Between(1, 2), 1),
        (None, Between(1, 2), 1),
    ],
)
def test_figures_that_differ_are_named(shown: Any, counted: Any, differ: int) -> None:
    assert len(list(unlike(shown, counted))) == differ


# -- patience ---------------------------------------------------------------------------------


SPAN = TimeRange(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
SLOW = {"status": "error", "error": {"code": "too_slow"}}
FINE = {"status": "ok", "columns": []}


def asked(*answers: tuple[int, dict[str, Any]]) -> tuple[dict[str, Any], list[list[str]]]:
    """(what comes of asking for the panels 1 and 2, the panels of each request)."""
    left, requests = list(answers), list[list[str]]()

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request.url.params.get_list("panel"))
        status, body = left.pop(0)
        return httpx.Response(status, json=body, headers={"retry-after": "0"})

    with Screen("http://screen", "s1") as screen:
        screen.client = httpx.Client(
            transport=httpx.MockTransport(answer), base_url="http://screen"
        )
        return screen.panels("platform", "zh", [1, 2], SPAN, {}), requests


def test_a_screen_that_has_other_work_is_asked_again() -> None:
    away = (503, {"error": {"code": "clickhouse_away"}})
    slow = (502, {"error": {"code": "too_slow"}})
    found, requests = asked(away, slow, (200, {"panels": {"1": FINE, "2": FINE}}))
    assert found == {"1": FINE, "2": FINE}
    assert requests == [["1", "2"]] * 3


def test_a_panel_that_was_too_slow_is_asked_again_alone() -> None:
    found, requests = asked(
        (200, {"panels": {"1": FINE, "2": SLOW}}), (200, {"panels": {"2": FINE}})
    )
    assert found == {"1": FINE, "2": FINE}
    assert requests == [["1", "2"], ["2"]]


def test_what_is_wrong_or_slow_for_ever_is_not_covered_up() -> None:
    with pytest.raises(StackError, match="502"):
        asked((502, {"error": {"code": "query_failed"}}))
    found, requests = asked(*[(200, {"panels": {"1": SLOW, "2": FINE}})] * 10)
    assert panels.judge("stat", found["1"])
    assert len(requests) == 10


# -- alerts -----------------------------------------------------------------------------------


def heard(event: FlagEvent, id_: str = "", **data: Any) -> Heard:
    body = json.dumps({"data": event.to_json() | data}).encode()
    return Heard("/hook", {"webhook-id": id_ or event_id(event)}, body, 0.0)


def message(event: FlagEvent, starts: str = "2026-01-01T00:00:00Z") -> Heard:
    labels = {"flag_id": event.flag_id, "level": "warning"}
    alerts = [{"labels": labels, "status": "firing", "startsAt": starts}]
    return Heard("/commission", {}, json.dumps({"alerts": alerts}).encode(), 0.0)


WARNING, NOTICE = flag(1, grade="critical"), flag(2)
EVENTS = [WARNING, NOTICE, later(NOTICE, "cleared")]
OWES = {(WARNING.flag_id, "firing")}
TOLD = {"p01": [heard(one) for one in EVENTS], "commission": [heard(WARNING)]}


def found(told: dict[str, list[Heard]], messages: list[Heard]) -> tuple[int, int, int, int]:
    one = judge(EVENTS, owed(EVENTS), told, OWES, messages)
    return one.raised, one.delivered, one.doubled, one.repeated


def test_everybody_heard_what_he_must() -> None:
    assert found(TOLD, [message(WARNING)]) == (5, 5, 0, 0)
    again = TOLD | {"p01": [*TOLD["p01"], heard(NOTICE)]}
    assert found(again, [message(WARNING), message(WARNING)]) == (5, 5, 0, 1)


def test_what_is_lost_is_seen() -> None:
    assert found(TOLD | {"commission": []}, [message(WARNING)]) == (5, 4, 0, 0)
    assert found(TOLD, []) == (5, 4, 0, 0)


@pytest.mark.parametrize(
    ("receiver", "more"),
    [
        ("commission", heard(NOTICE)),  # not for that desk
        ("p01", heard(NOTICE, observed=99.0)),  # one id with two contents
        ("p01", heard(flag(3))),  # an event that was never raised
    ],
)
def test_what_is_doubled_or_foreign_is_seen(receiver: str, more: Heard) -> None:
    told = TOLD | {receiver: [*TOLD[receiver], more]}
    assert found(told, [message(WARNING)])[2] == 1


def test_one_happening_under_two_ids_is_seen() -> None:
    told = TOLD | {"p01": [*TOLD["p01"], heard(NOTICE, id_="another")]}
    assert found(told, [message(WARNING)])[2] >= 1


def test_an_alert_that_begins_twice_or_was_none_is_seen() -> None:
    assert found(TOLD, [message(WARNING), message(WARNING, "2026-01-01T00:01:00Z")])[2] == 1
    assert found(TOLD, [message(WARNING), message(NOTICE)])[2] == 1
