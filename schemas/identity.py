"""Who sent a batch and which one it is: the record's headers.

CloudEvents 1.0 in Kafka binary mode. A batch is (source, epoch, topic, partition,
sequence), fixed when it is first written down at the source; a resend carries the same
identity at a new Kafka offset, so everything downstream removes repeats by identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import codes
from schemas.errors import ContractError
from schemas.telemetry import (
    MAX_ROWS,
    MINOR,
    PLATFORM_ID,
    SOURCE_ID,
    TOPICS,
    VERSION,
    SampleType,
)

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
SPEC_VERSION = "1.0"
MAX_HEADER_BYTES = 256
MAX_HEADERS = 40
_PLATFORM = re.compile(PLATFORM_ID)
_SOURCE = re.compile(SOURCE_ID)
_SUPERSEDES = re.compile(
    r"batch/([0-9]{1,18})/([0-9]{1,18})|session/([0-9a-f]{32})/([0-9]{1,15})/([0-9]{1,15})"
)
_DIGITS = re.compile(r"^[0-9]{1,19}$")
_SCHEMA = re.compile(r"urn:livewatch:telemetry:([a-z]{1,32}):([0-9]{1,4})\.([0-9]{1,4})")

CE_TYPE = "cn.livewatch.telemetry.{}.v1"
DATA_SCHEMA = "urn:livewatch:telemetry:{}:{}.{}"
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class BatchIdentity:
    """Names one batch for ever. `source` is unique within the platform."""

    platform_id: str
    source: str
    epoch: int
    topic: str
    partition: int
    sequence: int

    @property
    def sample(self) -> SampleType:
        return TOPICS[self.topic]

    @property
    def source_uri(self) -> str:
        return f"/platforms/{self.platform_id}/sources/{self.source}"

    @property
    def id(self) -> str:
        return f"{self.epoch}/{self.topic}/{self.partition}/{self.sequence}"


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The identity with what the source says of the batch.

    `watermark_ms` is the source's promise: event time up to which it has sent everything
    for this topic-partition. `sent_ms` is the source's clock when the batch was sealed.
    `final` says goodbye: nothing more is coming, so nobody has to wait for this source.
    `minor` is the minor version of the contract that the batch was written by.

    A correction has `supersedes` (a `Supersedes` as text) and `reason`, a code of the list
    `reasons`: what it names is withdrawn from the settled figures, and the rows of this batch,
    if it has any, stand in its place.
    """

    identity: BatchIdentity
    rows: int
    watermark_ms: int
    sent_ms: int
    final: bool = False
    supersedes: str = ""
    reason: str = ""
    minor: int = MINOR


@dataclass(frozen=True, slots=True)
class Supersedes:
    """What a correction withdraws, of the same platform and topic-partition: all that stands
    before it of one batch of the same source, or of one session in [from_ms, to_ms).
    """

    epoch: int = 0
    sequence: int = 0
    session_id: str = ""
    from_ms: int = 0
    to_ms: int = 0

    def text(self) -> str:
        """As it stands in the header."""
        if self.session_id:
            return f"session/{self.session_id}/{self.from_ms}/{self.to_ms}"
        return f"batch/{self.epoch}/{self.sequence}"


def parse_supersedes(text: str) -> Supersedes:
    """Read the header `ce_supersedes`. Raises ContractError."""
    found = _SUPERSEDES.fullmatch(text)
    if found is None:
        rule = "must be batch/<epoch>/<sequence> or session/<session_id>/<from_ms>/<to_ms>"
        raise ContractError("ce_supersedes", rule)
    epoch, sequence, session, begin, end = found.groups()
    if session is None:
        return Supersedes(epoch=int(epoch), sequence=int(sequence))
    if int(begin) >= int(end):
        raise ContractError("ce_supersedes", "must end after it begins")
    return Supersedes(session_id=session, from_ms=int(begin), to_ms=int(end))


def to_headers(header: BatchHeader) -> Headers:
    """Kafka headers of a batch."""
    ident = header.identity
    sent = datetime.fromtimestamp(header.sent_ms / 1000, UTC)
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", ident.id.encode()),
        ("ce_source", ident.source_uri.encode()),
        ("ce_type", CE_TYPE.format(ident.sample.value).encode()),
        ("ce_time", sent.isoformat(timespec="milliseconds").encode()),
        ("content-type", CONTENT_TYPE.encode()),
        ("ce_epoch", str(ident.epoch).encode()),
        ("ce_sequence", str(ident.sequence).encode()),
        ("ce_rows", str(header.rows).encode()),
        ("ce_watermark", str(header.watermark_ms).encode()),
    ]
    if header.minor:  # of 1.0 nothing is said: it knew no such header
        schema = DATA_SCHEMA.format(ident.sample.value, VERSION, header.minor)
        headers.append(("ce_dataschema", schema.encode()))
    if header.final:
        headers.append(("ce_final", b"true"))
    if header.supersedes:
        headers.append(("ce_supersedes", header.supersedes.encode()))
        headers.append(("ce_reason", header.reason.encode()))
    return headers


def from_headers(
    headers: Iterable[tuple[str, bytes | None]], topic: str, partition: int
) -> BatchHeader:
    """Read and check the headers of a record found on (topic, partition).

    Raises ContractError naming the header and the rule.
    """
    found: dict[str, str] = {}
    for number, (name, value) in enumerate(headers):
        if number >= MAX_HEADERS:
            raise ContractError("headers", f"must be at most {MAX_HEADERS}")
        if value is None or len(value) > MAX_HEADER_BYTES:
            raise ContractError(name[:64], f"must have 1 to {MAX_HEADER_BYTES} bytes")
        if name in found:
            raise ContractError(name[:64], "must appear once")
        try:
            found[name] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise ContractError(name[:64], "must be UTF-8") from None
    if _text(found, "content-type") != CONTENT_TYPE:
        raise ContractError("content-type", f"must be {CONTENT_TYPE}")
    if _text(found, "ce_specversion") != SPEC_VERSION:
        raise ContractError("ce_specversion", f"must be {SPEC_VERSION}")
    if topic not in TOPICS or _text(found, "ce_type") != CE_TYPE.format(TOPICS[topic].value):
        raise ContractError("ce_type", "must match the topic's sample type")
    platform, source = _source(_text(found, "ce_source"))
    identity = BatchIdentity(
        platform, source, _int(found, "ce_epoch"), topic, partition, _int(found, "ce_sequence")
    )
    if _text(found, "ce_id") != identity.id:
        raise ContractError("ce_id", "must be epoch/topic/partition/sequence of this record")
    rows = _int(found, "ce_rows")
    if rows > MAX_ROWS:
        raise ContractError("ce_rows", f"must be at most {MAX_ROWS}")
    if found.get("ce_final", "true") != "true":
        raise ContractError("ce_final", 'must be "true" or left out')
    supersedes, reason = _correction(found)
    return BatchHeader(
        identity,
        rows,
        _int(found, "ce_watermark"),
        _time(found),
        final="ce_final" in found,
        supersedes=supersedes,
        reason=reason,
        minor=_minor(found, identity.sample),
    )


def _minor(found: dict[str, str], sample: SampleType) -> int:
    """The minor version of the contract; 1.0 had no such header."""
    text = found.get("ce_dataschema")
    if text is None:
        minor = 0
    else:
        read = _SCHEMA.fullmatch(text)
        if read is None or (read[1], int(read[2])) != (sample.value, VERSION):
            rule = f"must be {DATA_SCHEMA.format(sample.value, VERSION, '<minor>')}"
            raise ContractError("ce_dataschema", rule)
        minor = int(read[3])
    if minor < sample.since:
        raise ContractError("ce_dataschema", f"must be {VERSION}.{sample.since} or newer here")
    return minor


def _correction(found: dict[str, str]) -> tuple[str, str]:
    text = found.get("ce_supersedes", "")
    if not text:
        if "ce_reason" in found:
            raise ContractError("ce_reason", "stands only beside ce_supersedes")
        return "", ""
    reason = _text(found, "ce_reason")
    if reason not in codes.REASONS.codes:
        raise ContractError("ce_reason", "must be a code of the contract's list")
    return parse_supersedes(text).text(), reason


def _text(found: dict[str, str], name: str) -> str:
    try:
        return found[name]
    except KeyError:
        raise ContractError(name, "is missing") from None


def _int(found: dict[str, str], name: str) -> int:
    text = _text(found, name)
    if not _DIGITS.fullmatch(text) or int(text) >= 2**63:
        raise ContractError(name, "must be a whole number from 0 to 2^63 - 1")
    return int(text)


def _source(uri: str) -> tuple[str, str]:
    parts = uri.split("/")
    if len(parts) != 5 or parts[:2] != ["", "platforms"] or parts[3] != "sources":
        raise ContractError("ce_source", "must be /platforms/<platform_id>/sources/<source>")
    if not _PLATFORM.fullmatch(parts[2]) or not _SOURCE.fullmatch(parts[4]):
        raise ContractError("ce_source", "ids are lower-case letters, digits and hyphens")
    return parts[2], parts[4]


def _time(found: dict[str, str]) -> int:
    try:
        when = datetime.fromisoformat(_text(found, "ce_time"))
        if when.tzinfo is None:
            raise ValueError("no offset")
        return int(when.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ContractError("ce_time", "must be an ISO 8601 time with its offset") from None
