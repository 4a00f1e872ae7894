"""What the operator of the alerts can mend, in one line each."""

from __future__ import annotations


class AlertsError(Exception):
    """A file or a setting is not as it must be; the message names it and says what to do."""
