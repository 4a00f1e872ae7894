"""F09 and F10: live sessions that nobody reviews, and a large audience without a certificate."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .protocol import Bin, Bools, Kept, Scores, inputs_at
from .table import Rule


class ReviewGap(Kept):
    """Share of the live sessions, in percent, that no review reached, over the last bins.

    A platform that says nothing on the topic of reviews has no live sessions here: unknown. Judged
    only once all bins of the window are heard: of the first, only its last minute may be there, in
    which hardly a session can have been reviewed.
    """

    START: ClassVar[dict[str, tuple[type, float, int]]] = {
        "live": (np.float32, 0.0, 3),
        "reviewed": (np.float32, 0.0, 3),
    }

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n = len(bin_.known)
        self.grow(n)
        inputs = self.before(bin_, frozen)
        place = bin_.number % self.rule.window_bins
        for name in self.START:
            self.at[name][:n, place] = np.where(bin_.known, bin_.column(name), 0)
        live = self.at["live"][:n].sum(axis=1, dtype=np.float64)
        reviewed = self.at["reviewed"][:n].sum(axis=1, dtype=np.float64)
        gap = np.maximum(live - reviewed, 0)
        missed = 100 * gap / np.maximum(live, 1)
        heard = (self.at["live"][:n] > 0).all(axis=1)
        score = np.where(bin_.known & heard, missed, np.nan)
        return Scores(score, live, gap, np.zeros(n), live, missed, inputs)


class Uncertified:
    """Mean viewers of the bin, where the streamer is said to have no certificate."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def grow(self, n: int) -> None:
        """Nothing is kept."""

    def reset(self, slots: object) -> None:
        """Nothing is kept."""

    def observe(self, bin_: Bin, frozen: Bools) -> Scores:
        n, minutes = len(bin_.known), bin_.column("seen")
        viewers = bin_.column("uncertified") / 1000 / np.maximum(minutes, 1)
        known = bin_.known & bin_.live & (minutes > 0)
        return Scores(
            np.where(known, viewers, np.nan), viewers, viewers, np.zeros(n), bin_.column("orders"),
            inputs=lambda slot: inputs_at(bin_, frozen, slot, {}),
        )  # fmt: skip

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Nothing is kept."""
        return {}

    def restore(self, arrays: object) -> None:
        """Nothing is kept."""
