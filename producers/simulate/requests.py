"""What anomalies are asked for: by a plan file, or a number of spikes placed by rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from producers.errors import UsageError
from producers.simulate.anomalies import ENTITY_TYPES, KINDS
from producers.units import parse_duration

MINUTE_MS = 60_000
USUAL_MS = 20 * MINUTE_MS
#: Their rules look at half an hour: what is over sooner is never seen in full.
_LENGTHS = {
    "F05": 40 * MINUTE_MS, "F06": 40 * MINUTE_MS, "F09": 30 * MINUTE_MS, "F12": 60 * MINUTE_MS,
}  # fmt: skip
#: What a platform usually sells is known after two hours of it.
_EARLIEST = {"F06": 130 * MINUTE_MS}
_KEYS = {
    "kind", "entity_type", "entity_id", "platform", "category", "start", "duration",
    "factor", "excess", "code", "mode",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One anomaly to inject; what is None is chosen by the planner.

    `start_ms` and `duration_ms` are event time from the start of the run. For complaint
    kinds either `excess` (complaints over the window) or `factor` (times the usual rate).
    """

    kind: str
    start_ms: int
    duration_ms: int
    entity_type: str | None = None
    entity_id: str | None = None
    platform: str | None = None
    category: str | None = None
    factor: float | None = None
    excess: float | None = None
    code: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class SpikeRule:
    """How `--spikes` places complaint spikes: times are event ms from the start of the run."""

    count: int
    after_ms: int = 30 * MINUTE_MS
    shortest_ms: int = 20 * MINUTE_MS
    longest_ms: int = 30 * MINUTE_MS
    excess: tuple[float, float] = (20.0, 40.0)
    factor: float | None = None


def spikes(rule: SpikeRule, run_ms: int, rng: np.random.Generator) -> list[Request]:
    """Spread the spikes over the run, sessions and merchants in turn.

    Raises UsageError when the run is too short for them.
    """
    last = run_ms - rule.longest_ms
    if rule.count and last < rule.after_ms:
        need = (rule.after_ms + rule.longest_ms) / MINUTE_MS
        raise UsageError(f"--spikes needs a --duration of at least {need:.0f}m of event time")
    starts = np.linspace(rule.after_ms, max(last, rule.after_ms), rule.count)
    found = []
    for number, start in enumerate(starts.astype(np.int64).tolist()):
        excess = float(np.round(rng.uniform(*rule.excess), 1))
        found.append(
            Request(
                "F01",
                start,
                int(rng.integers(rule.shortest_ms, rule.longest_ms + 1)),
                "session" if number % 2 == 0 else "merchant",
                excess=None if rule.factor else excess,
                factor=rule.factor,
            )
        )
    return found


def others(kinds: Sequence[str], after_ms: int, run_ms: int) -> list[Request]:
    """One anomaly of each kind, spread over the run, with the usual strength of its kind."""
    starts = np.linspace(after_ms, max(after_ms, run_ms - USUAL_MS), len(kinds))
    found = []
    for kind, start in zip(kinds, starts.astype(np.int64).tolist(), strict=True):
        name, _, mode = kind.partition(":")
        if name not in KINDS:
            raise UsageError(f"--inject: {name!r} is not one of {', '.join(KINDS)}")
        if mode not in ("", "gap", "frozen"):
            raise UsageError("--inject: F11 takes F11:gap or F11:frozen")
        gap = name == "F11" and mode != "frozen"
        length = 3 * MINUTE_MS if gap else _LENGTHS.get(name, USUAL_MS)
        wanted = max(start, _EARLIEST.get(name, 0))
        at = min(wanted, max(run_ms - length, after_ms))
        found.append(Request(name, at, length, mode=mode or None))
    return found


def read_plan(path: Path) -> list[Request]:
    """Read a plan: a JSON list of objects. Raises UsageError naming the entry and the rule."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--anomalies: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: is not JSON ({error})") from None
    if not isinstance(raw, list):
        raise UsageError(f"{path}: must be a list of anomalies")
    return [_request(entry, f"{path}: entry {i}") for i, entry in enumerate(raw, start=1)]


def _request(entry: Any, where: str) -> Request:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: must be an object")
    for key in entry:
        if key not in _KEYS:
            raise UsageError(f"{where}: {key!r} is not one of {', '.join(sorted(_KEYS))}")
    if entry.get("kind") not in KINDS:
        raise UsageError(f"{where}: kind must be one of {', '.join(KINDS)}")
    if entry.get("entity_type", "session") not in ENTITY_TYPES:
        raise UsageError(f"{where}: entity_type must be one of {', '.join(ENTITY_TYPES)}")
    if entry.get("mode") not in (None, "gap", "frozen"):
        raise UsageError(f"{where}: mode must be gap or frozen")
    for key in ("factor", "excess"):
        value = entry.get(key)
        if value is not None and (not isinstance(value, (int, float)) or value <= 0):
            raise UsageError(f"{where}: {key} must be a number above 0")
    known: dict[str, Any] = {}
    for key in ("start", "duration"):
        if not isinstance(entry.get(key), str):
            raise UsageError(f"{where}: {key} must be a duration such as '30m'")
        known[f"{key}_ms"] = parse_duration(entry[key])
    known |= {k: v for k, v in entry.items() if k not in ("start", "duration")}
    return Request(**known)
