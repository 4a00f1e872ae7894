"""Tables with one dimension beside the day's: scenarios, complaint codes."""

from __future__ import annotations

import numpy as np

from pipelines.core.disclosure.days import suppress_line
from pipelines.core.disclosure.rules import (
    BETWEEN_AGENCIES,
    PUBLIC,
    Contributions,
    Ints,
    Mask,
    revealing,
)


def suppress_both(
    given: Contributions, platform: Ints, counts: tuple[str, ...]
) -> tuple[Mask | None, Mask | None]:
    """Leaves not shown to agencies and to everybody; None: the table is not shown at all.

    platform [n]: whose each contribution is. Everybody sees no more than the agencies do.
    """
    none = np.zeros(given.shape[0], bool)
    agencies = suppress_line([given], BETWEEN_AGENCIES, counts, none)
    if agencies is None:
        return None, None
    by_platform = Contributions(given.shape, given.cells, platform, given.measures)
    also = agencies | revealing(by_platform, PUBLIC, counts)[:-1]
    rest = [given.only(platform != one) for one in np.unique(platform)]
    return agencies, suppress_line([given, *rest], PUBLIC, counts, also)
