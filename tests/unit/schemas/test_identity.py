"""Headers of a batch: there and back, and each wrong in turn."""

from __future__ import annotations

import contextlib

import pytest

from schemas.errors import ContractError
from schemas.identity import (
    BatchHeader,
    BatchIdentity,
    from_headers,
    parse_supersedes,
    to_headers,
)
from schemas.telemetry import SampleType

TOPIC = SampleType.VIEWERS.topic
HEADER = BatchHeader(BatchIdentity("p01", "gate-1", 4, TOPIC, 2, 9), 3, 1_790_000_000_000, 5_000)


@pytest.mark.parametrize("final", [False, True])
def test_there_and_back(final: bool) -> None:
    header = BatchHeader(HEADER.identity, 3, 1, 5_000, final)
    assert from_headers(to_headers(header), TOPIC, 2) == header
    assert (("ce_final", b"true") in to_headers(header)) == final


@pytest.mark.parametrize("name", [name for name, _ in to_headers(HEADER)])
@pytest.mark.parametrize("value", [None, b"", b"\xff", b"x" * 300, b"1\n", b"-1", "left out"])
def test_each_header_wrong_in_turn_is_named(name: str, value: bytes | str | None) -> None:
    headers: list[tuple[str, bytes | None]] = [
        (k, v if k != name else value)  # type: ignore[misc]
        for k, v in to_headers(HEADER)
        if k != name or value != "left out"
    ]
    if (name, value) == ("ce_dataschema", "left out"):
        assert from_headers(headers, TOPIC, 2).minor == 0, "1.0 knew no such header"
        return
    with pytest.raises(ContractError) as error:
        from_headers(headers, TOPIC, 2)
    # A wrong number may show first where it disagrees with the id made of it.
    assert error.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_source", b"/platforms/p01/sources/gate-1\n"),
        ("ce_source", b"/platforms/P01/sources/gate-1"),
        ("ce_time", b"2026-01-01T00:00:00"),
        ("ce_rows", b"4097"),
        ("ce_final", b"false"),
        ("ce_watermark", b"9223372036854775808"),
        ("ce_dataschema", b"urn:livewatch:telemetry:viewers:2.0"),
        ("ce_dataschema", b"urn:livewatch:telemetry:orders:1.1"),
        ("ce_dataschema", b"urn:livewatch:telemetry:viewers:1.1\n"),
        ("ce_dataschema", b"1.1"),
    ],
)
def test_nearly_right_is_wrong(name: str, value: bytes) -> None:
    headers = [(k, v) for k, v in to_headers(HEADER) if k != name]
    with pytest.raises(ContractError) as error:
        from_headers([*headers, (name, value)], TOPIC, 2)
    assert error.value.field == name
    assert value.decode() not in str(error.value)


def test_a_batch_of_another_place_is_refused() -> None:
    for topic, partition in ((TOPIC, 1), (SampleType.ORDERS.topic, 2), ("other", 2)):
        with pytest.raises(ContractError):
            from_headers(to_headers(HEADER), topic, partition)


def test_the_error_passes_through_a_context_manager() -> None:
    @contextlib.contextmanager
    def around():  # type: ignore[no-untyped-def]
        yield

    with pytest.raises(ContractError), around():
        raise ContractError("field", "rule")


@pytest.mark.parametrize(
    "supersedes", ["batch/4/7", f"session/{'a' * 32}/1790000000000/1790000060000"]
)
def test_a_correction_says_what_it_supersedes_and_why(supersedes: str) -> None:
    header = BatchHeader(HEADER.identity, 3, 1, 5_000, False, supersedes, "miscounted")
    assert from_headers(to_headers(header), TOPIC, 2) == header
    assert parse_supersedes(supersedes).text() == supersedes


@pytest.mark.parametrize(
    ("supersedes", "reason", "field"),
    [
        ("batch/4", "other", "ce_supersedes"),
        ("batch/4/-1", "other", "ce_supersedes"),
        (f"session/{'a' * 32}/5/5", "other", "ce_supersedes"),
        ("session/me/1/2", "other", "ce_supersedes"),
        ("batch/4/7", "because", "ce_reason"),
    ],
)
def test_a_correction_that_says_it_wrongly_is_named(
    supersedes: str, reason: str, field: str
) -> None:
    header = BatchHeader(HEADER.identity, 3, 1, 5_000, False, supersedes, reason)
    with pytest.raises(ContractError) as error:
        from_headers(to_headers(header), TOPIC, 2)
    assert error.value.field == field


def test_a_header_that_appears_twice_or_too_many_are_refused() -> None:
    headers = to_headers(HEADER)
    with pytest.raises(ContractError, match="once"):
        from_headers([*headers, headers[0]], TOPIC, 2)
    with pytest.raises(ContractError, match="at most"):
        from_headers([(f"x{i}", b"1") for i in range(50)], TOPIC, 2)
    with pytest.raises(ContractError, match="ce_reason"):
        from_headers([*headers, ("ce_reason", b"other")], TOPIC, 2)
