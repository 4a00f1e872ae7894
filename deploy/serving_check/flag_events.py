"""Flag events as the pipeline writes them, and their writing to the flags' topic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace

from kafka import KafkaProducer

from pipelines.core.flags import FlagEvent
from pipelines.topics import FLAGS_TOPIC

MINUTE_MS = 60_000


def flag(number: int, platform: str = "p01", grade: str = "raised", rule: str = "F01") -> FlagEvent:
    """The opening of a flag of merchant `number`."""
    onset = 1_790_000_000_000 + number * MINUTE_MS
    merchant = f"{number:032x}"
    now_ms = round(time.time() * 1000)
    return FlagEvent(
        flag_id=f"{rule}:merchant/{platform}/{merchant}:{onset}",
        event="opened", grade=grade, rule=rule, entity_type="merchant", entity=merchant,
        platform_id=platform, category="food", parent_id="", onset=onset,
        event_time=onset + MINUTE_MS, decided_at=now_ms, observed=12.0, expected=2.5,
        exposure=4000.0, window_s=3600, score=9.1, threshold=6.0, rule_version=f"{rule}/1",
        sentence_zh=f"平台 {platform} 的商家一小时内收到 12 件投诉,通常约 2.5 件。",
        sentence_en=f"A merchant on {platform} got 12 complaints in an hour, usually about 2.5.",
    )  # fmt: skip


def later(one: FlagEvent, event: str, grade: str | None = None) -> FlagEvent:
    """Another event of the same flag."""
    now_ms = max(one.decided_at + 1, round(time.time() * 1000))
    return replace(
        one, event=event, grade=grade or one.grade, decided_at=now_ms,
        event_time=one.event_time + MINUTE_MS,
    )  # fmt: skip


def value_of(one: FlagEvent) -> bytes:
    """As the worker writes it."""
    return json.dumps(one.to_json(), ensure_ascii=False).encode()


class FlagWriter:
    """Writes to the flags' topic; returns once Kafka has it."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")

    def write(self, events: Iterable[FlagEvent | bytes]) -> None:
        sent = []
        for one in events:
            value = one if isinstance(one, bytes) else value_of(one)
            key = b"" if isinstance(one, bytes) else one.flag_id.encode()
            sent.append(self._producer.send(FLAGS_TOPIC, value=value, key=key, partition=0))
        for future in sent:
            future.get(30)

    def close(self) -> None:
        self._producer.close(timeout=5)
