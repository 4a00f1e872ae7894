"""What can go wrong at the sending side, by who can mend it."""

from __future__ import annotations


class PushError(Exception):
    """Stops the command with one line and an exit code; never a stack trace."""

    exit_code = 1


class UsageError(PushError):
    """The command line, a plan or an input file is wrong; the message names what and the rule."""

    exit_code = 2


class StoppedError(PushError):
    """Asked to stop before there was anything to finish."""

    exit_code = 130


class TransportError(PushError):
    """Kafka is away for too long, or refused a batch for good."""


def of_file(error: OSError) -> str:
    """Which file that the user named cannot be read or written, and why: in one line.

    Raises the error again where there is no such file.
    """
    if error.filename is None:
        raise error
    return f"{error.filename}: {error.strerror}"
