"""Thresholds set from a city's own history: the file that `livewatch calibrate` writes.

A worker reads it at its start (`LIVEWATCH_CALIBRATION_FILE`) and refuses one that was made for
other parameters: a threshold means nothing without the filter that it was measured on.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pipelines.core.detect import Grade, SpikePolicy

FORMAT = 1
_THRESHOLDS = ("watch", "raised", "critical")


class CalibrationError(ValueError):
    """The file cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class GradeMeasure:
    """Of one grade: log odds from which it is given, false alerts a day meant and measured."""

    threshold: float
    budget_per_day: float
    measured_per_day: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds of flag F01, and what they rest on."""

    fingerprint: str
    """Of the policy's other parameters."""
    first: str
    last: str
    """ISO 8601: the history that alerts were counted in."""
    days: float
    series: int
    grades: dict[str, GradeMeasure]

    def apply(self, policy: SpikePolicy) -> SpikePolicy:
        """The policy with these thresholds. Raises CalibrationError where it is another one."""
        if self.fingerprint != fingerprint(policy):
            raise CalibrationError(
                "was measured with other parameters of the detector: run livewatch calibrate again"
            )
        try:
            watch, raised, critical = (self.grades[k].threshold for k in _THRESHOLDS)
            return replace(policy, watch=watch, raised=raised, critical=critical)
        except ValueError as error:
            raise CalibrationError(str(error)) from None

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, "rule": "F01"} | asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises CalibrationError, which names the field."""
        try:
            data: dict[str, Any] = json.loads(text)
        except ValueError:
            raise CalibrationError("is not JSON") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("rule") != "F01":
            raise CalibrationError(f"format, rule: must be {FORMAT} and F01")
        missing = [f.name for f in fields(cls) if f.name not in data]
        if missing:
            raise CalibrationError(f"{missing[0]}: is missing")
        grades = {name: _grade(data["grades"], name) for name in _THRESHOLDS}
        for name in ("first", "last"):
            _time(data[name], name)
        return cls(
            fingerprint=str(data["fingerprint"]),
            first=data["first"],
            last=data["last"],
            days=_positive(data["days"], "days"),
            series=int(_positive(data["series"], "series")),
            grades=grades,
        )


def _grade(grades: Any, name: str) -> GradeMeasure:
    values = {}
    for field in fields(GradeMeasure):
        try:
            value = float(grades[name][field.name])
        except (TypeError, ValueError, KeyError):
            value = math.nan
        if not math.isfinite(value):
            raise CalibrationError(f"grades.{name}.{field.name}: must be a number")
        values[field.name] = value
    return GradeMeasure(**values)


def _positive(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CalibrationError(f"{name}: must be a positive number")
    return float(value)


def _time(value: Any, name: str) -> None:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise CalibrationError(f"{name}: must be an ISO 8601 time") from None


def fingerprint(policy: SpikePolicy) -> str:
    """Of everything in the policy that a threshold depends on."""
    rest = {k: v for k, v in asdict(policy).items() if k not in _THRESHOLDS}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> Calibration:
    """Raises CalibrationError with the file's name, too where it cannot be read."""
    try:
        return Calibration.from_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path}: {error}") from None
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from None


def calibrated(policy: SpikePolicy, path: Path | None) -> SpikePolicy:
    """The policy as a worker runs it: with the file's thresholds where one is named."""
    if path is None:
        return policy
    try:
        return read(path).apply(policy)
    except CalibrationError as error:
        text = str(error)
        raise CalibrationError(text if str(path) in text else f"{path}: {text}") from None


def budget_of(grade: Grade) -> float:
    """False alerts a day for the whole city (DESIGN section 4)."""
    return {Grade.WATCH: 1_000.0, Grade.RAISED: 10.0, Grade.CRITICAL: 1.0}[grade]
