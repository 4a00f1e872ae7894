"""Fuzzing the gateway from its own OpenAPI document: the real app on a real spool.

Whatever is sent, good and bad, the answer must be one that the document promises: no 5xx but the
documented ones, the right shape, the right media type; and the process lives on.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.gateway.app import build
from producers.gateway.intake import IntakePolicy
from producers.gateway.limits import LimitPolicy
from producers.gateway.parse import ARROW_STREAM, NDJSON
from producers.gateway.serve import SPOOL_FILE, GatewayOptions, gateway
from producers.gateway.store import Store
from schemas.keys import FOR_EVER_MS
from schemas.signing import Signer

_NOWHERE = "127.0.0.1:1"  # no Kafka: the spool takes everything
_LIMITS = LimitPolicy(rows_per_s=1e9, requests_per_s=1e9)


@dataclass
class Fuzzed:
    """`failures`: one line each, of the first of every kind."""

    cases: int = 0
    crashes: int = 0
    failures: dict[str, str] = field(default_factory=dict)


class _TimeIsOverError(Exception):
    """Ends a search; the library may call that flaky, since it does not happen twice."""


@contextmanager
def app_under_test(root: Path) -> Iterator[tuple[Any, str]]:
    """The ASGI app with a spool in `root`, and an API key of platform p01."""
    spool = root / "spool"
    store = Store(spool / SPOOL_FILE)
    store.keep("partitions", 8)
    store.close()
    entry, key = new_key("p01", "", 0, FOR_EVER_MS)
    ApiKeyFile(root / "keys.json").add(entry)
    options = GatewayOptions(
        "fuzz", _NOWHERE, spool, root / "keys.json", Signer.from_seed(bytes(32)),
        limits=_LIMITS, intake=IntakePolicy(group_ms=1), flush_s=0,
    )  # fmt: skip
    with gateway(options) as parts:
        yield build(parts), key


def run(seconds: float, seed: int) -> Fuzzed:
    """Cases until the time is over; each operation has its share."""
    found = Fuzzed()
    with tempfile.TemporaryDirectory() as root, app_under_test(Path(root)) as (app, key):
        operations = _operations(app)
        for number, operation in enumerate(operations):
            share = seconds / len(operations)
            _fuzz(operation, key, time.monotonic() + share, seed + number, found)
    return found


def _operations(app: Any) -> list[Any]:
    import schemathesis

    for media_type in (NDJSON, ARROW_STREAM):
        schemathesis.serializer(media_type)(_as_bytes)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found: list[Any] = list(schema.get_all_operations())
    return [result.ok() for result in found]


def _as_bytes(_: Any, value: Any) -> bytes:
    """A generated body of a format without a serializer of its own."""
    if isinstance(value, bytes):
        return value
    return (
        value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()
    )


def _fuzz(operation: Any, key: str, until: float, seed: int, found: Fuzzed) -> None:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Flaky, Unsatisfiable
    from schemathesis import GenerationMode
    from schemathesis.core.failures import FailureGroup

    headers = {"Authorization": f"Bearer {key}"}

    def attempt(case: Any) -> None:
        if time.monotonic() > until:
            raise _TimeIsOverError
        found.cases += 1
        try:
            response = case.call(headers=headers)
            case.validate_response(response, excluded_checks=_excluded())
        except (Exception, FailureGroup) as error:  # a group is no Exception
            found.crashes += 1
            said = f"{operation.label}: {type(error).__name__}: {error}"
            found.failures.setdefault(said[:80], said[:2000])

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        test = given(case=operation.as_strategy(generation_mode=mode))(attempt)
        test = settings(
            max_examples=200,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(seeded(seed)(test))
        with suppress(_TimeIsOverError, Flaky, Unsatisfiable), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the generator, about its own randomness
            test()


def _excluded() -> list[Any]:
    from schemathesis import checks

    return [checks.CHECKS.get_one(name) for name in ("positive_data_acceptance",)]
