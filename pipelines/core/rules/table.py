"""The policy table: what each rule measures, from where on it speaks, and when it is quiet again.

A bin is five minutes. F01 has a policy of its own (`detect/policy.py`), and F11 another
(`silence.py`): the first is a filter with a budget of false alerts, the second says what is
unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.core.detect import Grade


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, apart from any state. Raises ValueError for a table that contradicts itself."""

    id: str
    zh: str
    en: str
    statistic: str
    """What `score` is, in one line."""
    unit: str
    """Unit of `observed` and `expected`."""
    watch: float
    raised: float
    critical: float
    """Scores from which a grade is reached; where two are equal the lower one is never given."""
    guard: int
    """At least so much `volume` in the window ..."""
    guard_of: str
    """... of this."""
    window_bins: int
    """Length of the window that is judged, bins."""
    clear_below: float
    """Over when the score is below this ..."""
    clear_bins: int
    """... in so many known bins in a row."""
    rest_bins: int
    """After that, none of the same or a lower grade opens for so long."""
    baseline: str
    """Version of what `expected` is made of; empty where it rests on none."""
    version: str = "1"

    def __post_init__(self) -> None:
        numbers = (self.watch, self.raised, self.critical, self.clear_below)
        if not all(math.isfinite(n) for n in numbers):
            raise ValueError(f"{self.id}: thresholds must be finite")
        if not self.watch <= self.raised <= self.critical:
            raise ValueError(f"{self.id}: thresholds must rise: watch, raised, critical")
        if self.clear_below > self.watch:
            raise ValueError(f"{self.id}: clear_below must not be above watch")
        if min(self.guard, self.window_bins, self.clear_bins) < 1 or self.rest_bins < 0:
            raise ValueError(f"{self.id}: guard, window_bins and clear_bins must be positive")

    @property
    def rule_version(self) -> str:
        """As flags name it."""
        return f"{self.id}/{self.version}"

    def threshold(self, grade: Grade) -> float:
        """Score from which `grade` is reached."""
        return {
            Grade.WATCH: self.watch,
            Grade.RAISED: self.raised,
            Grade.CRITICAL: self.critical,
        }[grade]

    def grade(self, score: float, volume: float) -> Grade | None:
        """The highest grade that the score reaches, None below the guard or for NaN."""
        if not volume >= self.guard:
            return None
        reached = [g for g in Grade if score >= self.threshold(g)]
        return max(reached, default=None)


HOUR = 12
DAY = 24 * HOUR
_TAIL = "-log10 of the probability of as many or more under the baseline"

TABLE: tuple[Rule, ...] = (
    Rule(
        "F02", "食品等安全投诉聚集", "Safety cluster",
        "safety complaints (C06, C0601) in 24 clock hours", "complaints",
        watch=3, raised=3, critical=6, guard=3, guard_of="safety complaints",
        window_bins=DAY, clear_below=2, clear_bins=HOUR, rest_bins=0, baseline="group-mean/1",
    ),
    Rule(
        "F03", "下单转化异常", "Conversion outlier",
        f"{_TAIL}: beta-binomial of orders on clicks, session shrunk to platform x category",
        "orders",
        watch=5, raised=8, critical=14, guard=15, guard_of="orders",
        window_bins=3, clear_below=2, clear_bins=6, rest_bins=HOUR, baseline="beta-binomial/1",
    ),
    Rule(
        "F04", "观看数突增而互动未增", "Viewer jump without interaction",
        "the lesser of: robust z of the change of log viewers (median/MAD with a floor), and the "
        "CUSUM of falling engagement per viewer",
        "viewers",
        watch=4, raised=5.5, critical=8, guard=200, guard_of="viewers",
        window_bins=6, clear_below=2, clear_bins=3, rest_bins=HOUR, baseline="mad-cusum/1",
    ),
    Rule(
        "F05", "退款激增", "Refund surge",
        f"{_TAIL}: gamma-Poisson of refunds on orders lagged to their refund, merchant shrunk to "
        "platform x category",
        "refunds",
        watch=5, raised=8, critical=14, guard=15, guard_of="refunds",
        window_bins=6, clear_below=2, clear_bins=6, rest_bins=HOUR, baseline="gamma-poisson/1",
        version="2",
    ),
    Rule(
        "F06", "品类结构突变", "Category shift",
        "robust z of the Jensen-Shannon divergence of the platform's order shares by category "
        "over 30 minutes against 28 days",
        "share",
        watch=8, raised=12, critical=24, guard=300, guard_of="orders",
        window_bins=6, clear_below=3, clear_bins=6, rest_bins=HOUR, baseline="shares-28d/1",
        version="2",
    ),
    Rule(
        "F07", "无人观看或已下播仍有订单", "Orders without viewers",
        "orders in minutes in which nobody watched, in 15 minutes", "orders",
        watch=5, raised=5, critical=30, guard=5, guard_of="orders",
        window_bins=3, clear_below=1, clear_bins=3, rest_bins=0, baseline="",
    ),
    Rule(
        "F08", "站外交易举报聚集", "Off-platform cluster",
        "reports of off-platform dealing (L02) in 24 clock hours", "reports",
        watch=3, raised=3, critical=8, guard=3, guard_of="reports",
        window_bins=DAY, clear_below=2, clear_bins=HOUR, rest_bins=0, baseline="group-mean/1",
    ),
    Rule(
        "F09", "实时审核缺口", "Review gap",
        "live sessions without a review, percent of the live ones, in 15 minutes", "sessions",
        watch=25, raised=40, critical=80, guard=30, guard_of="live sessions, bins added up",
        window_bins=3, clear_below=15, clear_bins=6, rest_bins=6 * HOUR, baseline="",
    ),
    Rule(
        "F10", "无证主播", "Uncertified streamer",
        "viewers of a session whose streamer is told to have no certificate", "viewers",
        watch=2_000, raised=20_000, critical=500_000, guard=1, guard_of="viewers",
        window_bins=1, clear_below=500, clear_bins=6, rest_bins=DAY, baseline="",
    ),
    Rule(
        "F12", "屡次触发", "Repeat offence",
        "flags of grade raised or critical in 30 days, of the merchant and its sessions", "flags",
        watch=3, raised=3, critical=6, guard=3, guard_of="flags",
        window_bins=30 * DAY, clear_below=2, clear_bins=HOUR, rest_bins=0, baseline="",
    ),
)  # fmt: skip
RULES: dict[str, Rule] = {rule.id: rule for rule in TABLE}
