"""F06: what a platform sells is not what it sold in the last 28 days."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .protocol import Bin, Bools, Floats, Kept, Scores
from .table import Rule

_SIGMA_FLOOR = 0.004
_LEAST = 0.02
"""Jensen-Shannon divergence, bits, below which a shift is of no interest."""
_YOUNG_BINS = 24
_AWAY_BINS = 12
"""After an hour with too few orders the usual divergence is learned anew: what a small platform
sells in the morning is not what it sold last in the evening."""
_SCORE_CAP = 100.0
_CALM = 4.0
"""Robust z up to which a divergence is learned: a shift that builds up must not widen the spread
that it is judged by. A young platform learns all."""
_KEEP = float(np.exp(-1.0 / (28 * 288)))
_RATE = 0.05


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Divergence [n] of two shares [n, parts], bits: 0 where they are the same, 1 at most.

    Half the Kullback-Leibler divergences from their mean (Lin 1991).
    """
    m = (p + q) / 2

    def part(x: Floats) -> Floats:
        ratio = np.divide(x, m, out=np.ones_like(x), where=(x > 0) & (m > 0))
        return np.asarray((x * np.log2(ratio)).sum(axis=-1), np.float64)

    return np.asarray((part(p) + part(q)) / 2, np.float64)


def shares(sums: Floats) -> Floats:
    """Sums [n, parts] as shares; all zero where there is nothing."""
    total = sums.sum(axis=-1, keepdims=True)
    out: Floats = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    return out


class CategoryShift(Kept):
    """Orders by category: the last six bins, and decayed over 28 days before them."""

    PARTS: ClassVar[int] = 12
    START: ClassVar[dict[str, tuple[type, float, int]]] = {
        "recent": (np.float64, 0.0, 6 * 12),
        "base": (np.float64, 0.0, 12),
        "median": (np.float32, np.nan, 0),
        "mad": (np.float32, 0.0, 0),
        "age": (np.int32, 0, 0),
        "away": (np.int32, 0, 0),
    }

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n = len(bin_.known)
        self.grow(n)
        inputs = self.before(bin_, frozen)
        mix = bin_.column("mix").reshape(n, self.PARTS)
        at = {name: values[:n] for name, values in self.at.items()}
        recent = at["recent"].reshape(n, self.rule.window_bins, self.PARTS)
        place = bin_.number % self.rule.window_bins
        # What leaves the window is learned: a shift must not be its own baseline at once.
        leaves = recent[:, place].copy()
        learn = bin_.known & bin_.live & ~frozen
        at["base"][learn] = _KEEP * at["base"][learn] + leaves[learn]
        recent[:, place] = np.where(bin_.known[:, None], mix, 0.0)
        window = recent.sum(axis=1)
        now, usual = shares(window), shares(at["base"])
        js = jensen_shannon(now, usual)
        orders = window.sum(axis=1)
        told = bin_.known & (orders >= self.rule.guard) & (at["base"].sum(axis=1) > 0)
        self._return(told, bin_.known)
        sigma = np.maximum(1.4826 * at["mad"], _SIGMA_FLOOR)
        z = np.minimum((js - np.nan_to_num(at["median"])) / sigma, _SCORE_CAP)
        sure = told & (at["age"] >= _YOUNG_BINS) & (js >= _LEAST)
        score = np.where(bin_.known, np.where(sure, z, 0.0), np.nan)
        calm = (at["age"] < _YOUNG_BINS) | (z < _CALM)
        self._learn(told & ~frozen & calm, js)
        leading = (now - usual).argmax(axis=1)
        pick = (np.arange(n), leading)
        shown = (now[pick], usual[pick], orders, leading.astype(np.float64))
        return Scores(score, orders, *shown, inputs)

    def _return(self, told: Bools, known: Bools) -> None:
        """Count the bins with too few orders; who comes back after an hour of them is young."""
        n, at = len(told), self.at
        back = told & (at["away"][:n] >= _AWAY_BINS)
        at["age"][:n][back], at["median"][:n][back] = 0, np.nan
        at["away"][:n][told] = 0
        at["away"][:n][known & ~told] += 1

    def _learn(self, known: Bools, js: Floats) -> None:
        """The usual divergence and its spread; a wild one moves them by no more than another."""
        median, mad, age = self.at["median"], self.at["mad"], self.at["age"]
        n = len(js)
        first = known & np.isnan(median[:n])
        median[:n][first] = js[first]
        mad[:n][first] = js[first]
        rate = np.maximum(_RATE, 1.0 / (1.0 + age[:n]))
        gap = js - median[:n]
        bound = 3 * np.maximum(mad[:n], _SIGMA_FLOOR)
        median[:n][known] += (rate * np.clip(gap, -bound, bound))[known]
        mad[:n][known] += (rate * (np.minimum(np.abs(gap), bound) - mad[:n]))[known]
        age[:n][known] += 1
