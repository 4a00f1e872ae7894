"""Detectors: from closed and open bins to graded episodes. Pure: arrays and times in, events out.

Flag F01, complaint spike: ``exposure`` and ``prior`` say what to expect, ``spike_filter`` gives the
log odds of a rise, ``episodes`` turns them into alerts, ``parents`` merges a general rise into one,
``sentences`` says it in words. ``spike.SpikeDetector`` holds them together.
"""

from .episodes import Episode, EpisodeBook, EpisodeEvent, EventKind
from .exposure import ExposurePolicy, ExposureState, close_exposure, hour_of_week, open_exposure
from .parents import ParentRise, parent_rise
from .policy import DEFAULT_POLICY, Grade, SpikePolicy
from .prior import GroupPrior, merchant_mean, prior_weight
from .sentences import explain
from .spike import SpikeDetector
from .spike_filter import expected, observe, peek
from .spike_state import SpikeState

__all__ = [
    "DEFAULT_POLICY",
    "Episode",
    "EpisodeBook",
    "EpisodeEvent",
    "EventKind",
    "ExposurePolicy",
    "ExposureState",
    "Grade",
    "GroupPrior",
    "ParentRise",
    "SpikeDetector",
    "SpikePolicy",
    "SpikeState",
    "close_exposure",
    "expected",
    "explain",
    "hour_of_week",
    "merchant_mean",
    "observe",
    "open_exposure",
    "parent_rise",
    "peek",
    "prior_weight",
]
