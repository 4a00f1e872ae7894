"""Are alerts told, each once, whatever fails? Kafka, Alertmanager and the process are real.

What is known beforehand: which events were written, and by the table of levels who must hear of
which. What is heard: every request that a webhook took, and every message of Alertmanager.

- raised: distinct (event, receiver) that must be told, and alerts that Alertmanager must tell;
- delivered: those of them that were heard;
- doubled: one happening under two ids, one id with two contents, an id that nobody raised, or one
  alert with two beginnings. A repeat under the same id is no double: a receiver knows it.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.serving_check.alertmanager import Alertmanager, hurried
from deploy.serving_check.alerts_process import AlertsProcess
from deploy.serving_check.flag_events import FlagWriter, flag, later
from deploy.serving_check.webhook import Heard, Mood, Webhook
from deploy.stack.ports import free_run
from pipelines.alerts.signature import PREFIX, key_of, verify
from pipelines.core.flags import FlagEvent

Say = Callable[[str], None]
PLATFORMS = ("p01", "p02")
_SETTLE_S = 90.0


@dataclass(frozen=True)
class AlertsSize:
    """How much of it."""

    rounds: int = 6
    flags: int = 30
    seed: int = 7


@dataclass
class AlertFindings:
    """Counts, and what was wrong in words."""

    raised: int = 0
    delivered: int = 0
    doubled: int = 0
    repeated: int = 0
    kills: int = 0
    details: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        return {
            "alerts_raised": self.raised,
            "alerts_delivered": self.delivered,
            "alerts_doubled": self.doubled,
            "alerts_repeated": self.repeated,
            "alerts_kills": self.kills,
        }


def event_id(event: FlagEvent) -> str:
    """As a receiver sees it."""
    return f"{event.flag_id}/{event.event}/{event.grade}"


def owed(events: Iterable[FlagEvent]) -> dict[str, set[str]]:
    """Receiver to the ids that it must hear of. By the table: F01 alone, no watch here."""
    out: dict[str, set[str]] = defaultdict(set)
    warned: set[str] = set()
    for event in events:
        out[event.platform_id].add(event_id(event))
        if event.grade == "critical":
            warned.add(event.flag_id)
        if event.flag_id in warned:
            out["commission"].add(event_id(event))
    return dict(out)


def lives(count: int, first: int, rng: random.Random) -> list[list[FlagEvent]]:
    """Flags that open, some that escalate, and most that end."""
    out = []
    for number in range(first, first + count):
        platform = rng.choice(PLATFORMS)
        opened = flag(number, platform, rng.choice(["raised", "raised", "critical"]))
        events = [opened]
        if opened.grade == "raised" and rng.random() < 0.4:
            events.append(later(opened, "escalated", "critical"))
        if rng.random() < 0.7:
            events.append(later(events[-1], rng.choice(["cleared", "ended"])))
        out.append(events)
    return out


class AlertsTrial:
    """Receivers that misbehave, kills at random moments, then the comparison."""

    def __init__(self, directory: Path, bootstrap: str, size: AlertsSize, say: Say) -> None:
        self._rng = random.Random(size.seed)  # noqa: S311 - moments of kills, nothing secret
        self._size, self._say = size, say
        self.events: list[FlagEvent] = []
        self.kills = 0
        self.hooks = {name: Webhook() for name in (*PLATFORMS, "commission")}
        self.bridge = Webhook()
        self._secret = base64.b64encode(secrets.token_bytes(32)).decode()
        self._manager = Alertmanager(
            directory / "alertmanager", free_run(), hurried(self.bridge.url("/"))
        )
        self._writer = FlagWriter(bootstrap)
        settings = {
            "RECEIVERS": str(self._receivers(directory)),
            "ALERTMANAGER": self._manager.url,
            "TIMEOUT_S": "2", "FIRST_RETRY_S": "0.1", "MOST_RETRY_S": "1", "RESEND_S": "0.5",
        }  # fmt: skip
        self._process = AlertsProcess(directory / "alerts", bootstrap, free_run(), settings)

    def run(self) -> AlertFindings:
        """Raises StackError where the process does not come back."""
        for number in range(self._size.rounds):
            self._round(number)
        for hook in self.hooks.values():
            hook.be(Mood.WELL)
        expected = owed(self.events)
        ends = {e.flag_id for e in self.events if e.event in ("cleared", "ended")}
        told = alertmanager_owes(self.events, ends)
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            found = judge(self.events, expected, self._heard(), told, self.bridge.heard)
            if found.delivered >= found.raised:
                break
            time.sleep(0.5)
        time.sleep(3)  # what is too much comes late
        found = judge(self.events, expected, self._heard(), told, self.bridge.heard)
        found.details += self._unsigned()
        found.kills = self.kills
        return found

    def close(self) -> None:
        self._process.end()
        self._manager.kill()
        self._writer.close()
        for hook in (*self.hooks.values(), self.bridge):
            hook.close()

    def _round(self, number: int) -> None:
        """Some flags live, in pieces, while receivers change their mood and things are killed."""
        rng = self._rng
        flags = lives(self._size.flags, 1000 * number, rng)
        for hook in self.hooks.values():
            hook.be(rng.choice([mood for mood in Mood if mood is not Mood.GONE]))
        steps = max(len(events) for events in flags)
        for step in range(steps):
            some = [events[step] for events in flags if step < len(events)]
            self.events += some
            # At least once, as the topic has it.
            self._writer.write([*some, *rng.sample(some, len(some) // 3)])
            time.sleep(rng.uniform(0.1, 1.5))
            self._disturb()
        # Told of, refused and told again before the receivers change their mood.
        self._ready()
        time.sleep(rng.uniform(2, 4))
        moods = {name: hook.mood.value for name, hook in self.hooks.items()}
        self._say(f"alerts: {len(self.events)} events so far, {self.kills} kills, {moods}")

    def _disturb(self) -> None:
        """Kill the process and Alertmanager, now and then, whatever they are about."""
        if self._rng.random() < 0.6:
            self._process.kill()
            self._process.restart()
            self.kills += 1
            if self._rng.random() < 0.7:  # else it is killed again while it starts
                self._ready()
        if self._rng.random() < 0.2:
            self._manager.kill()
            self._manager.start()
            self.kills += 1

    def _ready(self) -> None:
        self._process.wait("ready", lambda: self._process.get("/readyz")[0] == 200, 60)

    def _heard(self) -> dict[str, list[Heard]]:
        return {name: list(hook.heard) for name, hook in self.hooks.items()}

    def _unsigned(self) -> list[str]:
        key = key_of(PREFIX + self._secret)
        return [
            f"a signature is wrong: {one.headers.get('webhook-id')}"
            for hook in self.hooks.values()
            for one in hook.heard
            if not verify(key, one.headers, one.body, round(one.at))
        ]

    def _receivers(self, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "key").write_text(PREFIX + self._secret)
        desks = {name: f"platform:{name}" for name in PLATFORMS} | {"commission": "commission"}
        entries = [
            {"name": name, "url": self.hooks[name].url(), "secret_file": "key", "desks": [desk]}
            for name, desk in desks.items()
        ]
        path = directory / "receivers.yml"
        path.write_text(json.dumps({"receivers": entries}))
        return path


def alertmanager_owes(events: Iterable[FlagEvent], ended: set[str]) -> set[tuple[str, str]]:
    """(flag, status) that the commission must hear of through Alertmanager.

    A warning that ends while Alertmanager is away was never told and need not be: what must be
    told is every warning that is open at the end, and nothing may be told of that never was one.
    """
    warned = {e.flag_id for e in events if e.grade == "critical"}
    return {(flag_id, "firing") for flag_id in warned - ended}


def judge(
    events: list[FlagEvent],
    expected: dict[str, set[str]],
    heard: dict[str, list[Heard]],
    owes: set[tuple[str, str]],
    messages: list[Heard],
) -> AlertFindings:
    """The comparison, as sets of identities."""
    found = AlertFindings()
    for receiver, ids in expected.items():
        got = [one.headers.get("webhook-id", "") for one in heard.get(receiver, [])]
        found.raised += len(ids)
        found.delivered += len(ids & set(got))
        found.repeated += len(got) - len(set(got))
        found.details += [f"{receiver} never heard of {one}" for one in sorted(ids - set(got))]
        found.details += [f"{receiver} heard of {one}" for one in sorted(set(got) - ids)]
        found.doubled += len(set(got) - ids)
    doubled = _two_contents(events, [one for some in heard.values() for one in some])
    alerts = _alerts(messages)
    known = {e.flag_id for e in events if e.grade == "critical"}
    firing = {(a["labels"]["flag_id"], a["status"]) for a in alerts}
    found.raised += len(owes)
    found.delivered += len(owes & firing)
    found.details += [f"Alertmanager never told of {one}" for one in sorted(owes - firing)]
    doubled += [f"Alertmanager told of {one}" for one, _ in firing if one not in known]
    doubled += _two_beginnings(alerts)
    found.doubled += len(doubled)
    found.details += doubled
    return found


def _two_contents(events: list[FlagEvent], heard: list[Heard]) -> list[str]:
    """Ids with two bodies, and happenings with two ids."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for one in heard:
        event_id = one.headers.get("webhook-id", "")
        bodies[event_id].add(one.body)
        data = one.json()["data"]
        ids[data["flag_id"], data["event"], data["grade"]].add(event_id)
    wrong = [f"{one} has {len(some)} contents" for one, some in bodies.items() if len(some) > 1]
    return wrong + [f"{one} has {len(some)} ids" for one, some in ids.items() if len(some) > 1]


def _two_beginnings(alerts: list[dict[str, Any]]) -> list[str]:
    starts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for alert in alerts:
        labels = alert["labels"]
        starts[labels["flag_id"], labels["level"]].add(alert["startsAt"])
    return [f"{one} began {len(some)} times" for one, some in starts.items() if len(some) > 1]


def _alerts(messages: list[Heard]) -> list[dict[str, Any]]:
    """Alerts in messages to the commission, the only desk that anything here is meant for."""
    for one in messages:
        if one.path != "/commission":
            raise StackError(f"Alertmanager told {one.path}, which has no desk here")
    return [alert for one in messages for alert in one.json()["alerts"]]
