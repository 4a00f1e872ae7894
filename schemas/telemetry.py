"""Telemetry contract v1: the samples of a live session, as columns.

One declaration per column (`Column`) is the single source for the Arrow schemas, for
validation and for the reference documentation. A batch carries one platform, one sample
type and one shard; the session's dimensions travel in every batch, so that a batch can be
understood on its own.

A minor version only ever adds optional columns, sample types and codes (ADR 0015). A batch says
which it was written by, and may leave out any column that came after 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

from schemas import codes

VERSION = 1
MINOR = 1
# One Kafka record: bounded in rows and in bytes, so that a reader's memory is bounded.
MAX_ROWS = 4096
MAX_BYTES = 1_900_000
# What buffers that Arrow compressed may become. Kafka's own compression is preferred.
MAX_INFLATED = 16_000_000
# The columns of a newer minor version are passed over, but nobody has to read a million of them.
MAX_COLUMNS = 128
# A row may run ahead of the broker's clock by this much and no more (the clock guard).
MAX_AHEAD_MS = 60_000
# Every source says something to each of its topic-partitions at least this often.
HEARTBEAT_MS = 5_000

MAX_COUNT = 1_000_000_000
MAX_FEN = 1_000_000_000_000
MAX_COHORT_DAYS = 3_650
MAX_RESPONSE_MIN = 5_256_000  # ten years
MAX_LATENCY_MS = 86_400_000
PSEUDONYM = r"^[0-9a-f]{32}$"
BASE_ID = r"^[a-z0-9-]{1,32}$"
VENUE_ID = BASE_ID
PLATFORM_ID = r"^[a-z0-9-]{1,32}$"
SOURCE_ID = r"^[a-z0-9-]{1,40}$"


class SampleType(StrEnum):
    """The streams of a session. A complaint never waits behind a viewer count."""

    VIEWERS = "viewers"
    ORDERS = "orders"
    COMPLAINTS = "complaints"
    REVIEWS = "reviews"

    @property
    def topic(self) -> str:
        return f"telemetry.{self.value}.v{VERSION}"

    @property
    def dlq_topic(self) -> str:
        return f"{self.topic}.dlq"

    @property
    def since(self) -> int:
        """The minor version that it came with."""
        return 1 if self is SampleType.REVIEWS else 0


TOPICS = {t.topic: t for t in SampleType}


@dataclass(frozen=True)
class Column:
    """One column of the contract: its Arrow type, its rule and its meaning.

    `since` is the minor version that brought it, `listed` the list that its codes are of.
    """

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    nullable: bool = False
    pattern: str | None = None
    listed: codes.CodeList | None = field(default=None, repr=False, compare=False)
    maximum: int | None = None
    since: int = 0

    @cached_property
    def allowed(self) -> frozenset[str] | None:
        """The codes that a value may be; None where it is no code."""
        return None if self.listed is None else self.listed.codes

    @property
    def arrow(self) -> pa.Field:
        return pa.field(self.name, self.type, nullable=self.nullable)


_CODE = pa.dictionary(pa.int16(), pa.utf8())
_U32 = pa.uint32()


def _code(
    name: str, doc: str, of: codes.CodeList, *, nullable: bool = False, since: int = 0
) -> Column:
    return Column(name, _CODE, doc, nullable=nullable, listed=of, since=since)


def _public_id(name: str, doc: str, pattern: str, *, since: int = 0) -> Column:
    return Column(name, _CODE, doc, nullable=True, pattern=pattern, since=since)


def _pseudonym(name: str, doc: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.utf8(), doc, nullable=nullable, pattern=PSEUDONYM)


def _count(name: str, doc: str, unit: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.uint32(), doc, unit, nullable=nullable, maximum=MAX_COUNT)


def _added(
    name: str, doc: str, unit: str, *, maximum: int = MAX_COUNT, kind: pa.DataType = _U32
) -> Column:
    """A number that 1.1 added: optional, null where it is not told."""
    return Column(name, kind, doc, unit, nullable=True, maximum=maximum, since=1)


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
    _public_id("base_id", "public id of the live-commerce base", BASE_ID),
    _code("district", "GB/T 2260 code of the district", codes.DISTRICTS),
    _code("category", "category of goods", codes.CATEGORIES),
    _code("scenario", "scenario tag", codes.SCENARIOS, nullable=True),
    _public_id("venue_id", "public id of the shopping district (商圈)", VENUE_ID, since=1),
    _code(
        "origin_region",
        "GB/T 2260 code of the province that the goods come from",
        codes.REGIONS,
        nullable=True,
        since=1,
    ),
    _code("brand_type", "kind of brand", codes.BRANDS, nullable=True, since=1),
    Column(
        "streamer_certified",
        pa.bool_(),
        "whether the streamer holds a certificate; null is not told",
        nullable=True,
        since=1,
    ),
    _code("streamer_tier", "tier of the streamer", codes.TIERS, nullable=True, since=1),
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
        _added(
            "cohort_days",
            "age of the orders that the refunds of this row belong to; a row for each age",
            "days",
            maximum=MAX_COHORT_DAYS,
            kind=pa.uint16(),
        ),
        _added("due_48h", "orders whose 48 h for shipping ended since the last sample", "orders"),
        _added("shipped_48h", "of the orders in due_48h, those shipped within 48 h", "orders"),
        _added("vouchers_redeemed", "vouchers redeemed (核销) since the last sample", "vouchers"),
    ),
    SampleType.COMPLAINTS: (
        _code("code", "complaint or report code", codes.COMPLAINTS),
        _code("channel", "where it was filed", codes.CHANNELS),
        _count("complaints", "complaints filed since the last sample", "complaints"),
        _added("responded", "complaints first answered since the last sample", "complaints"),
        _added(
            "response_minutes",
            "time from filing to first answer of each complaint in responded; a row for each value",
            "min",
            maximum=MAX_RESPONSE_MIN,
        ),
        _added("resolved", "of the complaints in closed, those resolved", "complaints"),
        _added("closed", "complaints closed since the last sample", "complaints"),
    ),
    SampleType.REVIEWS: (
        _code("mode", "who reviewed: machine, human or both", codes.REVIEW_MODES),
        _code("outcome", "what the review led to", codes.REVIEW_OUTCOMES),
        _count("reviews", "real-time reviews since the last sample", "reviews"),
        Column(
            "latency_ms",
            _U32,
            "time from what was shown to the outcome, of each review in this row; a row for each",
            "ms",
            nullable=True,
            maximum=MAX_LATENCY_MS,
        ),
    ),
}


def columns(sample: SampleType, minor: int = MINOR) -> tuple[Column, ...]:
    """The columns of a sample type in a minor version, in their order on the wire."""
    every = (EVENT_TIME, *DIMENSIONS, *MEASURES[sample])
    return every if minor >= MINOR else tuple(c for c in every if c.since <= minor)


def arrow_schema(sample: SampleType, minor: int) -> pa.Schema:
    """The Arrow schema of a sample type in a minor version."""
    return pa.schema([c.arrow for c in columns(sample, minor)])


ARROW: dict[SampleType, pa.Schema] = {t: arrow_schema(t, MINOR) for t in SampleType}
