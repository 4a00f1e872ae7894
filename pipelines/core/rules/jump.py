"""F04: viewers jump, and those who are there do nothing: bought viewers.

Two statistics of the bins of a session, and the lesser of them is the score: neither a popular
guest (viewers and activity rise together) nor a slow afternoon (activity falls alone) is a flag.

- z of the change of the log of mean viewers, over 1.4826 MAD of its own changes (tracked by
  stochastic approximation of the median, Robbins and Monro 1951) with a floor;
- CUSUM (Page 1954) of the standardised fall of ln(activity per viewer-minute) below its own level.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .protocol import Bin, Bools, Floats, Kept, Scores
from .table import Rule

_SIGMA_FLOOR = 0.15
_Z_CAP = 20.0
_STEP = 0.1
_SD_FLOOR = 0.3
_SLACK = 0.75
_FALL_CAP = 5.0
_CUSUM_CAP = 12.0
_LEAST_ACTIVITY = 5.0
"""Clicks and interactions a bin below which nothing is said: a platform may not report them."""


class ViewerJump(Kept):
    """The last level, its usual change, and the usual activity per viewer-minute."""

    START: ClassVar[dict[str, tuple[type, float, int]]] = {
        "last": (np.float32, np.nan, 0),
        "mad": (np.float32, 0.1, 0),
        "jump": (np.float32, 0.0, 0),
        "before": (np.float32, 0.0, 0),
        "age": (np.int16, 0, 0),
        "usual": (np.float32, np.nan, 0),
        "activity": (np.float32, 0.0, 0),
        "cusum": (np.float32, 0.0, 0),
    }

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n = len(bin_.known)
        self.grow(n)
        inputs = self.before(bin_, frozen)
        minutes = bin_.column("seen")
        watched = bin_.column("viewer_milliminutes") / 1000
        known = bin_.known & bin_.live & (minutes > 0)
        viewers = np.where(known, watched / np.maximum(minutes, 1), 0.0)
        active = bin_.column("clicks") + bin_.column("interactions")
        jump, before = self._jump(known, viewers, frozen)
        fall = self._fall(known, watched, active, frozen | (jump > 0))
        enough = self.at["activity"][:n] >= _LEAST_ACTIVITY
        cusum = self.at["cusum"][:n].astype(np.float64)
        score = np.where(known, np.where(enough, np.minimum(jump, cusum), 0.0), np.nan)
        return Scores(score, viewers, viewers, before, watched, fall, inputs)

    def _jump(self, known: Bools, viewers: Floats, frozen: Bools) -> tuple[Floats, Floats]:
        n = len(viewers)
        at = {name: values[:n] for name, values in self.at.items()}
        level = np.log(np.maximum(viewers, 1.0))
        change = np.where(known & ~np.isnan(at["last"]), level - at["last"], 0.0)
        sigma = np.maximum(1.4826 * at["mad"], _SIGMA_FLOOR)
        z = np.minimum(change / sigma, _Z_CAP)
        begins = known & (z >= self.rule.watch) & (at["jump"] == 0)
        at["before"][begins] = np.exp(at["last"][begins])
        at["age"][begins] = 0
        at["jump"][begins] = z[begins]
        at["age"][known & ~begins] += 1
        np.minimum(at["age"], 10_000, out=at["age"])
        # An episode keeps its jump for as long as the viewers stay, else the window ends it.
        old = (at["age"] >= self.rule.window_bins) & ~frozen
        gone = known & (at["jump"] > 0) & (old | (viewers < 2 * at["before"]))
        at["jump"][gone] = 0
        learn = known & ~np.isnan(at["last"]) & (at["jump"] == 0)
        larger = np.where(np.abs(change) > at["mad"], 1.0, -1.0)
        at["mad"][learn] = np.clip(at["mad"] * np.exp(_STEP * larger), 0.02, 1.0)[learn]
        # After a gap the next level is no jump: nobody knows what came between.
        at["last"][:] = np.where(known, level, np.nan)
        return at["jump"].astype(np.float64), at["before"].astype(np.float64)

    def _fall(self, known: Bools, watched: Floats, active: Floats, hold: Bools) -> Floats:
        """Activity per viewer now as a share of the usual one [n]."""
        n = len(watched)
        at = {name: values[:n] for name, values in self.at.items()}
        per_viewer = np.log((active + 1.0) / (watched + 2.0))
        first = known & np.isnan(at["usual"])
        at["usual"][first] = per_viewer[first]
        usual = np.where(np.isnan(at["usual"]), per_viewer, at["usual"])
        due = np.exp(usual) * (watched + 2.0)
        sd = np.sqrt(_SD_FLOOR**2 + 1 / np.maximum(due, 1.0))
        fall = np.minimum((usual - per_viewer) / sd, _FALL_CAP)
        moved = np.clip(at["cusum"] + fall - _SLACK, 0.0, _CUSUM_CAP)
        at["cusum"][known] = moved[known]
        learn = known & ~hold
        at["usual"][learn] += (0.15 * np.clip(per_viewer - usual, -1, 1))[learn]
        at["activity"][learn] += (0.3 * (active - at["activity"]))[learn]
        return np.asarray(np.exp(np.clip(per_viewer - usual, -20.0, 20.0)), np.float64)
