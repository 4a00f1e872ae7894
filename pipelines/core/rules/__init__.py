"""Flags F02 to F10 and F12: one policy table, one protocol, one book of episodes (ADR 0025)."""

from .board import RuleBoard
from .episodes import RuleEvent
from .table import RULES, Rule

__all__ = ["RULES", "Rule", "RuleBoard", "RuleEvent"]
