"""The AsyncAPI 3.0 document of the Kafka side: topics, headers, keys, signatures."""

from __future__ import annotations

import inspect
from typing import Any

from schemas import signing
from schemas.generate import json_schema
from schemas.generate.examples import NOW_MS, example
from schemas.identity import CONTENT_TYPE, BatchHeader, BatchIdentity, to_headers
from schemas.telemetry import (
    HEARTBEAT_MS,
    MAX_AHEAD_MS,
    MAX_BYTES,
    MAX_ROWS,
    MINOR,
    VERSION,
    SampleType,
)

Schema = dict[str, Any]
_ABOUT = f"""Telemetry of live commerce, from platforms to the regulator, in Kafka.

A record is a batch: one self-contained Arrow IPC stream with one record batch of at most
{MAX_ROWS:,} rows and {MAX_BYTES:,} bytes, of one platform, one sample type and one partition.

Records have no key. The partition is murmur2(session_id) mod the number of partitions, as Kafka's own
clients compute it for the key session_id, so that a session is on the same partition of every
topic; a row on another partition is refused. All telemetry topics have equally many partitions and
`message.timestamp.type=LogAppendTime`. A row whose event time is more than {MAX_AHEAD_MS // 1000} s
ahead of the record's broker time is refused.

Every source says something to each of its topic-partitions at least every {HEARTBEAT_MS // 1000} s: an
empty batch (`ce_rows: 0`) is a heartbeat.

Minor versions add optional columns only. A receiver reads a version that it knows strictly, and of a
newer one the columns that it knows (`ce_dataschema`; ADR 0015)."""


def document() -> Schema:
    """AsyncAPI 3.0.0."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:livewatch:telemetry",
        "info": {
            "title": "livewatch telemetry",
            "version": f"{VERSION}.{MINOR}.0",
            "description": _ABOUT,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The regulator's brokers",
                "variables": {"bootstrap": {"description": "host:port of a broker"}},
            }
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {
                **{f"{t.value}_batch": _message(t) for t in SampleType},
                "dead_letter": _dead_letter(),
            },
            "schemas": {
                f"{t.value}_row": json_schema.row(t) | {"examples": [example(t)]}
                for t in SampleType
            },
        },
    }


def _channels() -> Schema:
    found: Schema = {}
    for t in SampleType:
        found[t.value] = {
            "address": t.topic,
            "description": f"Batches of {t.value}",
            "messages": {"batch": {"$ref": f"#/components/messages/{t.value}_batch"}},
            "bindings": {"kafka": _topic_binding(t.topic, 7)},
        }
        found[f"{t.value}_dead_letters"] = {
            "address": t.dlq_topic,
            "description": f"Records of {t.topic} that were refused, whole or in part",
            "messages": {"record": {"$ref": "#/components/messages/dead_letter"}},
            "bindings": {"kafka": _topic_binding(t.dlq_topic, 14)},
        }
    return found


def _topic_binding(topic: str, days: int) -> Schema:
    return {
        "topic": topic,
        "topicConfiguration": {
            "cleanup.policy": ["delete"],
            "retention.ms": days * 86_400_000,
            "max.message.bytes": MAX_BYTES + 100_000,
        },
        "bindingVersion": "0.5.0",
    }


def _operations() -> Schema:
    found: Schema = {}
    for t in SampleType:
        found[f"send_{t.value}"] = {
            "action": "send",
            "summary": f"A platform sends {t.value}",
            "channel": {"$ref": f"#/channels/{t.value}"},
            "messages": [{"$ref": f"#/channels/{t.value}/messages/batch"}],
        }
        found[f"read_{t.value}_dead_letters"] = {
            "action": "receive",
            "summary": f"The regulator looks at refused {t.value}",
            "channel": {"$ref": f"#/channels/{t.value}_dead_letters"},
            "messages": [{"$ref": f"#/channels/{t.value}_dead_letters/messages/record"}],
        }
    return found


def _message(sample: SampleType) -> Schema:
    ident = BatchIdentity("p01", "gate-1", 4, sample.topic, 2, 9)
    told = to_headers(BatchHeader(ident, 1, NOW_MS - 5_000, NOW_MS))
    return {
        "name": f"{sample.value}_batch",
        "title": f"A batch of {sample.value}",
        "contentType": CONTENT_TYPE,
        "description": inspect.cleandoc(signing.__doc__ or ""),
        "headers": json_schema.headers(sample),
        "payload": {
            "description": "An Arrow IPC stream; its rows are those of the schema in x-row",
            "type": "string",
            "format": "binary",
            "x-row": {"$ref": f"#/components/schemas/{sample.value}_row"},
            "x-arrow-schema": f"arrow/{sample.value}.arrow",
        },
        "examples": [
            {
                "name": "one row",
                "summary": "The row is the example of the row's schema; the payload is binary",
                "headers": {name: value.decode() for name, value in told},
                "payload": "(Arrow IPC stream)",
            }
        ],
    }


def _dead_letter() -> Schema:
    number = {"type": "string", "pattern": "^[0-9]+$"}
    text = {"type": "string"}
    said = {
        "dlq_topic": text | {"description": "topic on which it stood"},
        "dlq_partition": number | {"description": "its partition"},
        "dlq_offset": number | {"description": "its offset"},
        "dlq_reason": text | {"description": "fields and rules, never values; the first 20"},
        "dlq_refused_rows": number | {"description": "how many rows or rules are at fault"},
    }
    return {
        "name": "dead_letter",
        "title": "A refused record",
        "description": "The bytes and headers as they came, and why",
        "headers": {"type": "object", "properties": said, "required": list(said)},
        "payload": {"type": "string", "format": "binary"},
    }
