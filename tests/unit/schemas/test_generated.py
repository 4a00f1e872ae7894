"""Documents made from the contract: fresh, valid, and true of what is accepted."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
import yaml

from deploy.contract import ROOT, main, stale
from producers.gateway.parse import JSON, parse
from schemas.generate import asyncapi, json_schema
from schemas.generate.chinese import COLUMNS, UNITS
from schemas.generate.examples import NOW_MS, example, shortest
from schemas.identity import BatchHeader, BatchIdentity, Supersedes, to_headers
from schemas.signing import Signer
from schemas.telemetry import ARROW, SampleType, columns

GENERATED = ROOT / "schemas" / "generated"
# The official schema of AsyncAPI 3.0.0, from the npm package @asyncapi/specs 6.11.1 (Apache-2.0).
OFFICIAL = Path(__file__).parents[2] / "fixtures" / "asyncapi" / "3.0.0.json.gz"
SAMPLES = list(SampleType)


def test_what_is_checked_in_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert stale() == []
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_what_is_stale_is_named(tmp_path: Path) -> None:
    wanted = stale(tmp_path)
    assert Path("docs/contract.md") in wanted
    assert Path("schemas/generated/asyncapi.yaml") in wanted


# -- JSON Schema ------------------------------------------------------------------------------


def row_schema(sample: SampleType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (GENERATED / "json" / f"{sample.value}.schema.json").read_text("utf-8")
    )
    return found


@pytest.mark.parametrize("sample", SAMPLES)
def test_json_schemas_are_valid_and_so_are_their_examples(sample: SampleType) -> None:
    schema = row_schema(sample)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    assert schema["examples"] == [example(sample), shortest(sample)]
    for row in schema["examples"]:
        checker.validate(row)
        body = json.dumps([row]).encode()
        assert parse(sample, JSON, body, 1, NOW_MS).errors == [], "the gateway takes it, too"


def broken(sample: SampleType) -> list[tuple[str, dict[str, Any]]]:
    """The example with each column wrong in turn, in each way that its declaration forbids."""
    good, out = example(sample), []
    for c in columns(sample):
        wrong: list[Any] = [[], 1.5, {"a": 1}]
        wrong += [-1, c.maximum + 1] if c.maximum is not None else []
        wrong += ["no such code"] if c.allowed else []
        wrong += ["Not Lower Case"] if c.pattern else []
        wrong += [] if c.nullable else [None]
        out += [(c.name, good | {c.name: value}) for value in wrong]
        if not c.nullable:
            out.append((c.name, {k: v for k, v in good.items() if k != c.name}))
    return [*out, ("phone", good | {"phone": "1"})]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_json_schema_and_the_gateway_refuse_the_same_rows(sample: SampleType) -> None:
    checker = jsonschema.Draft202012Validator(row_schema(sample))
    for name, row in broken(sample):
        assert not checker.is_valid(row), (name, row.get(name))
        assert parse(sample, JSON, json.dumps([row]).encode(), 1, NOW_MS).errors


# -- Arrow ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_arrow_schema_files_hold_the_schema(sample: SampleType) -> None:
    data = (GENERATED / "arrow" / f"{sample.value}.arrow").read_bytes()
    assert pa.ipc.read_schema(pa.py_buffer(data)).equals(ARROW[sample])


def test_the_text_of_the_arrow_schemas_has_every_column_in_order() -> None:
    text = (GENERATED / "arrow" / "schemas.txt").read_text("utf-8")
    for sample in SAMPLES:
        block = text.partition(f"{sample.topic}:\n")[2].split("\n\n")[0]
        names = [line.split()[0].rstrip("?") for line in block.strip().splitlines()]
        assert names == ARROW[sample].names


# -- AsyncAPI ---------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GENERATED / "asyncapi.yaml").read_text("utf-8"))
    return found


def test_asyncapi_is_valid_by_the_official_schema() -> None:
    official = json.loads(gzip.decompress(OFFICIAL.read_bytes()))
    checker = jsonschema.Draft7Validator(official)
    assert document() == asyncapi.document()
    checker.validate(document())
    without = document()
    del without["info"]["version"]
    assert not checker.is_valid(without)


def test_every_reference_of_asyncapi_leads_somewhere() -> None:
    whole = document()
    text = json.dumps(whole)
    for ref in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        at: Any = whole
        for part in ref.split("/"):
            at = at[part]
    assert {c["address"] for c in whole["channels"].values()} == {
        name for t in SAMPLES for name in (t.topic, t.dlq_topic)
    }


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_headers_described_are_those_that_are_sent(sample: SampleType) -> None:
    schema = json_schema.headers(sample)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    ident = BatchIdentity("p01", "gate-1", 4, sample.topic, 2, 9)
    some = [
        BatchHeader(ident, 0, 0, NOW_MS, final=True),
        BatchHeader(ident, 3, 1, NOW_MS, False, Supersedes(1, 2).text(), "duplicate"),
        BatchHeader(
            ident, 3, 1, NOW_MS, False, Supersedes(0, 0, "a" * 32, 1, 2).text(), "test_data"
        ),
    ]
    seen: set[str] = set()
    for header in some:
        pairs = Signer.from_seed(b"s" * 32).sign(ident.topic, 2, to_headers(header), b"v")
        told = {name: value.decode() for name, value in pairs}
        checker.validate(told)
        seen |= told.keys()
        for name in schema["required"]:
            assert not checker.is_valid({k: v for k, v in told.items() if k != name})
        assert not checker.is_valid(told | {"ce_rows": "x"})
    assert seen == schema["properties"].keys(), "nothing is described that is never sent"


# -- the page ---------------------------------------------------------------------------------


def test_the_examples_of_the_page_are_accepted() -> None:
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    found = re.findall(r"```json (\w+)\n(.*?)\n```", page, re.DOTALL)
    assert {name for name, _ in found} == {t.value for t in SAMPLES}
    for name, text in found:
        sample = SampleType(name)
        result = parse(sample, JSON, f"[{text}]".encode(), 1, NOW_MS)
        assert result.errors == []
        assert result.rows.num_rows == 1


def test_the_page_says_every_column_in_both_languages_and_every_link_leads_somewhere() -> None:
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    every = {c.name: c for t in SAMPLES for c in columns(t)}
    assert every.keys() == COLUMNS.keys()
    assert {c.unit for c in every.values()} == UNITS.keys()
    for name, column in every.items():
        assert f"| `{name}` |" in page
        assert COLUMNS[name] in page
        assert column.doc in page
    heads = set(re.findall(r"^### (\S+)$", page, re.MULTILINE))
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in heads
        else:
            assert (ROOT / "docs" / target).exists()
