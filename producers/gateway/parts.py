"""What the routes work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.gateway.api_keys import ApiKeyFile
from producers.gateway.intake import Intake
from producers.gateway.limits import Limits
from producers.gateway.sources import Sources
from producers.gateway.store import Reader


@dataclass
class Gateway:
    """`ready` gives the reason why nothing can be accepted, or None."""

    keys: ApiKeyFile
    limits: Limits
    intake: Intake
    sources: Sources
    reader: Reader
    ready: Callable[[], str | None]
    under_way: dict[tuple[str, str], tuple[bytes, asyncio.Future[bytes]]] = field(
        default_factory=dict
    )
