"""JSON Schema (2020-12) of the rows that the gateway takes, and of the batch headers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from schemas.generate.examples import example, shortest
from schemas.generate.headers import HEADERS
from schemas.telemetry import MINOR, VERSION, Column, SampleType, columns

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_TIME = 1 << 53  # what JSON carries exactly


def value(column: Column) -> Schema:
    """What one column may hold."""
    about = column.doc + (f"; {column.unit}" if column.unit else "")
    if column.name == "event_time":
        whole = {"type": "integer", "minimum": 0, "maximum": MAX_TIME}
        return {"description": about, "anyOf": [whole, {"type": "string", "format": "date-time"}]}
    kind: Schema = {"description": about, "type": "string"}
    if column.maximum is not None:
        kind |= {"type": "integer", "minimum": 0, "maximum": column.maximum}
    elif pa.types.is_boolean(column.type):
        kind["type"] = "boolean"
    elif column.allowed is not None:
        kind |= {"enum": sorted(column.allowed)}
    elif column.pattern is not None:
        kind |= {"pattern": column.pattern}
    if column.nullable:
        kind["type"] = [kind["type"], "null"]
        if "enum" in kind:
            kind["enum"] = [*kind["enum"], None]
    return kind


def row(sample: SampleType) -> Schema:
    """One row as a JSON object; optional columns may be left out."""
    wanted = columns(sample)
    return {
        "type": "object",
        "properties": {c.name: value(c) for c in wanted},
        "required": [c.name for c in wanted if not c.nullable],
        "additionalProperties": False,
    }


def row_document(sample: SampleType) -> Schema:
    """The file `json/<sample>.schema.json`."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:livewatch:telemetry:{sample.value}:{VERSION}.{MINOR}",
        "title": f"A row of {sample.value}, telemetry contract {VERSION}.{MINOR}",
        **row(sample),
        "examples": [example(sample), shortest(sample)],
    }


def headers(sample: SampleType) -> Schema:
    """The Kafka headers of a batch, each UTF-8 text."""
    properties = {
        h.name: {"type": "string", "description": h.doc, "pattern": h.pattern_of(sample)}
        for h in HEADERS
    }
    # A sample type that came after 1.0 has batches of later versions only.
    versioned = {"ce_dataschema"} if sample.since else set()
    required = [h.name for h in HEADERS if h.required or h.name in versioned]
    return {"type": "object", "properties": properties, "required": required}
