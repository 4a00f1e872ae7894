"""The Arrow schemas, for people and for programs."""

from __future__ import annotations

from schemas.telemetry import ARROW, MINOR, VERSION, SampleType, columns


def text() -> str:
    """All schemas as a page of text: name, Arrow type, `?` where null is allowed."""
    lines = [
        f"# Arrow schemas of telemetry contract {VERSION}.{MINOR}. Optional columns have a `?`,"
    ]
    lines.append("# and may be left out where a minor version is named behind them.")
    for sample in SampleType:
        lines += ["", f"{sample.topic}:"]
        for column in columns(sample):
            mark = "?" if column.nullable else ""
            since = f"  since {VERSION}.{column.since}" if column.since else ""
            lines.append(f"  {column.name + mark:22} {column.type}{since}".rstrip())
    return "\n".join(lines) + "\n"


def message(sample: SampleType) -> bytes:
    """The schema as an encapsulated Arrow IPC message, which any Arrow library reads."""
    return bytes(ARROW[sample].serialize().to_pybytes())
