"""The gateway's OpenAPI document, from the same columns that validate and store."""

from __future__ import annotations

from functools import cache
from typing import Any

from producers.gateway.parse import ARROW_STREAM, JSON, NDJSON
from schemas.generate import json_schema
from schemas.telemetry import MINOR, VERSION, SampleType, columns

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
    "is taken. Errors name the row, the field and the rule, never the value."
)
_RETRY_AFTER: Schema = {
    "description": "Seconds to wait", "required": True, "schema": {"type": "integer", "minimum": 1}
}  # fmt: skip
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


def _post(sample: SampleType) -> Schema:
    rows = _ref(f"{sample.value}_row")
    either = {
        "oneOf": [{"type": "array", "items": rows}, _ref(f"{sample.value}_columns")],
    }
    line = {"type": "string", "description": "One row as JSON a line"}
    stream = {"type": "string", "format": "binary", "description": "One record batch"}
    return {
        "operationId": f"send_{sample.value}",
        "summary": f"Send {sample.value}",
        "parameters": [
            {
                "name": "partial",
                "in": "query",
                "description": "Take the good rows and report the others",
                "schema": {"type": "boolean"},
            },
            {"name": "Idempotency-Key", "in": "header", "schema": _KEY_SCHEMA},
        ],
        "requestBody": {
            "required": True,
            "description": "Also gzip, with Content-Encoding",
            "content": {
                JSON: {"schema": either},
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
        "404": _error("This platform has not used the key, or too long ago"),
    },
}
_STATUS: Schema = {
    "operationId": "status",
    "summary": "The platform's own limits and watermark",
    "responses": {"200": _reply("Now", _ref("Status")), **_COMMON},
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


def _schemas() -> Schema:
    row_error = _object(row=_COUNT, field=_TEXT, rule=_TEXT)
    errors = {"type": "array", "items": _ref("RowError"), "maxItems": 100}
    error = _object(error=_object(field=_TEXT, rule=_TEXT))
    error["properties"] |= {"refused": _COUNT, "rows": errors}
    limits = ("rows_per_s", "requests_per_s", "max_body_bytes", "max_inflated_bytes", "max_rows")
    shapes: Schema = {
        "RowError": row_error,
        "Error": error,
        "Accepted": _object(accepted=_COUNT, refused=_COUNT, rows=errors),
        "Heartbeat": _object(accepted=_COUNT, final={"type": "boolean"}),
        "Receipt": _object(
            state={"type": "string", "enum": ["spooled", "delivered"]}, answer=_ref("Accepted")
        ),
        "Status": _object(
            platform_id=_TEXT,
            active={"type": "boolean"},
            watermark_ms=_COUNT,
            limits=_object(**{key: {"type": "number", "minimum": 0} for key in limits}),
        ),
        "State": _object(status=_TEXT),
    }
    for sample in SampleType:
        shapes |= {
            f"{sample.value}_row": json_schema.row(sample),
            f"{sample.value}_columns": _column_arrays(sample),
        }
    return shapes


def _column_arrays(sample: SampleType) -> Schema:
    arrays = {c.name: {"type": "array", "items": json_schema.value(c)} for c in columns(sample)}
    found = _object(**arrays)
    found["required"] = [c.name for c in columns(sample) if not c.nullable]
    found["description"] = "One array per column, all of one length"
    return found
