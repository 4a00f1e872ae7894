"""Each rule's decision follows from what is kept with it, and a changed input is found out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from pipelines.core.flags import Entity
from pipelines.core.ledger.book import Book
from pipelines.core.ledger.lifecycle import FlagFile
from pipelines.core.rules import RULES, RuleBoard, RuleEvent
from pipelines.core.rules.again import ChangedRuleError, rule_score_again, units_of
from pipelines.core.rules.boards import merchant_board, platform_board, session_board
from pipelines.core.rules.flags import rule_flag
from pipelines.ledger.evidence import evidence, recompute
from pipelines.ledger.evidence_page import page
from tests.unit.ledger.world import opened, write
from tests.unit.rules.test_detectors import (
    BOARDS,
    FEEDS,
    START,
    Minute,
    merchant_minutes,
    platform_minutes,
    session_minutes,
)


def play(board: RuleBoard, minutes: list[Minute]) -> list[RuleEvent]:
    """As `test_detectors.play`, with series of three groups."""
    events = []
    for i, columns in enumerate(minutes):
        n = len(next(iter(columns.values())))
        on, group = np.ones(n, bool), np.arange(n) % 3
        arrays = {k: np.asarray(v) for k, v in columns.items()}
        events += board.close_minute(START + i, arrays, on, on, group)
    return events


def of_sessions(minute: int, one: Minute) -> None:
    one["safety"][0] = int(minute in (10, 70, 130))
    if 120 <= minute < 140:
        one["orders"][1] += 11
        one["viewer_milliminutes"][2] *= 20
        one["ghost_orders"][3] = 2
        one["uncertified"][4] = 30_000_000


def of_merchants(minute: int, one: Minute) -> None:
    one["safety"][0] = int(minute in (10, 70, 130))
    one["refunds"][1] += 2 if 200 <= minute < 225 else 0
    one["off_platform"][3] = 2 if minute in (12, 40) else 0
    one["offences"][4] = int(minute in (3, 100, 200))


def reviewed(minutes: list[Minute]) -> list[Minute]:
    """Platform 0 stops to review in minute 100."""
    for minute, one in enumerate(minutes):
        end = (minute + 1) % 5 == 0
        one["live"] = np.array([100, 100]) * end
        one["reviewed"] = np.array([0 if minute >= 100 else 98, 98]) * end
    return minutes


@pytest.fixture(scope="module")
def risen() -> list[RuleEvent]:
    events = play(session_board(), session_minutes(180, of_sessions))
    events += play(merchant_board(), merchant_minutes(300, of_merchants))
    events += play(platform_board(), reviewed(platform_minutes(600, 6)))
    assert all(e.evidence for e in events if e.change in ("opened", "escalated"))
    assert not any(e.evidence for e in events if e.change in ("cleared", "ended"))
    return [e for e in events if e.evidence]


def test_every_rule_keeps_what_its_score_follows_from(risen: list[RuleEvent]) -> None:
    assert {e.rule.id for e in risen} == set(RULES)
    for one in risen:
        event = rule_flag(one, Entity("session", "1f" * 16, "p01", "food"), 0).to_json()
        told = json.loads(event["evidence"])
        again = recompute(event, told)
        assert again["agrees"], (one.rule.id, again, one.score)
        assert told["rule_version"] == event["rule_version"]


@pytest.mark.parametrize("level", BOARDS)
def test_wild_figures_agree_as_well(level: str) -> None:
    make, names = BOARDS[level]
    rng = np.random.default_rng(3)
    feeds = [
        {k: FEEDS["wild"](rng, (6, 12) if k == "mix" else (6,)) for k in names} for _ in range(240)
    ]
    found = [e for e in play(make(), feeds) if e.evidence]
    assert found
    for one in found:
        assert math.isclose(rule_score_again(json.loads(one.evidence)), one.score, rel_tol=1e-9)


def test_a_changed_input_is_found_out(risen: list[RuleEvent]) -> None:
    wanted = {"F03": "orders", "F05": "refunds", "F09": "reviewed", "F10": "uncertified"}
    for one in risen:
        told = json.loads(one.evidence)
        if "units" in told:
            told["units"][-1][1] += 1
        elif one.rule.id in wanted:
            told["bin"]["columns"][wanted[one.rule.id]] += 5
        else:
            continue
        event = {"rule": one.rule.id, "event": "opened", "score": one.score}
        assert recompute(event, told)["agrees"] is False, one.rule.id


def test_a_rule_that_changed_since_is_unknown_and_says_so(risen: list[RuleEvent]) -> None:
    one = next(e for e in risen if e.rule.id == "F03")
    told = json.loads(one.evidence)
    told["settings"]["prior"] = 4.0
    with pytest.raises(ChangedRuleError, match="F03/1"):
        rule_score_again(told)
    found = recompute({"rule": "F03", "event": "opened", "score": one.score}, told)
    assert (found["agrees"], found["why"]) == (None, "F03/1 is another rule by now")


@pytest.mark.parametrize(
    "told",
    [
        {"statistic": "unreadable"},
        {"statistic": "rule_score"},
        {"statistic": "rule_score", "v": 1, "rule_version": "F99/1"},
        {"statistic": "rule_score", "v": 1, "units": [3]},
        {"statistic": "rule_score", "v": 1, "units": "abc"},
    ],
)
def test_what_cannot_be_read_does_not_agree(told: dict[str, Any]) -> None:
    event = {"rule": "F02", "event": "opened", "observed": 3.0, "score": 3.0}
    assert recompute(event, told)["agrees"] is False


def test_the_page_shows_counts_as_a_plot_and_other_inputs_as_numbers(
    risen: list[RuleEvent],
) -> None:
    for rule, plots in (("F02", 1), ("F03", 0)):
        one = next(e for e in risen if e.rule.id == rule)
        event = rule_flag(one, Entity("session", "1f" * 16, "p01", "food"), 0).to_json()
        found = evidence(_file(), [event], [], 0)
        text = page(found)
        assert text.count("<svg") == plots
        assert ("clicks" in text) is (rule == "F03")
        told = json.loads(one.evidence)
        assert len(found["decisions"][0]["window"]) == len(units_of(told))


def _file() -> FlagFile:
    book = Book()
    write(book, [opened()])
    return book.files["f1"]
