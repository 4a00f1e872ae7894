"""Figures that follow from a line's sums; None is not told, or not known."""

from __future__ import annotations

from pipelines.report.model import Line, Number

RATIOS = ("order_value", "refund_rate", "complaint_rate")


def leaves_out(line: Line, key: str) -> bool:
    """Whether a sum leaves days out; what is a ratio of such sums is one of the days shown."""
    if key in RATIOS:
        return False
    apart = {"complaints": "complaints_gone"}.get(key)
    return line.gone > 0 or bool(apart and line.values.get(apart))


def figures(line: Line) -> dict[str, tuple[float | None, int, str]]:
    """The figures of the overview: value, digits, unit."""
    v = {k: number(x) for k, x in line.values.items()}
    orders, refunds, complaints = v.get("orders"), v.get("refunds"), v.get("complaints")
    watched = v.get("viewer_milliminutes")
    whole = not line.gone
    return {
        "sessions": (v.get("sessions"), 0, ""),
        "orders": (orders, 0, ""),
        "gmv": (yuan(line), 0, ""),
        "order_value": (_ratio(yuan(line), orders), 1, ""),
        "viewer_hours": (None if watched is None else watched / 60_000, 0, ""),
        "refund_rate": (
            percent(_ratio(refunds, orders)) if whole and not v.get("refunds_gone") else None,
            1,
            "%",
        ),
        "complaints": (complaints, 0, ""),
        "complaint_rate": (
            _rate(complaints, orders) if whole and not v.get("complaints_gone") else None,
            2,
            "",
        ),
    }


def yuan(line: Line) -> float | None:
    fen = line.values.get("paid_fen")
    return None if fen is None else fen / 100


def number(value: Number) -> float | None:
    return None if value is None else float(value)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _rate(complaints: float | None, orders: float | None) -> float | None:
    return (
        None if complaints is None or orders is None or not orders else 10_000 * complaints / orders
    )


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
