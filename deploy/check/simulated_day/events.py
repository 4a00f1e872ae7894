"""Flags and checkpoints that go with the simulated day: what a worker would have written."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.telemetry import SampleType

if TYPE_CHECKING:
    from deploy.check.simulated_day.day import Day, Raw

_GRADES = {"watch": "关注", "raised": "升高", "critical": "严重"}


def flag_events(day: Day) -> list[dict[str, Any]]:
    """A flag for each injected spike, one that was cleared, one that is muted, and a gap."""
    rows: list[dict[str, Any]] = []
    for number, injection in enumerate(day.injections):
        spike = injection.anomaly
        onset = _at(day, spike.start_ms)
        grades = ("watch", "raised", "critical")[: 3 - number % 2]
        entity = spike.entity_id
        if spike.entity_type == "category":
            entity = f"{spike.platform}/{entity}"
        one = {
            "entity_type": spike.entity_type,
            "entity": entity,
            "platform_id": spike.platform,
            "category": spike.category or "",
        }
        seen = 12.0 + 9 * number
        rows += _course("F01", one, onset, grades, seen, 1.4 + number, cleared=number < 2)
    gap = {"entity_type": "platform", "entity": "p03", "platform_id": "p03", "category": ""}
    silent = day.start + timedelta(hours=16, minutes=5)
    rows += _course("F11", gap, silent, ("raised",), 0.0, 25.0, cleared=True)
    muted = {
        "entity_type": "merchant",
        "entity": "ab" * 16,
        "platform_id": "p03",
        "category": "food",
    }
    rows += _course("F01", muted, silent + timedelta(minutes=3), ("watch",), 7.0, 0.8, cleared=True)
    late = {
        "entity_type": "platform",
        "entity": "p01",
        "platform_id": "p01",
        "category": "",
    }
    rows += _course("F01", late, day.end - timedelta(minutes=50), ("watch", "raised"), 48.0, 30.6)
    return rows


def _at(day: Day, ms: int) -> datetime:
    return day.start + timedelta(milliseconds=ms - round(day.start.timestamp() * 1000))


def _course(
    rule: str,
    entity: dict[str, str],
    onset: datetime,
    grades: tuple[str, ...],
    observed: float,
    expected: float,
    *,
    cleared: bool = False,
) -> list[dict[str, Any]]:
    steps = [("opened" if i == 0 else "escalated", g, 3 + 4 * i) for i, g in enumerate(grades)]
    if cleared:
        steps.append(("cleared", grades[-1], 75))
    return [
        _event(rule, entity, onset, event, grade, after, observed, expected)
        for event, grade, after in steps
    ]


def _event(
    rule: str,
    entity: dict[str, str],
    onset: datetime,
    event: str,
    grade: str,
    after: int,
    observed: float,
    expected: float,
) -> dict[str, Any]:
    decided = onset + timedelta(minutes=after)
    start, stop = (f"{t + timedelta(hours=8):%H:%M}" for t in (onset, decided))
    orders = round(expected / 0.0011)
    kinds = {"session": "场次", "merchant": "商家", "category": "品类", "platform": "平台"}
    name = entity["entity"]
    name = name[:8] if len(name) == 32 else name
    zh = f"{kinds[entity['entity_type']]} {name}"
    if rule == "F11":
        sentence = (
            f"平台 {name} 自 {start} 起没有数据：这段时间的数值未知，不是零。",
            f"Platform {name} has sent nothing since {start}: its figures are unknown, not zero.",
        )
    else:
        sentence = (
            f"{zh} 在 {start}–{stop} 收到 {observed:.0f} 起投诉（对应约 {orders:,} 笔订单），"
            f"平时同样的订单量约为 {expected:.1f} 起，已达「{_GRADES[grade]}」级别。",
            f"{entity['entity_type'].capitalize()} {name} received {observed:.0f} complaints "
            f"between {start} and {stop} (on about {orders:,} orders); about {expected:.1f} would "
            f'be usual for as many orders: grade "{grade}".',
        )
    return {
        "flag_id": f"{entity['entity_type']}:{entity['entity']}:{rule}:{int(onset.timestamp())}",
        "event": event,
        "grade": grade,
        "rule": rule,
        **entity,
        "parent_id": "",
        "onset": onset,
        "event_time": decided,
        "decided_at": decided,
        "observed": observed,
        "expected": expected,
        "exposure": float(orders),
        "window_s": 3600,
        "score": 9.1,
        "threshold": 6.2,
        "rule_version": "1",
        "sentence_zh": sentence[0],
        "sentence_en": sentence[1],
        "version": 1,
    }


def ledger(day: Day) -> list[dict[str, Any]]:
    """A file for each flag: all are told, three acknowledged, two appealed, one overturned."""
    entries: list[dict[str, Any]] = []
    opened = [e for e in flag_events(day) if e["event"] == "opened"]
    for number, flag in enumerate(opened):
        about = {"rule": flag["rule"], "platform_id": flag["platform_id"], "district": "310115"}
        steps: list[tuple[str, int, dict[str, Any]]] = [
            ("opened", 0, about),
            ("level", 1, {"level": ("notice", "warning", "action")[number % 3]}),
        ]
        steps += [("acked", 11 + number, {})] if number < 3 else []
        steps += [("appealed", 25, {})] if number < 2 else []
        steps += [("overturned", 40, {})] if number == 0 else []
        steps += [("upheld", 40, {})] if number == 1 else []
        for kind, after, details in steps:
            entries.append(_entry(len(entries), flag, kind, after, details))
    return entries


def _entry(
    seq: int, flag: dict[str, Any], kind: str, after: int, details: dict[str, Any]
) -> dict[str, Any]:
    return {
        "seq": seq,
        "entry_id": f"{flag['flag_id']}:{kind}",
        "flag_id": flag["flag_id"],
        "kind": kind,
        "at": flag["event_time"] + timedelta(minutes=after),
        "actor": "clerk",
        "role": "",
        "why": "",
        "details": json.dumps(details),
        "prev": "0" * 64,
        "hash": f"{seq:064x}",
        "version": 1,
    }


def telemetry(day: Day) -> list[dict[str, Any]]:
    """Checkpoints every five minutes, running totals; p02 lacks three batches, p03 was silent."""
    found: list[dict[str, Any]] = []
    for sample, raw in day.raw.items():
        minute = (raw["ms"] - round(day.start.timestamp() * 1000)) // 60_000
        for platform in np.unique(raw["platform_id"]).tolist():
            mine = raw["platform_id"] == platform
            found += [
                _checkpoint(day, sample, platform, until, mine & (minute < until), raw)
                for until in range(5, 24 * 60 - 2, 5)
            ]
    return found


def _checkpoint(
    day: Day,
    sample: SampleType,
    platform: str,
    until: int,
    seen: Any,
    raw: Raw,
) -> dict[str, Any]:
    silent = platform == "p03" and 16 * 60 < until <= 16 * 60 + 25
    heard = 16 * 60 if silent else until
    batches = len(np.unique(raw["sequence"][seen]))
    return {
        "minute": day.start + timedelta(minutes=until - 1),
        "platform_id": platform,
        "source": f"sim-{platform[-1]}",
        "topic": sample.topic,
        "kafka_partition": 0,
        "epoch": 1,
        "next_sequence": batches,
        "gaps": 3 if platform == "p02" and sample is SampleType.VIEWERS and until > 900 else 0,
        "batches": batches,
        "rows": int(seen.sum()),
        "duplicates": until // 60,
        "late_rows": int(raw["late"][seen].sum()),
        "refused": 5 if platform == "p02" else 0,
        "skew_ms": -400,
        "skew_low_ms": -900,
        "skew_high_ms": 120 if platform == "p01" else -100,
        "watermark": day.start + timedelta(minutes=heard),
        "version": 1,
    }
