"""What the documents point at exists, and the two READMEs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / name / "README.md" for name in ("producers", "grafana")),
]
READMES = ("README.md", "README.zh-CN.md")
DECISIONS = ROOT / "docs/adr"


def links(page: Path) -> set[str]:
    """Relative targets, without the place in them."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    return {one.partition("#")[0] for one in found if "://" not in one} - {""}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    assert {one for one in links(page) if not (page.parent / one).exists()} == set()


def test_the_index_of_decisions_is_whole_and_has_their_titles() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.*) \|$", index(), re.MULTILINE)
    assert [name for _, name, _ in rows] == sorted(p.name for p in DECISIONS.glob("0*.md"))
    for number, name, title in rows:
        head = (DECISIONS / name).read_text("utf-8").partition("\n")[0]
        assert re.fullmatch(rf"# {number}[:.]? {re.escape(title)}", head)
    numbers = [int(number) for number, _, _ in rows]
    missing = set(range(1, max(numbers))) - set(numbers)
    assert all(f"{number:04}" in index().partition("|")[0] for number in missing)


def index() -> str:
    return (DECISIONS / "README.md").read_text("utf-8")


def parts(name: str) -> dict[str, object]:
    """What must be the same in every language."""
    text = (ROOT / name).read_text("utf-8")
    reading = re.findall(r"^\d\. (.*)$", text, re.MULTILINE)
    return {
        "links": links(ROOT / name) - set(READMES),
        "ports": re.findall(r"\| (\d{5})", text),
        "options": sorted(set(re.findall(r"`(--[a-z-]+-port)`", text))),
        "files": [sorted(re.findall(r"`([a-z_/]+(?:\.py)?)`", line)) for line in reading],
        "shell": [
            line.split("#")[0].strip() for line in re.findall(r"^(?:make|livewatch).*", text, re.M)
        ],
    }


@pytest.mark.parametrize("what", ["links", "ports", "options", "files", "shell"])
def test_the_readmes_say_the_same(what: str) -> None:
    english, chinese = (parts(name)[what] for name in READMES)
    assert english == chinese
