"""What can go wrong with a spool; each is one line that says what to do."""

from __future__ import annotations

from producers.errors import PushError


class SpoolError(PushError):
    """The spool cannot be used."""


class SpoolFull(SpoolError):  # noqa: N818 - a state of the world, not a mistake
    """Nothing was taken: the bound or the disk is reached. The caller still has its data."""


class SpoolBusy(SpoolError):  # noqa: N818
    """Another process (or another object of this one) has the spool open."""


class SpoolCorrupt(SpoolError):  # noqa: N818
    """The file is damaged; it was moved aside, and the next start begins with an empty one."""
