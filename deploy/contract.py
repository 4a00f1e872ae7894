"""Write the documents that are made from the contract, or see that those here are fresh.

    python -m deploy.contract           # make contract
    python -m deploy.contract --check   # exit 1, naming what is stale

Columns are declared once, in `schemas/telemetry.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from producers.gateway import openapi
from schemas.generate import arrow, asyncapi, json_schema, reference
from schemas.telemetry import SampleType

ROOT = Path(__file__).parents[1]
GENERATED = Path("schemas/generated")


def documents() -> dict[Path, bytes]:
    """What each file must hold, by its path in the checkout."""
    texts = {
        Path("docs/contract.md"): reference.page(),
        GENERATED / "openapi.yaml": _json(openapi.document()),
        GENERATED / "asyncapi.yaml": yaml.dump(
            asyncapi.document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100
        ),
        GENERATED / "arrow/schemas.txt": arrow.text(),
    }
    for sample in SampleType:
        path = GENERATED / f"json/{sample.value}.schema.json"
        texts[path] = _json(json_schema.row_document(sample))
    found = {path: text.encode() for path, text in texts.items()}
    return found | {
        GENERATED / f"arrow/{sample.value}.arrow": arrow.message(sample) for sample in SampleType
    }


class _Plain(yaml.SafeDumper):
    """No anchors: the same object in two places is written twice."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _json(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def stale(root: Path = ROOT) -> list[Path]:
    """Files that are missing or do not hold what they must, and those that nobody makes."""
    wanted = documents()
    wrong = [
        path
        for path, value in wanted.items()
        if not (root / path).is_file() or (root / path).read_bytes() != value
    ]
    there = {p.relative_to(root) for p in (root / GENERATED).rglob("*") if p.is_file()}
    return sorted([*wrong, *(there - wanted.keys())])


def main(arguments: list[str]) -> int:
    """Exit code: 0, or 1 where `--check` found something stale."""
    if arguments == ["--check"]:
        found = stale()
        if found:
            names = ", ".join(map(str, found))
            sys.stderr.write(f"not fresh: {names}: run `make contract`\n")
        return 1 if found else 0
    if arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    for path, value in documents().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_bytes(value)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
