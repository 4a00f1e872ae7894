"""What counts as an offence, and that each is counted in one minute only."""

from __future__ import annotations

from dataclasses import replace

from pipelines.core.flags import FlagEvent
from pipelines.core.offences import Offences

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
