"""Fuzzing the decoder of batches: good ones that were damaged, and what must come of them.

Whatever the bytes, the answer is a batch or one clear error, within bounded memory.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from producers.gateway.parse import JSON, parse
from producers.pacing import wall_ms
from schemas.batch import decode
from schemas.errors import ContractError
from schemas.generate.examples import example
from schemas.identity import BatchHeader, BatchIdentity
from schemas.telemetry import MAX_INFLATED, MINOR, SampleType

_ROWS = 40
_EXTREME = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40, (1 << 63) - 1, 1 << 63)
_MEMORY = 4 * MAX_INFLATED
Damage = Callable[[bytearray, random.Random], bytearray]


class Good(NamedTuple):
    """A batch as a platform sends it."""

    sample: SampleType
    value: bytes


def run(cases: int, seed: int) -> tuple[int, int]:
    """(cases tried, cases that crashed the decoder or took too much memory)."""
    rng, good = random.Random(seed), list(_good())  # noqa: S311 - the same cases again
    now, pool = wall_ms(), pa.default_memory_pool()
    crashes = 0
    for _ in range(cases):
        one = rng.choice(good)
        value = bytearray(one.value)
        for _ in range(rng.randint(1, 3)):
            value = rng.choice(_DAMAGES)(value, rng)
        held = pool.bytes_allocated()
        crashes += not _answered(one.sample, bytes(value), rng.randint(0, MINOR + 1), now)
        crashes += pool.bytes_allocated() - held > _MEMORY
    return cases, crashes


def _answered(sample: SampleType, value: bytes, minor: int, now_ms: int) -> bool:
    identity = BatchIdentity("p01", "fuzz", 1, sample.topic, 0, 0)
    try:
        decode(value, BatchHeader(identity, _ROWS, 0, now_ms, minor=minor), now_ms)
    except ContractError:
        return True
    except Exception:
        return False
    return True


def _good() -> Iterator[Good]:
    for sample in SampleType:
        body = json.dumps([example(sample)] * _ROWS).encode()
        rows = parse(sample, JSON, body, _ROWS, wall_ms()).rows
        for codec in (None, "zstd", "lz4"):
            sink = pa.BufferOutputStream()
            options = pa.ipc.IpcWriteOptions(compression=codec)
            with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
                writer.write_batch(rows)
            yield Good(sample, sink.getvalue().to_pybytes())


def _flip(value: bytearray, rng: random.Random) -> bytearray:
    if value:
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
    return value


def _overwrite(value: bytearray, rng: random.Random) -> bytearray:
    """A length or an offset gone wild."""
    number, form = rng.choice(_EXTREME), rng.choice(("<I", "<Q"))
    size = struct.calcsize(form)
    if len(value) > size:
        at = rng.randrange(len(value) - size) // 4 * 4
        struct.pack_into(form, value, at, number & ((1 << 8 * size) - 1))
    return value


def _cut(value: bytearray, rng: random.Random) -> bytearray:
    return value[: rng.randrange(len(value) + 1)]


def _repeat(value: bytearray, rng: random.Random) -> bytearray:
    begin, end = sorted(rng.randrange(len(value) + 1) for _ in range(2))
    return value[:end] + value[begin:]


_DAMAGES: tuple[Damage, ...] = (_flip, _flip, _overwrite, _overwrite, _cut, _repeat)
