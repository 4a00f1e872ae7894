"""`livewatch alerts` with the real Kafka, the real Alertmanager and a receiver that misbehaves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from deploy.serving_check import alertmanager as real
from deploy.serving_check.alerts_process import AlertsProcess
from deploy.serving_check.flag_events import FlagWriter, flag, later
from deploy.serving_check.webhook import Heard, Mood, Webhook
from deploy.stack.ports import free_run
from pipelines.core.flags import FlagEvent
from pipelines.core.ledger.entry import GENESIS, Draft, Kind, chained
from pipelines.topics import FLAGS_TOPIC, LEDGER_TOPIC

KEY = bytes(range(32))
WAIT = 90.0
MESSAGE = {"level_zh", "action_zh", "action_en"}


@dataclass
class Desk:
    """Everything of one test."""

    process: AlertsProcess
    hook: Webhook
    writer: FlagWriter
    directory: Path

    def ids(self, path: str) -> list[str]:
        return [one.json()["id"] for one in self.hook.on(path)]

    def wait(self, what: str, done: Callable[[], bool], timeout: float = WAIT) -> None:
        self.process.wait(what, done, timeout)

    def command(self, *words: str) -> str:
        argv = [sys.executable, "-m", "deploy.cli", "alerts", *words]
        argv += ["--outbox", str(self.process.outbox)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def id_of(event: FlagEvent) -> str:
    return f"{event.flag_id}/{event.event}/{event.grade}"


@pytest.fixture
def topic(kafka: Any) -> Iterator[str]:
    kafka.create_topics(1, FLAGS_TOPIC)
    yield kafka.bootstrap
    kafka.delete_topics(FLAGS_TOPIC)


@pytest.fixture
def desk(topic: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    hook, writer = Webhook(), FlagWriter(topic)
    (tmp_path / "key").write_text("whsec_" + base64.b64encode(KEY).decode())
    receivers = {
        "receivers": [
            {"name": "p01", "url": hook.url("/p01"), "secret_file": "key",
             "desks": ["platform:p01"]},
            {"name": "commission", "url": hook.url("/commission"), "secret_file": "key",
             "desks": ["commission"]},
        ]
    }  # fmt: skip
    (tmp_path / "receivers.yml").write_text(json.dumps(receivers))
    settings = {
        "RECEIVERS": str(tmp_path / "receivers.yml"),
        "TIMEOUT_S": "1", "FIRST_RETRY_S": "0.1", "MOST_RETRY_S": "0.4", "RESEND_S": "0.5",
        **getattr(request, "param", {}),
    }  # fmt: skip
    process = AlertsProcess(tmp_path, topic, free_run(), settings)
    try:
        yield Desk(process, hook, writer, tmp_path)
    finally:
        process.end()
        writer.close()
        hook.close()


def signed(one: Heard, key: bytes = KEY) -> bool:
    """By the specification of Standard Webhooks, apart from our own code."""
    told = one.headers
    content = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + one.body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{digest}" in told["webhook-signature"].split()


def test_each_event_goes_to_whom_it_concerns_signed_and_once(desk: Desk) -> None:
    notice, foreign = flag(1), flag(2, platform="p02")
    warning = flag(3, grade="critical")
    told = [notice, foreign, warning, later(notice, "cleared"), flag(4, grade="watch")]
    # The topic has each at least once, and once something that is no flag.
    desk.writer.write([*told, b"{not json", *told])
    ours = {id_of(e) for e in (notice, warning, told[3])}
    desk.wait("told", lambda: set(desk.ids("/p01")) == ours and bool(desk.ids("/commission")))
    desk.wait("read", lambda: desk.process.get("/readyz")[0] == 200)
    assert sorted(desk.ids("/p01")) == sorted(ours)
    assert desk.ids("/commission") == [id_of(warning)]
    assert all(signed(one) for one in desk.hook.heard)
    one = desk.hook.on("/commission")[0]
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert one.headers["webhook-id"] == id_of(warning)
    event = one.json()
    assert event["specversion"] == "1.0"
    assert event["type"] == "livewatch.flag.opened.v1"
    assert warning.to_json() | {"level": "warning"} == {
        name: told for name, told in event["data"].items() if name not in MESSAGE
    }
    assert set(event["data"]) >= MESSAGE
    assert "livewatch_alerts_unreadable_total 1.0" in desk.process.get("/metrics")[1]
    assert "livewatch_alerts_repeated_total 5.0" in desk.process.get("/metrics")[1]


def test_a_receiver_that_fails_hangs_and_comes_back_misses_nothing(desk: Desk) -> None:
    flags = [flag(n) for n in range(12)]
    desk.hook.be(Mood.FAILING)
    desk.writer.write(flags[:6])
    desk.wait("failed", lambda: desk.hook.refused["failing"] >= 8)
    desk.hook.be(Mood.HANGING)
    desk.writer.write(flags[6:])
    desk.writer.write([later(one, "cleared") for one in flags])
    desk.wait("hung", lambda: desk.hook.refused["hanging"] >= 8)
    assert not desk.hook.heard
    desk.hook.be(Mood.WELL)
    desk.wait("told", lambda: len(desk.ids("/p01")) >= 24)
    ids = desk.ids("/p01")
    assert len(set(ids)) == 24
    for one in flags:
        mine = [i for i in ids if i.startswith(one.flag_id)]
        assert [i.split("/")[-2] for i in mine] == ["opened", "cleared"]


def test_killed_at_any_moment_nothing_is_lost_and_ids_stay(desk: Desk) -> None:
    expected = set()
    for n in range(3):
        some = [flag(100 * n + k) for k in range(8)]
        # Half of the kills find requests on their way, half a receiver whose answers get lost.
        desk.hook.be(Mood.LOSING if n % 2 else Mood.WELL)
        desk.writer.write(some)
        expected |= {id_of(one) for one in some}
        heard = len(desk.hook.heard)
        desk.wait("something was told", lambda before=heard: len(desk.hook.heard) > before)  # type: ignore[misc]
        desk.process.kill()
        desk.process.restart()
    desk.hook.be(Mood.WELL)
    desk.wait("all told", lambda: set(desk.ids("/p01")) == expected)
    waiting = 'livewatch_alerts_waiting{receiver="p01"} 0.0'
    desk.wait("nothing waits", lambda: waiting in desk.process.get("/metrics")[1])
    (status,) = json.loads(desk.command("status", "--json"))
    assert (status["receiver"], status["delivered"]) == ("p01", len(expected))
    bodies: dict[str, set[bytes]] = {}
    for one in desk.hook.on("/p01"):
        bodies.setdefault(one.headers["webhook-id"], set()).add(one.body)
    assert all(len(variants) == 1 for variants in bodies.values())


@pytest.mark.parametrize("desk", [{"GIVE_UP_H": "0.0002"}], indirect=True)
def test_dead_letters_are_kept_and_replayed(desk: Desk) -> None:
    desk.hook.be(Mood.FAILING)
    flags = [flag(n) for n in range(3)]
    desk.writer.write(flags)
    gauge = 'livewatch_alerts_dead{receiver="p01"} 3.0'
    desk.wait("dead", lambda: gauge in desk.process.get("/metrics")[1])
    lines = desk.command("dead", "--receiver", "p01").splitlines()
    assert [line.split("\t")[1] for line in lines] == [id_of(one) for one in flags]
    assert all(line.endswith("HTTP 503") for line in lines)
    desk.hook.be(Mood.WELL)
    time.sleep(1.5)
    assert not desk.hook.heard
    assert desk.command("replay", "--receiver", "p01") == "3 events are owed again\n"
    desk.wait("told", lambda: sorted(desk.ids("/p01")) == sorted(map(id_of, flags)))


def test_dead_letters_replayed_twice_come_under_their_ids(desk: Desk) -> None:
    desk.hook.be(Mood.GONE)
    flags = [flag(n) for n in range(3)]
    desk.writer.write(flags)
    gauge = 'livewatch_alerts_dead{receiver="p01"} 3.0'
    desk.wait("dead at once", lambda: gauge in desk.process.get("/metrics")[1])
    assert desk.command("replay", "--receiver", "p01") == "3 events are owed again\n"
    desk.wait("dead again", lambda: desk.hook.refused["gone"] >= 6)
    desk.wait("counted", lambda: gauge in desk.process.get("/metrics")[1])
    desk.hook.be(Mood.WELL)
    assert desk.command("replay") == "3 events are owed again\n"
    assert desk.command("replay") in ("0 events are owed again\n", "3 events are owed again\n")
    desk.wait("told", lambda: set(desk.ids("/p01")) == set(map(id_of, flags)))
    time.sleep(1.5)
    assert sorted(desk.ids("/p01")) == sorted(map(id_of, flags))


def test_a_secret_is_changed_while_it_runs(desk: Desk) -> None:
    new, path = bytes(range(100, 132)), desk.directory / "key"
    texts = ["whsec_" + base64.b64encode(key).decode() for key in (new, KEY)]
    one, two, three, four = (flag(n) for n in range(4))

    def told_by(event: FlagEvent) -> list[bool]:
        desk.writer.write([event])
        desk.wait("told", lambda: id_of(event) in desk.ids("/p01"))
        heard = next(h for h in desk.hook.on("/p01") if h.json()["id"] == id_of(event))
        return [signed(heard, key) for key in (new, KEY)]

    assert told_by(one) == [False, True]
    path.write_text("\n".join(texts))
    assert told_by(two) == [True, True]
    path.write_text(texts[0])
    assert told_by(three) == [True, False]
    path.write_text("half a sec")  # being written, or a mistake: the last good one holds
    assert told_by(four) == [True, False]


@pytest.mark.parametrize("desk", [{"TIMEOUT_S": "30"}], indirect=True)
def test_many_receivers_that_hang_hold_up_nobody(desk: Desk) -> None:
    hanging = Webhook(Mood.HANGING)
    try:
        file = desk.directory / "receivers.yml"
        told = json.loads(file.read_text())
        told["receivers"] += [
            {"name": f"hangs-{n}", "url": hanging.url(), "secret_file": "key",
             "desks": ["platform:p01"]}
            for n in range(20)
        ]  # fmt: skip
        file.write_text(json.dumps(told))
        desk.hook.be(Mood.HANGING)
        desk.wait("known", lambda: "hangs-19" in desk.process.get("/metrics")[1])
        desk.writer.write([flag(n) for n in range(8)])
        desk.wait("all hang", lambda: hanging.refused["hanging"] >= 100)
        warning = flag(100, grade="critical")
        desk.hook.be(Mood.WELL)
        desk.writer.write([warning])
        desk.wait("told", lambda: desk.ids("/commission") == [id_of(warning)], 20)
    finally:
        hanging.close()


def test_a_level_that_rises_with_time_is_told_from_the_ledger(desk: Desk, kafka: Any) -> None:
    kafka.create_topics(1, LEDGER_TOPIC)
    try:
        notice = flag(1)
        details = {"level": "warning", "recipients": ["commission"], "reasons": []}
        level = f"level:{notice.flag_id}:warning"
        draft = Draft(level, notice.flag_id, Kind.LEVEL, "clerk", "system", "", details)
        entry = chained(draft, 0, GENESIS, notice.decided_at + 1)
        # The entry is there first: it waits for its flag.
        with KafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
            producer.send(LEDGER_TOPIC, entry.to_bytes(), partition=0).get(30)
        desk.writer.write([notice])
        desk.wait("told", lambda: desk.ids("/commission") == [level])
        desk.wait("the platform, too", lambda: set(desk.ids("/p01")) == {id_of(notice), level})
    finally:
        kafka.delete_topics(LEDGER_TOPIC)


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "deploy.cli", "alerts", "--http-port"]
    env = os.environ | {"LIVEWATCH_ALERTS_OUTBOX": str(tmp_path), "LIVEWATCH_BOOTSTRAP": "x:1"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*argv, port], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    said = f"livewatch: --http-port: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_asked_to_end_it_ends(desk: Desk) -> None:
    desk.wait("read", lambda: desk.process.get("/readyz")[0] == 200)
    assert desk.process.terminate(signal.SIGTERM, 10) == 0


# -- Alertmanager -----------------------------------------------------------------------------

needs_alertmanager = pytest.mark.skipif(
    real.program() is None,
    reason=f"Alertmanager is not installed ({real.HOW})",
)


@dataclass
class City:
    """The process, the real Alertmanager, and the bridge that it tells."""

    desk: Desk
    manager: real.Alertmanager
    bridge: Webhook

    def told(self, receiver: str) -> Counter[tuple[str, str, str]]:
        """(flag, level, status) of every alert in every message to a receiver."""
        return Counter(
            (a["labels"]["flag_id"], a["labels"]["level"], a["status"])
            for message in self.bridge.on(f"/{receiver}")
            for a in message.json()["alerts"]
        )

    def active(self) -> set[str]:
        return {a["labels"].get("flag_id", "") for a in self.manager.alerts()}

    def inhibited(self) -> set[str]:
        found = [a for a in self.manager.alerts() if a["status"]["inhibitedBy"]]
        return {a["labels"].get("flag_id", "") for a in found}


@pytest.fixture
def city(topic: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[City]:
    """The parameter: after how long without us Alertmanager takes an alert for ended."""
    bridge, writer, port = Webhook(), FlagWriter(topic), free_run()
    config = real.hurried(bridge.url("/"), getattr(request, "param", "10m"))
    manager = real.Alertmanager(tmp_path / "am", port, config)
    settings = {"ALERTMANAGER": manager.url, "RESEND_S": "0.5", "TIMEOUT_S": "2"}
    process = AlertsProcess(tmp_path, topic, free_run(), settings)
    try:
        yield City(Desk(process, bridge, writer, tmp_path), manager, bridge)
    finally:
        process.end()
        manager.kill()
        writer.close()
        bridge.close()


@needs_alertmanager
def test_alertmanager_is_told_until_it_is_over(city: City) -> None:
    desk, bridge = city.desk, city.bridge
    warning, notice = flag(1, grade="critical"), flag(2)
    desk.writer.write([warning, notice])
    fired = (warning.flag_id, "warning", "firing")
    desk.wait("firing", lambda: fired in city.told("commission"))
    desk.wait("both are there", lambda: city.active() == {warning.flag_id, notice.flag_id})
    # Both killed; Alertmanager forgets nothing, and is told what it missed.
    desk.process.kill()
    city.manager.kill()
    escalated = later(notice, "escalated", "critical")
    desk.writer.write([escalated])
    desk.process.restart()
    city.manager.start()
    risen = (notice.flag_id, "warning", "firing")
    desk.wait("the other one, too", lambda: risen in city.told("commission"))
    desk.writer.write([later(warning, "cleared"), later(escalated, "ended")])
    over = {(f.flag_id, "warning", "resolved") for f in (warning, notice)}
    desk.wait("over", lambda: over <= set(city.told("commission")))
    desk.wait("nothing is active", lambda: not city.active())
    assert set(city.told("commission")) == {fired, risen, *over}
    starts: dict[tuple[str, str], set[str]] = {}
    for message in bridge.heard:
        for a in message.json()["alerts"]:
            labels = a["labels"]
            starts.setdefault((labels["flag_id"], labels["level"]), set()).add(a["startsAt"])
            assert a["annotations"]["sentence_zh"].startswith("平台")
            assert not {"observed", "expected", "score"} & set(labels)
    # One happening is one alert, restarts or not; a notice is for the platform alone.
    assert all(len(one) == 1 for one in starts.values())
    assert not [h for h in bridge.heard if h.path not in ("/commission",)]


@needs_alertmanager
def test_an_end_that_a_lag_muted_is_told_when_the_lag_is_over(city: City) -> None:
    ends, goes_on = flag(1, grade="critical"), flag(2, grade="critical")
    city.desk.writer.write([ends, goes_on])
    both = {(one.flag_id, "warning", "firing") for one in (ends, goes_on)}
    city.desk.wait("told", lambda: both <= set(city.told("commission")))
    lag = {"labels": {"alertname": "LagSeconds", "topic": "telemetry.orders.v1"}}
    city.manager.post([lag])
    city.desk.wait("muted", lambda: goes_on.flag_id in city.inhibited())
    city.desk.writer.write([later(ends, "cleared")])
    city.desk.wait("its end is known", lambda: ends.flag_id not in city.active())
    time.sleep(3)
    assert set(city.told("commission")) == both
    over = {"startsAt": "2019-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:00Z"}
    city.manager.post([lag | over])
    ended = (ends.flag_id, "warning", "resolved")
    city.desk.wait("told when the lag is over", lambda: ended in city.told("commission"))
    assert (goes_on.flag_id, "warning", "resolved") not in city.told("commission")


@needs_alertmanager
@pytest.mark.parametrize("city", ["3s"], indirect=True)
def test_while_nobody_tells_nothing_is_said_to_be_over(city: City) -> None:
    """Alertmanager takes what it is not told again for ended: AlertsDown mutes that."""
    one = flag(1, grade="critical")
    city.desk.writer.write([one])
    fired = (one.flag_id, "warning", "firing")
    city.desk.wait("told", lambda: fired in city.told("commission"))
    down = {"labels": {"alertname": "AlertsDown", "severity": "critical"}}
    hour = {"endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
    city.manager.post([down | hour])
    city.desk.process.kill()
    city.desk.wait("taken for ended", lambda: one.flag_id not in city.active())
    time.sleep(3)
    city.desk.process.restart()
    city.desk.wait("told again", lambda: one.flag_id in city.active())
    over = {"startsAt": "2019-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:00Z"}
    city.manager.post([down | over])
    time.sleep(4)
    assert city.told("commission") == Counter([fired])


@needs_alertmanager
def test_a_pipeline_that_lags_mutes_what_rests_on_it(city: City) -> None:
    lag = {"labels": {"alertname": "LagSeconds", "topic": "telemetry.orders.v1"}}
    city.manager.post([lag])
    city.desk.wait("duty is told", lambda: bool(city.bridge.on("/duty")))
    muted = flag(1, grade="critical")
    city.desk.writer.write([muted])
    city.desk.wait("it is known", lambda: muted.flag_id in city.inhibited())
    time.sleep(2)
    assert not city.bridge.on("/commission")
    over = {"startsAt": "2019-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:00Z"}
    city.manager.post([lag | over])
    told = (muted.flag_id, "warning", "firing")
    city.desk.wait("told when the lag is over", lambda: told in city.told("commission"))
