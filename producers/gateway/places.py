"""Which batches hold a request's rows: its answer names them, and a correction names them again."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producers.batcher import SealedBatch
from schemas.identity import BatchIdentity
from schemas.telemetry import TOPICS

#: <platform_id>/<source>/<epoch>/<topic>/<partition>/<sequence>
BATCH_ID = (
    r"^[a-z0-9-]{1,32}/gw-[a-z0-9-]{1,32}/[0-9]{1,18}"
    rf"/({'|'.join(t.replace('.', '[.]') for t in TOPICS)})/[0-9]{{1,5}}/[0-9]{{1,18}}$"
)
_BATCH_ID = re.compile(BATCH_ID.rstrip("$"))
Shards = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Place:
    """`rows` of a request are in the batch `id`; `shared`: those of other requests are, too."""

    id: str
    rows: int
    shared: bool


def batch_id(identity: BatchIdentity) -> str:
    """The batch's name, as it is said to its platform."""
    return f"{identity.platform_id}/{identity.source}/{identity.id}"


def parse_batch_id(text: str) -> BatchIdentity | None:
    """The batch that `text` would name, of whatever platform; None when it is no batch id."""
    if not _BATCH_ID.fullmatch(text):
        return None
    platform, source, epoch, topic, partition, sequence = text.split("/")
    return BatchIdentity(platform, source, int(epoch), topic, int(partition), int(sequence))


def place_of(batch: SealedBatch) -> Place:
    """A batch that holds nothing of any other request."""
    return Place(batch_id(batch.header.identity), batch.header.rows, shared=False)


def place_rows(requests: Sequence[Shards], sealed: Iterable[SealedBatch]) -> list[list[Place]]:
    """Where the rows of each request came to lie.

    `requests` has the partition of every row, shape (rows,), request by request; `sealed` are the
    batches that were made of all of them, which keep the order of the rows in each partition.
    """
    batches: dict[int, deque[SealedBatch]] = defaultdict(deque)
    for batch in sealed:
        if batch.header.rows:
            batches[batch.header.identity.partition].append(batch)
    used = dict.fromkeys(batches, 0)
    found: list[list[Place]] = []
    for shards in requests:
        places: list[Place] = []
        counts = np.bincount(shards)
        for partition in np.flatnonzero(counts).tolist():
            waiting, left = batches[partition], int(counts[partition])
            while left:
                header = waiting[0].header
                rows = min(left, header.rows - used[partition])
                places.append(Place(batch_id(header.identity), rows, shared=rows < header.rows))
                left, used[partition] = left - rows, used[partition] + rows
                if used[partition] == header.rows:
                    waiting.popleft()
                    used[partition] = 0
        found.append(places)
    return found
