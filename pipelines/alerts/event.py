"""A flag event as it comes off its topic, and as it is told: a CloudEvent with one id for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

SOURCE = "/livewatch/flags"
CONTENT_TYPE = "application/cloudevents+json"
CLOUD = {"specversion": "1.0", "source": SOURCE, "datacontenttype": "application/json"}
"""What every event of ours says of itself."""
ENDS = frozenset({"cleared", "ended"})
LINKS = frozenset({"attached", "detached"})
"""Another flag stands for this one, or does no more."""


class FlagRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What routing and alerts need of a flag event; fields that others add are let through.

    Times are ms since the epoch; `decided_at` is by the clock, the others are event time.
    """

    flag_id: str
    event: str
    grade: str
    rule: str
    entity_type: str
    entity: str
    platform_id: str
    onset: int
    event_time: int
    decided_at: int
    sentence_zh: str
    sentence_en: str
    category: str = ""
    parent_id: str = ""
    district: str = ""

    @property
    def id(self) -> str:
        """The event's identity: that of its row in the warehouse (flag, event, grade)."""
        return f"{self.flag_id}/{self.event}/{self.grade}"

    @property
    def ends(self) -> bool:
        return self.event in ENDS


def decode(value: bytes | None) -> tuple[FlagRecord, dict[str, Any]]:
    """The record, and everything that it said. Raises ValueError (msgspec's errors are such)."""
    if not value:
        raise ValueError("an empty record")
    told = msgspec.json.decode(value, type=dict[str, Any])
    return msgspec.convert(told, FlagRecord), told


def cloud_event(record: FlagRecord, told: dict[str, Any], level: str) -> bytes:
    """CloudEvents 1.0, structured JSON. Made once and kept, so that every telling is the same."""
    event = CLOUD | {
        "id": record.id,
        "type": f"livewatch.flag.{record.event}.v1",
        "subject": record.flag_id,
        "time": rfc3339(record.decided_at),
        "data": told | {"level": level},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(ms: int) -> str:
    """A time for other programs, UTC with ms."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
