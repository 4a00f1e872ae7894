"""Receivers' files, labels, and the configuration of Alertmanager as amtool reads it."""

from __future__ import annotations

import base64
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from deploy.alertmanager import build
from deploy.serving_check.flag_events import flag, value_of
from pipelines.alerts import receivers
from pipelines.alerts.alertmanager import annotations_of, labels_of
from pipelines.alerts.backoff import Backoff
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.event import FlagRecord, decode
from pipelines.alerts.routing import ByPolicy, Desk, Route
from pipelines.core.ledger.lifecycle import FlagFile, Level
from pipelines.core.levels.policy import Shadow
from pipelines.policy.load import load
from schemas import codes

GOOD = {"name": "a", "url": "https://a.example/h", "secret_file": "key", "desks": ["commission"]}


def record(**changes: str) -> FlagRecord:
    return decode(value_of(replace(flag(1), **changes)))[0]  # type: ignore[arg-type]


# -- receivers --------------------------------------------------------------------------------


def write(directory: Path, *entries: dict[str, object]) -> Path:
    import yaml

    (directory / "key").write_text("whsec_" + base64.b64encode(b"k" * 32).decode() + "\n")
    path = directory / "receivers.yml"
    path.write_text(yaml.safe_dump({"receivers": list(entries)}))
    return path


def test_a_good_file(tmp_path: Path) -> None:
    (one,) = receivers.load(write(tmp_path, GOOD | {"least": "warning"}))
    assert one.keys() == (b"k" * 32,)
    assert one.wants(frozenset({Desk("commission"), Desk("platform", "p01")}), Level.WARNING)
    assert not one.wants(frozenset({Desk("commission")}), Level.NOTICE)
    assert not one.wants(frozenset({Desk("platform", "p01")}), Level.ACTION)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://a.example/h"}, "must be https"),
        ({"url": "ftp://a.example"}, "must be https://host/path"),
        ({"url": "https://u:p@a.example/"}, "must not carry a password"),
        ({"url": "https://a.example:nine/"}, "is not an address"),
        ({"desks": ["Commission"]}, "desks"),
        ({"desks": ["platform:p01,commission"]}, "desks"),
        ({"name": "A b"}, "name"),
        ({"least": "panic"}, "least"),
        ({"token": "x"}, "token"),
        ({"secret_file": "none"}, "none: cannot be read"),
        ({"secret_file": "receivers.yml"}, "is not a secret"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(AlertsError, match=said):
        receivers.load(write(tmp_path, GOOD | change))


def test_a_name_twice_and_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(AlertsError, match="twice"):
        receivers.load(write(tmp_path, GOOD, GOOD))
    (tmp_path / "bad.yml").write_text("a: [")
    with pytest.raises(AlertsError, match="not YAML"):
        receivers.load(tmp_path / "bad.yml")
    with pytest.raises(AlertsError, match="cannot be read"):
        receivers.load(tmp_path / "none.yml")


# -- levels, labels, retries ------------------------------------------------------------------

DISTRICT = {"district": "310115"}


def route(one: FlagRecord, *others: FlagFile) -> Route:
    return ByPolicy(load(None)).route(file_of(one), others, one.decided_at)


def file_of(one: FlagRecord, **changes: object) -> FlagFile:
    names = ("flag_id", "rule", "grade", "entity_type", "entity", "platform_id", "category",
             "district", "parent_id", "onset")  # fmt: skip
    told = {name: getattr(one, name) for name in names}
    told |= {"event_at": one.event_time, "opened_at": one.decided_at}
    return FlagFile(**(told | changes))


@pytest.mark.parametrize(
    ("changes", "level", "desks"),
    [
        ({}, Level.NOTICE, {"platform:p01"}),
        ({"grade": "critical"}, Level.WARNING, {"platform:p01", "commission"}),
        (
            {"grade": "critical"} | DISTRICT,
            Level.WARNING,
            {"platform:p01", "commission", "district:310115"},
        ),
        ({"rule": "F02"}, Level.WARNING, {"platform:p01", "commission"}),
        ({"rule": "F05", "grade": "critical"}, Level.NOTICE, {"platform:p01"}),
        ({"grade": "watch"}, Level.NONE, set()),
        ({"parent_id": "F01:platform/p01/p01:1"}, Level.NONE, set()),
    ],
)
def test_levels_of_single_flags(changes: dict[str, str], level: Level, desks: set[str]) -> None:
    found = route(record(**changes))
    assert found.level == level
    assert {str(desk) for desk in found.desks} == desks
    assert bool(found.why) == (level is Level.NONE)


def test_two_flags_on_one_entity_are_a_warning_and_silence_mutes() -> None:
    one = record()
    same = file_of(one, flag_id="x", rule="F05")
    assert route(one, same).level == Level.WARNING
    assert route(one, replace(same, held="muted:s")).level == Level.NOTICE
    assert route(one, replace(same, entity="other")).level == Level.NOTICE
    silent = file_of(one, flag_id="s", rule="F11", entity_type="platform", entity="p01")
    assert route(one, silent).why == "muted:s"
    over = replace(silent, over_event_at=one.event_time - 1)
    assert route(one, over).level == Level.NOTICE
    elsewhere = replace(silent, entity_type="session", entity="other")
    assert route(one, elsewhere).level == Level.NOTICE
    assert route(record(rule="F11"), silent).level == Level.NOTICE


def test_a_rule_in_shadow_tells_nobody() -> None:
    one = record()
    policy = load(None)
    shadow = policy.model_copy(update={"shadow": [Shadow(rule="F01", platform="*")]})
    assert ByPolicy(shadow).route(file_of(one), [], one.decided_at).why == "shadow"


def test_a_label_is_never_a_figure() -> None:
    one = record(**DISTRICT)
    labels = labels_of(one, Level.WARNING, frozenset({Desk("platform", "p01"), Desk("commission")}))
    told = flag(1).to_json()
    figures = ("observed", "expected", "exposure", "score", "threshold", "event_time", "decided_at")
    values = {str(told[name]) for name in figures}
    assert not values & set(labels.values())
    assert labels["desks"] == ",commission,platform:p01,"
    assert annotations_of(one)["sentence_en"] == told["sentence_en"]


def test_retries_wait_longer_each_time_and_never_all_alike() -> None:
    rng, backoff = random.Random(1), Backoff(first_s=1, most_s=60)
    for attempts, step in ((1, 1), (2, 2), (4, 8), (7, 60), (500, 60)):
        delays = [backoff.delay_s(attempts, rng) for _ in range(50)]
        assert step / 2 <= min(delays) < max(delays) <= step
    assert backoff.delay_s(1, rng, asked_s=30) == 30
    assert backoff.delay_s(1, rng, asked_s=1e9) == 60


# -- Alertmanager's configuration -------------------------------------------------------------

ALL = ["commission", "market_regulation", "cyberspace", "culture_tourism", "police"]
needs_amtool = pytest.mark.skipif(
    which("amtool") is None,
    reason="amtool is not installed (Debian, Ubuntu: apt install prometheus-alertmanager)",
)


def routed(*labels: str) -> set[str]:
    argv = ["amtool", "config", "routes", "test", "--config.file", str(build.FILE), *labels]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split(","))


def test_the_configuration_is_fresh() -> None:
    assert build.FILE.read_text("utf-8") == build.text(), "run python -m deploy.alertmanager"


@needs_amtool
def test_amtool_takes_it() -> None:
    subprocess.run(["amtool", "check-config", build.FILE], check=True, capture_output=True)


@needs_amtool
@pytest.mark.parametrize(
    ("desks", "told"),
    [
        ("platform:p01", {"nobody"}),
        ("commission,platform:p01", {"commission"}),
        ("commission,district:310115,platform:p01", {"commission", "district-310115"}),
        (
            "commission,cyberspace,district:310101,market_regulation,platform:p01",
            {"commission", "cyberspace", "district-310101", "market_regulation"},
        ),
        ("platform:commission", {"nobody"}),
        ("platform:xcommission", {"nobody"}),
    ],
)
def test_a_flag_goes_to_its_desks(desks: str, told: set[str]) -> None:
    assert routed("kind=product", "alertname=F01", f"desks=,{desks},") == told


@needs_amtool
def test_what_the_machines_say_is_for_duty() -> None:
    assert routed("alertname=LagSeconds", "severity=warning") == {"duty"}


def test_every_district_has_a_desk_and_every_muting_alert_exists() -> None:
    import yaml

    names = {receiver["name"] for receiver in build.config()["receivers"]}
    districts = codes.DISTRICTS.codes - {"310000", "999999"}
    assert {f"district-{code}" for code in districts} | set(ALL) <= names
    rules = Path(__file__).parents[3] / "deploy/prometheus/rules"
    groups = [g for file in rules.glob("*.yml") for g in yaml.safe_load(file.read_text())["groups"]]
    assert {*build.LAGGING, build.UNTOLD} <= {
        rule["alert"] for group in groups for rule in group["rules"]
    }
