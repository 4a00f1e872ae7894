"""Which rules each level of series has, and what they are fed with."""

from __future__ import annotations

from .board import RuleBoard
from .care import ReviewGap, Uncertified
from .cluster import Cluster
from .jump import ViewerJump
from .protocol import BIN_MS
from .share import ShareOutlier, SharePolicy
from .shift import CategoryShift
from .table import RULES

_HOUR_MS = 3_600_000
SESSION_COLUMNS = (
    "orders", "clicks", "interactions", "viewer_milliminutes", "seen", "safety", "ghost_orders",
    "uncertified",
)  # fmt: skip
MERCHANT_COLUMNS = ("orders", "refunds", "safety", "off_platform", "offences")
PLATFORM_COLUMNS = ("orders", "mix", "live", "reviewed")

CONVERSION = SharePolicy("orders", "clicks", start=0.002, witness="seen")
REFUNDS = SharePolicy("refunds", "orders", start=0.3, lag_bins=3.0, least_ratio=1.8, late=True)


def session_board() -> RuleBoard:
    """Sessions of a partition."""
    rules = (
        Cluster(RULES["F02"], "safety", 24, _HOUR_MS),
        ShareOutlier(RULES["F03"], CONVERSION),
        ViewerJump(RULES["F04"]),
        Cluster(RULES["F07"], "ghost_orders", 3, BIN_MS),
        Uncertified(RULES["F10"]),
    )
    return RuleBoard(rules, SESSION_COLUMNS)


def repetition() -> Cluster:
    """F12. What is overturned is waived, by Shanghai day."""
    return Cluster(RULES["F12"], "offences", 30, 24 * _HOUR_MS)


def merchant_board(repeats: Cluster | None = None) -> RuleBoard:
    """Merchants of the city. F12 (`repeats`) comes last: it counts what the others found."""
    rules = (
        Cluster(RULES["F02"], "safety", 24, _HOUR_MS),
        ShareOutlier(RULES["F05"], REFUNDS),
        Cluster(RULES["F08"], "off_platform", 24, _HOUR_MS),
        repeats or repetition(),
    )
    return RuleBoard(rules, MERCHANT_COLUMNS)


def platform_board() -> RuleBoard:
    """Platforms."""
    return RuleBoard((CategoryShift(RULES["F06"]), ReviewGap(RULES["F09"])), PLATFORM_COLUMNS)
