"""The gateway's OpenAPI document, from the same columns that validate and store."""

from __future__ import annotations

from functools import cache
from typing import Any

from producers.gateway.correction import LAST_MS, MAX_BATCHES
from producers.gateway.parse import ARROW_STREAM, JSON, NDJSON
from producers.gateway.places import BATCH_ID
from schemas import codes
from schemas.generate import json_schema
from schemas.telemetry import MINOR, PSEUDONYM, VERSION, SampleType, columns

Schema = dict[str, Any]


@cache
def document() -> Schema:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "livewatch gateway",
            "version": f"{VERSION}.{MINOR}.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": {
            **{f"/v1/samples/{t.value}": {"post": _post(t)} for t in SampleType},
            **{f"/v1/corrections/{t.value}": {"post": _correct(t)} for t in SampleType},
            "/v1/heartbeat": {"post": _HEARTBEAT},
            "/v1/receipts/{key}": {"get": _RECEIPT},
            "/v1/status": {"get": _STATUS},
            "/healthz": {"get": _open("Is the process alive?", "health")},
            "/readyz": {
                "get": _open("Can rows be accepted?", "readiness", **{"503": _said("Not now")})
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "headers": {"RetryAfter": _RETRY_AFTER},
        },
    }


_ABOUT = (
    "Telemetry of live commerce by HTTP. 202 means that the rows are on disk and will reach the "
    "regulator exactly once. A retry with the same Idempotency-Key and body gets the same answer "
    "and writes nothing. Without `partial=true` one bad row refuses the request and nothing of it "
    "is taken. What was sent can be withdrawn or replaced (`/v1/corrections`), by the ids of the "
    "batches that its 202 named or by session and time. Errors name the row, the field and the "
    "rule, never the value."
)
_RETRY_AFTER: Schema = {
    "description": "Seconds to wait", "required": True, "schema": {"type": "integer", "minimum": 1}
}  # fmt: skip
_LIMITS = (
    "rows_per_s",
    "requests_per_s",
    "max_body_bytes",
    "max_inflated_bytes",
    "max_rows",
    "corrections_per_s",
)
_KEY_SCHEMA: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _reply(description: str, schema: Schema, **more: Any) -> Schema:
    return {"description": description, "content": {JSON: {"schema": schema}}, **more}


def _error(description: str, **more: Any) -> Schema:
    return _reply(description, _ref("Error"), **more)


def _wait(description: str) -> Schema:
    headers = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return _error(description, headers=headers)


def _said(description: str) -> Schema:
    return _reply(description, _ref("State"))


_COMMON: Schema = {
    "400": _error("The request is cut off or is not readable JSON or gzip"),
    "401": _error("No valid key: unknown, wrong, expired and revoked get one answer"),
    "429": _wait("Too much in too short a time"),
    "503": _wait("Kafka is away and the spool is full, or the disk cannot be written"),
}


_UNLISTED: Schema = {"422": _error("The address has a parameter that is not listed")}


def _post(sample: SampleType) -> Schema:
    line = {"type": "string", "description": "One row as JSON a line"}
    stream = {"type": "string", "format": "binary", "description": "One record batch"}
    return {
        "operationId": f"send_{sample.value}",
        "summary": f"Send {sample.value}",
        "parameters": [
            _switch("partial", "Take the good rows and report the others"),
            _switch("apart", "In batches of its own, which can be withdrawn by their ids"),
            {"name": "Idempotency-Key", "in": "header", "schema": _KEY_SCHEMA},
        ],
        "requestBody": {
            "required": True,
            "description": "Also gzip, with Content-Encoding",
            "content": {
                JSON: {"schema": _rows(sample)},
                NDJSON: {"schema": line},
                ARROW_STREAM: {"schema": stream},
            },
        },
        "responses": {
            "202": _reply("On disk", _ref("Accepted")),
            **_COMMON,
            "409": _error("The idempotency key was used for another body"),
            "413": _error("Too large, before or after inflation"),
            "415": _error("Neither JSON, NDJSON nor Arrow, or an encoding that is not gzip"),
            "422": _error("Rows, a header or a parameter do not follow the contract"),
        },
    }


def _correct(sample: SampleType) -> Schema:
    body = _object(
        reason={"type": "string", "enum": sorted(codes.REASONS.codes)},
        supersedes={"oneOf": [_ref("Batches"), _ref("Span")]},
    )
    body["properties"]["rows"] = _rows(sample)
    return {
        "operationId": f"correct_{sample.value}",
        "summary": f"Withdraw {sample.value} that were sent, or put other rows in their place",
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": _KEY_SCHEMA}],
        "requestBody": {
            "required": True,
            "description": "What is withdrawn and why; rows, if any, take its place. Also gzip",
            "content": {JSON: {"schema": body}},
        },
        "responses": {
            "202": _reply("On disk, whole", _ref("Accepted")),
            **_COMMON,
            "404": _error("This platform has sent no such batch, or too long ago"),
            "409": _error("The idempotency key was used for another body"),
            "413": _error("Too large, before or after inflation, or too many rows"),
            "415": _error("Not JSON, or an encoding that is not gzip"),
            "422": _error("A field, a row or a header does not follow the contract"),
        },
    }


def _rows(sample: SampleType) -> Schema:
    rows = {"type": "array", "items": _ref(f"{sample.value}_row")}
    return {"oneOf": [rows, _ref(f"{sample.value}_columns")]}


def _switch(name: str, description: str) -> Schema:
    schema = {"type": "boolean"}
    return {"name": name, "in": "query", "description": description, "schema": schema}


_HEARTBEAT: Schema = {
    "operationId": "heartbeat",
    "summary": "The platform is there and has nothing to say; final=true: goodbye",
    "parameters": [{"name": "final", "in": "query", "schema": {"type": "boolean"}}],
    "responses": {
        "202": _reply("Written down", _ref("Heartbeat")),
        **_COMMON,
        "422": _error("A parameter does not follow the contract"),
    },
}
_RECEIPT: Schema = {
    "operationId": "receipt",
    "summary": "What became of a request with this idempotency key",
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": _KEY_SCHEMA}],
    "responses": {
        "200": _reply("Known", _ref("Receipt")),
        **_COMMON,
        **_UNLISTED,
        "404": _error("This platform has not used the key, or too long ago"),
    },
}
_STATUS: Schema = {
    "operationId": "status",
    "summary": "The platform's own limits and watermark",
    "responses": {"200": _reply("Now", _ref("Status")), **_COMMON, **_UNLISTED},
}


def _open(summary: str, name: str, **more: Schema) -> Schema:
    replies = {"200": _said("Yes"), **more}
    return {"operationId": name, "summary": summary, "security": [], "responses": replies}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": LAST_MS},
        {"type": "string", "format": "date-time"},
    ]
}
_BATCH_ID: Schema = {"type": "string", "pattern": BATCH_ID}


def _schemas() -> Schema:
    row_error = _object(row=_COUNT, field=_TEXT, rule=_TEXT)
    errors = {"type": "array", "items": _ref("RowError"), "maxItems": 100}
    error = _object(error=_object(field=_TEXT, rule=_TEXT))
    error["properties"] |= {"refused": _COUNT, "rows": errors}
    shapes: Schema = {
        "RowError": row_error,
        "Error": error,
        "Accepted": _object(
            accepted=_COUNT,
            refused=_COUNT,
            rows=errors,
            batches={"type": "array", "items": _ref("Place")},
        ),
        "Heartbeat": _object(accepted=_COUNT, final={"type": "boolean"}),
        "Receipt": _object(
            state={"type": "string", "enum": ["spooled", "delivered"]}, answer=_ref("Accepted")
        ),
        "Status": _object(
            platform_id=_TEXT,
            active={"type": "boolean"},
            watermark_ms=_COUNT,
            limits=_object(**{key: {"type": "number", "minimum": 0} for key in _LIMITS}),
        ),
        "State": _object(status=_TEXT),
        **_named(),
    }
    for sample in SampleType:
        shapes |= {
            f"{sample.value}_row": json_schema.row(sample),
            f"{sample.value}_columns": _column_arrays(sample),
        }
    return shapes


def _named() -> Schema:
    """What names rows that were sent before."""
    place = _object(id=_BATCH_ID, rows=_COUNT, shared={"type": "boolean"})
    place["description"] = (
        "So many of the request's rows are in this batch; shared: those of other requests are, too"
    )
    ids = {"type": "array", "items": _BATCH_ID, "minItems": 1, "maxItems": MAX_BATCHES}
    span = {"session_id": {"type": "string", "pattern": PSEUDONYM}, "from": _TIME, "to": _TIME}
    span_of = _object(**span)
    span_of["description"] = "Rows of one session with event times in [from, to)"
    batches = _object(batches=ids)
    batches["description"] = "All rows of these batches, as the 202 named them"
    return {"Place": place, "Batches": batches, "Span": span_of}


def _column_arrays(sample: SampleType) -> Schema:
    arrays = {c.name: {"type": "array", "items": json_schema.value(c)} for c in columns(sample)}
    found = _object(**arrays)
    found["required"] = [c.name for c in columns(sample) if not c.nullable]
    found["description"] = "One array per column, all of one length"
    return found
