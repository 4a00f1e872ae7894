"""Where the rows of a request came to lie, and the names of batches."""

from __future__ import annotations

import numpy as np
import pytest

from producers.batcher import SealedBatch
from producers.gateway.places import Place, batch_id, parse_batch_id, place_rows
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import SampleType

TOPIC = SampleType.ORDERS.topic


def sealed(partition: int, sequence: int, rows: int) -> SealedBatch:
    ident = BatchIdentity("p01", "gw-1", 5, TOPIC, partition, sequence)
    return SealedBatch(BatchHeader(ident, rows, 0, 0), b"", None)


def place(partition: int, sequence: int, rows: int, *, shared: bool) -> Place:
    return Place(f"p01/gw-1/5/{TOPIC}/{partition}/{sequence}", rows, shared)


def test_requests_that_share_batches_and_one_that_fills_several() -> None:
    """
    partition 0    |aaab|bbbb|bc|      a, b, c: rows of three requests
    partition 2    |cc|                |: batches of four
    """
    requests = [np.array(x, np.int32) for x in ([0] * 3, [0] * 6, [2, 0, 2])]
    batches = [sealed(0, 7, 4), sealed(0, 8, 4), sealed(0, 9, 2), sealed(1, 0, 0), sealed(2, 3, 2)]
    assert place_rows(requests, batches) == [
        [place(0, 7, 3, shared=True)],
        [
            place(0, 7, 1, shared=True),
            place(0, 8, 4, shared=False),
            place(0, 9, 1, shared=True),
        ],
        [place(0, 9, 1, shared=True), place(2, 3, 2, shared=False)],
    ]


def test_a_name_reads_back() -> None:
    ident = BatchIdentity("p01", "gw-1", 5, TOPIC, 3, 12)
    assert parse_batch_id(batch_id(ident)) == ident


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"gw-1/5/{TOPIC}/3/12",
        f"p01/gw-1/5/{TOPIC}/3",
        f"p01/gw-1/5/{TOPIC}/3/12/1",
        f"p01/sdk-1/5/{TOPIC}/3/12",
        f"p01/gw-1/-5/{TOPIC}/3/12",
        "p01/gw-1/5/telemetry.orders.v2/3/12",
        "p01/gw-1/5/telemetryXorders.v1/3/12",
        f"p01/gw-1/5/{TOPIC}/3/12\n",
        f"p01/gw-1/{'9' * 19}/{TOPIC}/3/12",
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert parse_batch_id(text) is None
