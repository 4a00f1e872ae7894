"""Errors that are the user's to mend: shown as one line on stderr, never as a stack trace."""

from __future__ import annotations


class UserError(Exception):
    """What went wrong and what to do about it, in one line. Exit code 1."""

    exit_code = 1


class UsageError(UserError):
    """The command was given something that it cannot work with. Exit code 2."""

    exit_code = 2


class StackError(UserError):
    """A part of the local stack did not start or did not stay up."""
