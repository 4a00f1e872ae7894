"""The OpenAPI document as one page: no script, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

#: The browser itself keeps to that.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-family:monospace}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ccc;text-align:left;padding:.2rem .6rem;vertical-align:top}"
    "h2{margin-top:2.5rem}"
)


def page(document: dict[str, Any]) -> str:
    """HTML."""
    info = document["info"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info['description'])}</p>",
        "<p>For programs: <a href=/openapi.json>/openapi.json</a></p>",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(path, method, operation))
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("_row"):
            parts.append(_table(name, schema))
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(status)}</code><td>{escape(reply['description'])}"
        for status, reply in sorted(operation["responses"].items())
    ]
    asked = [
        f"<li><code>{escape(p['name'])}</code> ({p['in']}) {escape(p.get('description', ''))}"
        for p in operation.get("parameters", [])
    ]
    takes = ", ".join(operation.get("requestBody", {}).get("content", {}))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}"
        f"{f' ({escape(takes)})' if takes else ''}</p><ul>{''.join(asked)}</ul>"
        f"<table><tr><th>status<th>meaning{''.join(rows)}</table>"
    )


def _table(name: str, schema: dict[str, Any]) -> str:

    def optional(field: str) -> str:
        return "" if field in schema["required"] else " (optional)"

    rows = [
        f"<tr><td><code>{escape(field)}</code>{optional(field)}"
        f"<td>{escape(value['description'])}<td>{escape(_rule(value))}"
        for field, value in schema["properties"].items()
    ]
    head = "<tr><th>field<th>meaning<th>rule"
    return f"<h2>{escape(name.replace('_', ' '))}</h2><table>{head}{''.join(rows)}</table>"


def _rule(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return "whole ms since 1970, or ISO 8601 with its offset"
    if "enum" in value:
        return ", ".join(str(code) for code in value["enum"] if code is not None)
    if "pattern" in value:
        return str(value["pattern"])
    return f"{value['minimum']} to {value['maximum']}" if "maximum" in value else "text"
