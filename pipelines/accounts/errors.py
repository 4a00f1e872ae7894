"""What can go wrong with accounts."""

from __future__ import annotations


class AccountError(Exception):
    """The file, or what was asked of it, is wrong. One line."""
