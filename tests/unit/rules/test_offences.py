"""What counts as an offence, and that each is counted in one minute only."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.flags import FlagEvent
from pipelines.core.offences import Incident, Offences, shanghai_day
from pipelines.core.rollup.levels import Levels
from pipelines.core.rollup.rules import Rules
from pipelines.core.rules.again import rule_score_again

DAY = 86_400_000
FLAG = FlagEvent(
    "F03:x", "opened", "raised", "F03", "session", "s", "p", "food", "", 10 * DAY, 0, 0,
    1.0, 1.0, 1.0, 900, 9.0, 8.0, "F03/1", "", "",
)  # fmt: skip


def counted(*flags: FlagEvent) -> list[tuple[str, str]]:
    offences = Offences()
    for flag in flags:
        offences.note("m", flag)
    return offences.take(14_400)


def test_what_is_an_offence() -> None:
    assert counted(FLAG) == [("m", "F03")]
    assert counted(replace(FLAG, grade="watch")) == []
    assert counted(replace(FLAG, grade="watch"), replace(FLAG, event="escalated")) == [("m", "F03")]
    assert counted(replace(FLAG, parent_id="F01:platform")) == []
    assert counted(replace(FLAG, rule="F11")) == counted(replace(FLAG, rule="F12")) == []
    assert counted(replace(FLAG, event="cleared")) == []


def test_a_rule_counts_once_a_day() -> None:
    later = replace(FLAG, onset=FLAG.onset + 3_600_000)
    assert len(counted(FLAG, FLAG, later)) == 1
    assert len(counted(FLAG, replace(FLAG, onset=FLAG.onset + DAY))) == 2
    assert len(counted(FLAG, replace(FLAG, rule="F07"))) == 2


def test_a_minute_that_closes_again_finds_its_own() -> None:
    offences = Offences()
    offences.note("m", FLAG)
    assert offences.take(14_400) == [("m", "F03")]
    assert offences.take(14_401) == []
    again = Offences()
    again.restore(offences.to_json())
    assert again.take(14_400) == [("m", "F03")]
    again.note("m", FLAG)
    assert again.take(14_402) == []


START = 300 * 5_966_000 // 60
"""A minute at which a bin begins, in the middle of a day."""


def repeated(overturned: frozenset[Incident], until: int, back: int = 5) -> list[FlagEvent]:
    """Merchant m breaks F03 on day 1, F05 on day 2 and F08 on day 3; one look a day, in `until`
    bins more. Overturned is known from bin `back` of the last day on."""
    rules = Rules(Levels(DEFAULT_POLICY))
    merchants = rules._levels.merchant
    merchants.slot(("p", "m"), "food")
    flags = []
    for day, rule in enumerate(("F03", "F05", "F08")):
        rules.offences.add("p\nm", rule, (START + day * 1_440) * 60_000)
        for bin_ in range(until if day == 2 else 1):
            if (day, bin_) == (2, back):
                rules.overturned = overturned
            for minute in range(5):
                counts = rules._levels.counts([])[0]
                at = START + day * 1_440 + bin_ * 5 + minute
                mix = np.zeros((0, 12), np.int64)
                flags += rules.close_minute(at, counts, mix, {"p"}, 0)
    return [f for f in flags if f.rule == "F12"]


def incident(rule: str, day: int, merchant: str = "m") -> Incident:
    return Incident(rule, shanghai_day(START * 60_000) + day, "p", merchant)


def test_three_offences_are_a_repetition_and_an_overturned_one_is_none() -> None:
    (flag,) = repeated(frozenset(), 3)
    assert (flag.event, flag.observed) == ("opened", 3.0)
    assert repeated(frozenset({incident("F05", 1)}), 3, back=0) == []


def test_of_others_and_of_what_was_never_counted_nothing_is_taken_off() -> None:
    """Of another merchant, of a day of none, of one that no merchant has, of long ago."""
    strange = [incident("F03", 0, "n"), incident("F03", -1), incident("F03", -40)]
    (flag,) = repeated(frozenset(strange), 3, back=0)
    assert flag.observed == 3.0
    assert rule_score_again(json.loads(flag.evidence)) == 3.0


def test_a_repetition_ends_when_its_offences_are_overturned() -> None:
    both = frozenset({incident("F03", 0), incident("F05", 1)})
    assert [f.event for f in repeated(both, 5 + 11)] == ["opened"]
    assert [f.event for f in repeated(both, 5 + 12)] == ["opened", "cleared"]


def test_the_evidence_has_no_overturned_offence() -> None:
    """Four offences, of which one is overturned: a repetition of three."""
    rules = Rules(Levels(DEFAULT_POLICY))
    rules._levels.merchant.slot(("p", "m"), "food")
    for rule in ("F02", "F03", "F05", "F08"):
        rules.offences.add("p\nm", rule, START * 60_000)
    rules.overturned = frozenset({incident("F02", 0)})
    flags = []
    for minute in range(START, START + 5):
        counts = rules._levels.counts([])[0]
        flags += rules.close_minute(minute, counts, np.zeros((0, 12), np.int64), {"p"}, 0)
    (flag,) = flags
    told = json.loads(flag.evidence)
    assert (flag.observed, rule_score_again(told)) == (3.0, 3.0)
    assert [count for _, count in told["units"]] == [3]
