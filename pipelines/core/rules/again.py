"""The score of a decision computed again from its dossier, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .boards import merchant_board, platform_board, session_board
from .dossier import RULE_SCORE, VERSION, settings
from .protocol import BIN_MS, Bin, Detector


class ChangedRuleError(Exception):
    """The rule is not what it was when the dossier was made: the program of then can compute it."""


def rule_score_again(told: Mapping[str, Any]) -> float:
    """The score that follows from a dossier.

    Raises ValueError where it is none, and ChangedRuleError.
    """
    try:
        if told["v"] != VERSION or told["statistic"] != RULE_SCORE:
            raise ValueError("a dossier of another kind")
        if "units" in told:
            return float(sum(count for _, count in told["units"]))
        one = _detector(told["rule_version"].partition("/")[0])
        if (one.rule.rule_version, settings(one)) != (told["rule_version"], told["settings"]):
            raise ChangedRuleError(f"{told['rule_version']} is another rule by now")
        return _observed_again(one, told["bin"], told["state"])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not a dossier ({type(error).__name__})") from None


def units_of(told: Mapping[str, Any]) -> list[tuple[int, float]]:
    """(start in ms, count) of each unit of a rule that counts; nothing of any other."""
    return [(int(start), float(count)) for start, count in told.get("units", ())]


def _detector(rule: str) -> Detector:
    """A detector of the rule, without any series."""
    for board in (session_board(), merchant_board(), platform_board()):
        for one in board.detectors:
            if one.rule.id == rule:
                return one
    raise ValueError(f"no rule {rule!r}")


def _observed_again(one: Detector, told: Mapping[str, Any], state: Mapping[str, Any]) -> float:
    """The bin as the one series that there is takes it in."""
    arrays = {name: _array(values) for name, values in state.items()}
    one.restore({n: v.reshape(-1, 1) if n == "group" else v[None] for n, v in arrays.items()})
    columns = {name: _array(values)[None] for name, values in told["columns"].items()}
    known, live, frozen = (np.array([told[n]], bool) for n in ("known", "live", "frozen"))
    bin_ = Bin(told["start_ms"] // BIN_MS, columns, known, live, np.zeros(1, np.int64))
    one.grow(1)
    return float(one.observe(bin_, frozen).score[0])


def _array(values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, np.float64)  # null becomes NaN
