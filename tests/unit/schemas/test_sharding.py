"""Our murmur2 against that of kafka-python's partitioner."""

from __future__ import annotations

import random

import pytest
from kafka.partitioner.default import murmur2

from schemas.sharding import shard_of


@pytest.mark.parametrize("partitions", [1, 2, 8, 37])
def test_any_key_lands_where_kafkas_clients_put_it(partitions: int) -> None:
    rng = random.Random(partitions)
    keys = [rng.randbytes(n) for n in range(70)] + [rng.randbytes(16).hex().encode()] * 3
    theirs = [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]
    assert shard_of(keys, partitions).tolist() == theirs


def test_no_partition_is_an_error() -> None:
    with pytest.raises(ValueError, match="partitions"):
        shard_of([b"k"], 0)
