"""What a decision of F02 to F10 or F12 rests on: kept with the flag, so that anyone can compute the
score again from it (`again.py`; F01 has its own, `detect/dossier.py`).

Of a rule that counts: the counts of each unit of its window. Of any other: the series' state before
the bin, the sums of the bin, and the settings of the rule. JSON; null is a number that was unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .protocol import Detector

VERSION = 1
RULE_SCORE = "rule_score"


def settings(one: Detector) -> dict[str, Any]:
    """What the rule's table and policy say, as far as a score depends on it."""
    rule, policy = one.rule, getattr(one, "policy", None)
    said = {"watch": rule.watch, "guard": rule.guard, "window_bins": rule.window_bins}
    return said | ({} if policy is None else asdict(policy))


def write(one: Detector, inputs: Mapping[str, Any]) -> str:
    """A dossier: `inputs` are what the detector gave with its scores."""
    told = {"v": VERSION, "statistic": RULE_SCORE, "rule_version": one.rule.rule_version}
    told |= {"settings": settings(one), **inputs}
    return json.dumps(told, separators=(",", ":"), allow_nan=False)
