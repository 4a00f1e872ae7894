"""How much is simulated, on which seeds, and about how long that takes."""

from __future__ import annotations

from dataclasses import dataclass

CALIBRATION_SEED, REPORT_SEED = 20_201_204, 9_112_026
DRIFTS = (0.1, 0.35)
RISES = {
    "x5_on_1": (5.0, 1.0),
    "x10_on_0_3": (10.0, 0.3),
    "x3_on_5": (3.0, 5.0),
    "x2_on_20": (2.0, 20.0),
}
NULLS, RISE, ORACLE = "false alerts", "rises", "the oracle's threshold"
PEERS, CITY_STAGE = "beside the peers", "the sparse city"


@dataclass(frozen=True)
class Sizes:
    """How much is simulated."""

    null_series: int
    null_days: int
    rises: int
    """Series for each rise and drift."""
    matched: int
    """Series for each scenario beside the peers."""
    every: int
    """Each how manieth scenario beside the peers."""
    city: float
    """Part of the city's merchants, sessions and orders."""
    oracle: int
    """Series that the oracle's threshold comes from."""
    ticks: int
    """Looks at a bin, the close among them."""

    def work(self) -> dict[str, float]:
        """Seconds by stage on an idle core: what the estimate of the time left weighs by."""
        looks = 1.0 + 0.1 * (self.ticks - 1)
        null = self.null_series * (3 + self.null_days * looks) * 4e-4
        stages = {f"{NULLS}, drift {drift}": null for drift in DRIFTS}
        stages[ORACLE] = self.oracle * 3e-4 * self.ticks
        stages |= {f"{RISE}, drift {drift}": 1 + self.rises * 9e-3 for drift in DRIFTS}
        stages[PEERS] = 1 + self.matched * 0.5 / self.every
        stages[CITY_STAGE] = 1 + 60 * self.city
        return stages


FULL = Sizes(50_000, 5, 1_000, 100, 1, 1.0, 20_000, 5)
SHORT = Sizes(1_500, 1, 100, 20, 4, 0.1, 3_000, 3)
TINY = Sizes(400, 1, 40, 10, 4, 0.02, 1_500, 2)
"""For the tests: the keys and the rough order of things."""
