"""The evidence of one flag: everything that is kept of it, and its score computed again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines.core.detect.dossier import STATISTIC, score_again, window_of
from pipelines.core.ledger.events import digest
from pipelines.core.ledger.lifecycle import FlagFile
from pipelines.core.ledger.requests import SHANGHAI
from pipelines.core.rules.again import ChangedRuleError, rule_score_again, units_of
from pipelines.core.rules.dossier import RULE_SCORE
from pipelines.ledger.read import as_json, iso

TOLERANCE = 1e-9
TIMES = ("onset", "event_time", "decided_at")
_COUNTED = frozenset({"F02", "F07", "F08", "F12"})
Event = dict[str, Any]
Query = Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]


WIDER = "SELECT wider_id FROM v_flag_wider WHERE flag_id = %(f)s"
"""The flag of its merchant or cell, of a session's flag; no row where there is none."""


def events_sql(columns: Sequence[str]) -> str:
    """The events of flag %(f)s with times in ms, in order."""
    shown = [f"toUnixTimestamp64Milli({c})" if c in TIMES else c for c in columns]
    return (
        f"SELECT {', '.join(shown)} FROM v_flag_events WHERE flag_id = %(f)s "  # noqa: S608
        "ORDER BY event_time, event, grade"
    )


def events_of(query: Query, flag_id: str) -> list[Event]:
    """The detectors' events of a flag, as they were written."""
    columns = [str(row[0]) for row in query("DESCRIBE v_flag_events", {})]
    rows = query(events_sql(columns), {"f": flag_id})
    return [dict(zip(columns, row, strict=True)) for row in rows]


def evidence(
    file: FlagFile,
    events: Sequence[Event],
    entries: Sequence[Mapping[str, Any]],
    now_ms: int,
    wider: str | None = None,
) -> dict[str, Any]:
    """The document. `entries` are the ledger's about this flag, as `entry_json` gives them; `wider`
    is the flag that `WIDER` finds for one of a session.
    """
    bound = {e["details"]["digest"]: e["seq"] for e in entries if e["details"].get("digest")}
    return {
        "document": "livewatch evidence 1",
        "made_at": iso(now_ms),
        "file": as_json(file),
        "wider_flag": file.parent_id or wider,
        "decisions": [_decision(event, bound) for event in events],
        "entries": [dict(entry) for entry in entries],
    }


def _decision(event: Event, bound: Mapping[str, int]) -> dict[str, Any]:
    told = _dossier(event)
    shown = {key: value for key, value in event.items() if key not in (*TIMES, "evidence")}
    hash_ = digest(event)
    return {
        **shown,
        **{name: iso(int(event[name])) for name in TIMES},
        "digest": hash_,
        "ledger_entry": bound.get(hash_),
        "recomputed": recompute(event, told),
        "window": window(told),
        "inputs": told,
    }


def recompute(event: Event, told: Mapping[str, Any] | None) -> dict[str, Any]:
    """The score from the stored inputs. `agrees` is null, with a reason, where none are stored."""
    try:
        again = _score(event, told)
    except ValueError as error:
        return {"score": None, "agrees": False, "why": str(error)}
    except ChangedRuleError as error:
        return {"score": None, "agrees": None, "why": str(error)}
    if again is None:
        return {"score": None, "agrees": None, "why": _why_none(event)}
    score = float(event["score"])
    agrees = math.isclose(again, score, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return {"score": again, "difference": again - score, "agrees": agrees}


def _score(event: Event, told: Mapping[str, Any] | None) -> float | None:
    if told is not None and told.get("statistic") == STATISTIC:
        return score_again(told)
    if told is not None and told.get("statistic") == RULE_SCORE:
        return rule_score_again(told)
    if told is not None:
        raise ValueError("inputs that cannot be read")
    if event["event"] not in ("opened", "escalated"):
        return None
    if event["rule"] in _COUNTED:
        return float(event["observed"])
    if event["rule"] == "F11":
        due = float(event["expected"])
        if event["entity_type"] == "platform":
            return 1 - float(event["observed"]) / due if due else 0.0
        return float(event["observed"])
    return None


def _why_none(event: Event) -> str:
    if event["event"] not in ("opened", "escalated"):
        return "inputs are kept of what raises a flag, not of its end"
    return "no inputs were kept with this decision"


def window(told: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The bins up to the decision's own, which is last; null is unknown, never zero."""
    if told is not None and told.get("statistic") == RULE_SCORE:
        return [
            {"start": iso(start), "observed": count, "expected": None, "exposure": None}
            for start, count in units_of(told)
        ]
    if told is None or told.get("statistic") != STATISTIC:
        return []
    rows = [
        {"start": iso(start), "observed": count, "expected": usual, "exposure": orders}
        for start, count, usual, orders in window_of(told)
    ]
    own = told["bin"]
    rows.append(
        {
            "start": iso(own["start_ms"]),
            "observed": own["counts"],
            "expected": None,
            "exposure": own["exposure"],
        }
    )
    return rows


def _dossier(event: Event) -> dict[str, Any] | None:
    text = event.get("evidence", "")
    if not text:
        return None
    try:
        told = json.loads(text)
    except ValueError:
        return {"statistic": "unreadable"}
    return told if isinstance(told, dict) else {"statistic": "unreadable"}


def shanghai(text: str) -> str:
    """An ISO time as it is said in Shanghai."""
    at = datetime.fromisoformat(text).astimezone(UTC).astimezone(SHANGHAI)
    return at.strftime("%Y-%m-%d %H:%M")
