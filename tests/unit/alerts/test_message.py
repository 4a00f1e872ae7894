"""What a person is told besides the sentence: how grave it is, what to do, where to look."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from deploy.serving_check.flag_events import flag, later, value_of
from pipelines.alerts.message import Message
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.settings import AlertSettings
from pipelines.alerts.take import Incoming, Taker
from pipelines.core.flags import FlagEvent
from pipelines.core.ledger.lifecycle import Level
from pipelines.policy.load import load

NOW = 1_800_000_000_000
HERE = "https://livewatch.example.cn"


def told(folder: Path, *events: FlagEvent) -> tuple[list[dict[str, str]], dict[str, str]]:
    """(data of each event for the platform, annotations of the alert in the end)."""
    desks = frozenset({Desk("platform", "p01")})
    box = Outbox(folder / "box", exclusive=True)
    try:
        receivers = [Receiver("p01", "http://127.0.0.1/", Path("key"), desks)]
        taker = Taker(box, receivers, ByPolicy(load(None)), 0, Message(HERE))
        records = [Incoming("flags.v1", 0, n, NOW, value_of(e)) for n, e in enumerate(events)]
        taker.take(records, "topic-1", NOW)
        bodies = box.sql.execute("SELECT body FROM events ORDER BY number").fetchall()
        alerts = box.alerts(0)
    finally:
        box.close()
    return [json.loads(row[0])["data"] for row in bodies], json.loads(alerts[-1][3])


def test_a_message_says_what_to_do_in_both_languages_and_where_to_look(tmp_path: Path) -> None:
    one = flag(1, grade="critical")
    (data,), annotations = told(tmp_path, one)
    for said in (data, annotations):
        assert said["level_zh"] == "预警"
        assert "核查" in said["action_zh"]
        assert "look into it" in said["action_en"]
        assert said["link"].startswith(f"{HERE}/v1/flags/")
        path = said["link"].removeprefix(HERE).partition("?")[0]
        assert unquote(path) == f"/v1/flags/{one.flag_id}/evidence"


def test_at_the_end_nothing_is_asked_for(tmp_path: Path) -> None:
    one = flag(1)
    (opened, over), annotations = told(tmp_path, one, later(one, "cleared"))
    assert "升为预警" in opened["action_zh"]
    for said in (over, annotations):
        assert "无需" in said["action_zh"]
        assert "Nothing" in said["action_en"] or "nothing" in said["action_en"]


@pytest.mark.parametrize("level", [Level.NOTICE, Level.WARNING, Level.ACTION])
def test_every_level_has_something_to_do(level: Level) -> None:
    said = Message().of("F01:x", "opened", level)
    assert said["action_zh"]
    assert said["action_en"]
    assert "link" not in said


def test_who_is_told_nothing_is_asked_nothing() -> None:
    assert Message(HERE).of("F01:x", "opened", Level.NONE) == {}


def test_a_link_that_leads_nowhere_is_refused_at_the_start() -> None:
    for wrong in ("livewatch.example.cn", "ftp://x", "https://"):
        with pytest.raises(ValueError, match="must be https"):
            AlertSettings(link=wrong)
    assert AlertSettings(link=HERE + "/").link == HERE
