"""Flags: none lost, none doubled. The truth, the table and the topic must say the same.

What is lost: an injected spike that no flag of its entity or of what contains it tells of; an
event that the topic has and the table has not, or the other way round. What is doubled: one event
with two contents (an onset decided twice), or a second episode of an entity where the rules allow
none. The topic is at least once: a receiver that looks at the identity gets each alert once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from deploy.check import flags
from deploy.check.warehouse import Warehouse
from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.flags import RULE
from pipelines.topics import FLAGS_TOPIC
from producers.simulate.anomalies import Anomaly

_GRADES = {"watch": 1, "raised": 2, "critical": 3}
#: What must not differ between two tellings of one event.
_CONTENT = ("onset", "event_time", "entity", "observed", "score")
Event = dict[str, Any]
Key = tuple[str, str, str]


@dataclass
class FlagFindings:
    """`repeated`: alerts that the topic has more than once, all alike (at least once)."""

    events: int = 0
    alerts: int = 0
    repeated: int = 0
    spikes: int = 0
    lost: int = 0
    doubled: int = 0
    details: list[str] = field(default_factory=list)


def compare_flags(
    truth: list[Anomaly], delivered: list[Event], warehouse: Warehouse
) -> FlagFindings:
    """The whole comparison; `delivered` is the flags' topic as a receiver reads it."""
    rows = warehouse.rows(
        "SELECT flag_id, event, grade, rule, entity_type, platform_id, entity,"
        " toUnixTimestamp64Milli(onset), toUnixTimestamp64Milli(event_time) FROM v_flag_events"
    )
    names = ("flag_id", "event", "grade", "rule", "entity_type", "platform_id", "entity", "onset",
             "event_time")  # fmt: skip
    stored = [dict(zip(names, row, strict=True)) for row in rows]
    found = FlagFindings(events=len(stored), alerts=len(delivered))
    told = {key(e) for e in delivered}
    kept = {key(e) for e in stored}
    lost = [f"stored and not delivered: {k}" for k in kept - told]
    lost += [f"delivered and not stored: {k}" for k in told - kept]
    judged = flags.judge(truth, flags.read_decisions(warehouse))
    lost += [f"spike not found: {s}" for s in judged.spikes if s.delay_s is None]
    found.spikes = judged.injected
    twice, found.repeated = tellings(delivered)
    twice += second_episodes(stored)
    found.lost, found.doubled = len(lost), len(twice)
    found.details = [*lost, *twice][:20]
    return found


def key(event: Event) -> Key:
    return event["flag_id"], event["event"], event["grade"]


def tellings(delivered: Iterable[Event]) -> tuple[list[str], int]:
    """Events told twice with two contents, and how many were told again with the same."""
    first: dict[Key, tuple[Any, ...]] = {}
    wrong, repeated = [], 0
    for event in delivered:
        content = tuple(event[name] for name in _CONTENT)
        known = first.setdefault(key(event), content)
        if known is content:
            continue
        repeated += 1
        if known != content:
            wrong.append(f"told twice, differently: {key(event)} {known} {content}")
    return wrong, repeated


def second_episodes(stored: Iterable[Event]) -> list[str]:
    """Entities that have a second episode of a rule where the first one was open, or resting:
    only spikes rest."""
    by_entity: dict[tuple[str, str, str, str], dict[str, list[Event]]] = defaultdict(dict)
    for event in stored:
        name = (event["rule"], event["entity_type"], event["platform_id"], event["entity"])
        by_entity[name].setdefault(event["flag_id"], []).append(event)
    rest_ms = DEFAULT_POLICY.refractory_bins * DEFAULT_POLICY.bin_ms
    wrong = []
    for name, episodes in by_entity.items():
        ordered = sorted(episodes.values(), key=lambda events: int(events[0]["onset"]))
        for one, other in pairwise(ordered):
            if not allowed_after(one, other, rest_ms if name[0] == RULE else 0):
                wrong.append(f"second episode of {name}: {one[0]['flag_id']} {other[0]['flag_id']}")
    return wrong


def allowed_after(one: list[Event], other: list[Event], rest_ms: int) -> bool:
    """Whether episode `other` may follow `one`: after its end, and resting only if it is graver."""
    ends = [e["event_time"] for e in one if e["event"] in ("cleared", "ended")]
    onset = other[0]["onset"]
    if not ends or onset < one[0]["onset"]:
        return False
    if onset >= max(ends) + rest_ms:
        return True
    opened = [_GRADES[e["grade"]] for e in other if e["event"] == "opened"]
    return bool(opened) and max(opened) > max(_GRADES[e["grade"]] for e in one)


def read_topic(bootstrap: str, topic: str) -> list[tuple[bytes, dict[str, bytes]]]:
    """Every record of a topic: (value, headers)."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        found = []
        while any(consumer.position(p) < ends[p] for p in parts):
            for records in consumer.poll(1000).values():
                found += [(r.value, dict(r.headers)) for r in records]
    finally:
        consumer.close()
    return found


def delivered_flags(bootstrap: str) -> list[Event]:
    """What a receiver of alerts reads."""
    return [json.loads(value) for value, _ in read_topic(bootstrap, FLAGS_TOPIC)]
