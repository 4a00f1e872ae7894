"""A flag event as it comes off its topic, and as it is told: a CloudEvent with one id for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

SOURCE = "/livewatch/flags"
CONTENT_TYPE = "application/cloudevents+json"
CLOUD = {"specversion": "1.0", "source": SOURCE, "datacontenttype": "application/json"}
"""What every event of ours says of itself."""
ENDS = frozenset({"cleared", "ended"})
LINKS = frozenset({"attached", "detached"})
"""Another flag stands for this one, or does no more."""
# What a header, a label or a time cannot carry would be met again at every start.
Id = Annotated[str, Meta(pattern=r"^[!-~]{1,400}\Z")]
Word = Annotated[str, Meta(pattern=r"^[a-z_]{1,30}\Z")]
Platform = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}\Z")]
District = Annotated[str, Meta(pattern=r"^([0-9]{6})?\Z")]
Time = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]


class FlagRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What routing and alerts need of a flag event; fields that others add are let through.

    Times are ms since the epoch; `decided_at` is by the clock, the others are event time.
    """

    flag_id: Id
    event: Word
    grade: Word
    rule: str
    entity_type: str
    entity: str
    platform_id: Platform
    onset: Time
    event_time: Time
    decided_at: Time
    sentence_zh: str
    sentence_en: str
    category: str = ""
    parent_id: str = ""
    district: District = ""

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


def cloud_event(record: FlagRecord, data: dict[str, Any]) -> bytes:
    """CloudEvents 1.0, structured JSON. Made once and kept, so that every telling is the same."""
    event = CLOUD | {
        "id": record.id,
        "type": f"livewatch.flag.{record.event}.v1",
        "subject": record.flag_id,
        "time": rfc3339(record.decided_at),
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(ms: int) -> str:
    """A time for other programs, UTC with ms."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
