"""Telemetry contract v1: the samples of a live session, as columns.

One declaration per column (`Column`) is the single source for the Arrow schemas, for
validation and for the reference documentation. A batch carries one platform, one sample
type and one shard; the session's dimensions travel in every batch, so that a batch can be
understood on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from schemas import codes

VERSION = 1
# One Kafka record: bounded in rows and in bytes, so that a reader's memory is bounded.
MAX_ROWS = 4096
MAX_BYTES = 1_900_000
# A row may run ahead of the broker's clock by this much and no more (the clock guard).
MAX_AHEAD_MS = 60_000
# Every source says something to each of its topic-partitions at least this often.
HEARTBEAT_MS = 5_000

MAX_COUNT = 1_000_000_000
MAX_FEN = 1_000_000_000_000
PSEUDONYM = r"^[0-9a-f]{32}$"
BASE_ID = r"^[a-z0-9-]{1,32}$"
PLATFORM_ID = r"^[a-z0-9-]{1,32}$"
SOURCE_ID = r"^[a-z0-9-]{1,40}$"


class SampleType(StrEnum):
    """The three streams of a session. A complaint never waits behind a viewer count."""

    VIEWERS = "viewers"
    ORDERS = "orders"
    COMPLAINTS = "complaints"

    @property
    def topic(self) -> str:
        return f"telemetry.{self.value}.v{VERSION}"

    @property
    def dlq_topic(self) -> str:
        return f"{self.topic}.dlq"


TOPICS = {t.topic: t for t in SampleType}


@dataclass(frozen=True)
class Column:
    """One column of the contract: its Arrow type, its rule and its meaning."""

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    nullable: bool = False
    pattern: str | None = None
    allowed: frozenset[str] | None = None
    maximum: int | None = None

    @property
    def arrow(self) -> pa.Field:
        return pa.field(self.name, self.type, nullable=self.nullable)


def _code(name: str, doc: str, allowed: frozenset[str], *, nullable: bool = False) -> Column:
    kind = pa.dictionary(pa.int16(), pa.utf8())
    return Column(name, kind, doc, nullable=nullable, allowed=allowed)


def _pseudonym(name: str, doc: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.utf8(), doc, nullable=nullable, pattern=PSEUDONYM)


def _count(name: str, doc: str, unit: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.uint32(), doc, unit, nullable=nullable, maximum=MAX_COUNT)


def _fen(name: str, doc: str) -> Column:
    return Column(name, pa.int64(), doc, "fen", maximum=MAX_FEN)


EVENT_TIME = Column(
    "event_time", pa.timestamp("ms", tz="UTC"), "when the sample was taken", "ms since epoch, UTC"
)

#: The session and what it belongs to. Pseudonyms are made at the platform; `session_id` is random.
DIMENSIONS: tuple[Column, ...] = (
    _pseudonym("session_id", "random id of the live session"),
    _pseudonym("room_pid", "pseudonym of the live room"),
    _pseudonym("streamer_pid", "pseudonym of the streamer"),
    _pseudonym("mcn_pid", "pseudonym of the agency (MCN)", nullable=True),
    _pseudonym("merchant_pid", "pseudonym of the merchant"),
    Column(
        "base_id",
        pa.dictionary(pa.int16(), pa.utf8()),
        "public id of the live-commerce base",
        nullable=True,
        pattern=BASE_ID,
    ),
    _code("district", "GB/T 2260 code of the district", codes.DISTRICTS.codes),
    _code("category", "category of goods", codes.CATEGORIES.codes),
    _code("scenario", "scenario tag", codes.SCENARIOS.codes, nullable=True),
)

MEASURES: dict[SampleType, tuple[Column, ...]] = {
    SampleType.VIEWERS: (
        _count("viewers", "viewers now (gauge); null is unknown", "viewers", nullable=True),
        _count("unique_viewers", "unique viewers since the start", "viewers", nullable=True),
        _count("clicks", "product clicks since the last sample", "clicks", nullable=True),
        _count("interactions", "interactions since the last sample", "interactions", nullable=True),
    ),
    SampleType.ORDERS: (
        _count("orders", "orders paid since the last sample", "orders"),
        _fen("paid_fen", "amount paid since the last sample"),
        _count("refunds", "orders refunded since the last sample", "orders"),
        _fen("refunded_fen", "amount refunded since the last sample"),
    ),
    SampleType.COMPLAINTS: (
        _code("code", "complaint or report code", codes.COMPLAINTS.codes),
        _code("channel", "where it was filed", codes.CHANNELS.codes),
        _count("complaints", "complaints filed since the last sample", "complaints"),
    ),
}


def columns(sample: SampleType) -> tuple[Column, ...]:
    """All columns of a sample type, in their order on the wire."""
    return (EVENT_TIME, *DIMENSIONS, *MEASURES[sample])


ARROW: dict[SampleType, pa.Schema] = {
    t: pa.schema([c.arrow for c in columns(t)]) for t in SampleType
}
