"""Rules and pages belong together, and what a page tells to type exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import typer
import yaml

from deploy.cli import DELEGATED, app
from pipelines.alerts import metrics as alert_metrics
from pipelines.api import metrics as api_metrics
from pipelines.instruments import Instruments
from producers import metrics

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs/runbooks"
RULES = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
SECTIONS = ["What it means", "How to look", "What to do", "When it is over", "Who to tell"]
# Of Prometheus itself, and of its node exporter.
FOREIGN = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
WORDS = {
    *("sum", "max", "min", "rate", "increase", "changes", "deriv", "histogram_quantile"),
    *("by", "and", "or", "le"),
}


def alerts() -> list[dict[str, Any]]:
    groups = [g for file in RULES for g in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    """Metrics of a PromQL expression."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on)\s*\([^)]*\)', " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - WORDS


def declared() -> set[str]:
    out = set(FOREIGN)
    for one in [*Instruments().declared, *alert_metrics.DECLARED, *api_metrics.DECLARED]:
        suffixes = ("_bucket", "_count", "_sum") if one.kind == "histogram" else ("",)
        out |= {one.name + suffix for suffix in suffixes}
    for family in metrics.REGISTRY.collect():
        out.add(family.name + ("_total" if family.type == "counter" else ""))
    return out


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r["alert"])
def test_an_alert_says_how_bad_in_two_languages_and_has_a_page(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert notes["summary"]
    assert re.search(r"[\u4e00-\u9fff]", notes["summary_zh"])
    page = ROOT / notes["runbook_url"]
    assert page.parent == PAGES
    text = page.read_text("utf-8")
    assert text.startswith(f"# {rule['alert']}\n")
    assert f"severity {rule['labels']['severity']}" in text


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r["alert"])
def test_a_rule_speaks_of_metrics_that_exist(rule: dict[str, Any]) -> None:
    found = names_in(rule["expr"])
    assert found
    assert found <= declared()


def test_the_parser_sees_a_metric_that_does_not_exist() -> None:
    assert names_in('sum by (topic) (rate(nothing_total{a="b"}[5m])) > 1') == {"nothing_total"}
    assert "nothing_total" not in declared()


PROCEDURES = (
    {p.stem for p in PAGES.glob("*.md")}
    - {"README"}
    - {Path(rule["annotations"]["runbook_url"]).stem for rule in alerts()}
)


def test_pages_without_an_alert_are_the_index_s_procedures() -> None:
    index = (PAGES / "README.md").read_text("utf-8")
    listed = set(re.findall(r"\(([a-z0-9-]+)\.md\)", index))
    assert {p.stem for p in PAGES.glob("*.md")} - {"README"} == listed
    procedures = set(re.findall(r"\(([a-z0-9-]+)\.md\)", index.partition("## Procedures")[2]))
    assert procedures == PROCEDURES


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r["alert"])
def test_an_alert_s_page_has_every_section(rule: dict[str, Any]) -> None:
    text = (ROOT / rule["annotations"]["runbook_url"]).read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)
    assert all(part.strip() for part in parts)


def commands() -> list[tuple[str, str]]:
    """(page, line) of every command of ours, in a code block or in the text."""
    out = []
    for page in sorted(PAGES.glob("*.md")):
        for block in re.findall(r"```[a-z]*\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            lines = (line.strip() for line in block.splitlines())
            out += [(page.name, line) for line in lines if line.startswith("livewatch")]
        inline = re.findall(r"`(livewatch(?:-push)? [^`]+)`", page.read_text("utf-8"))
        out += [(page.name, line) for line in inline]
    return sorted(set(out))


def resolve(words: list[str]) -> None:
    """Raises AssertionError where a verb or an option does not exist."""
    if words[0] == "livewatch-push":
        from producers.cli import app as push

        command: Any = typer.main.get_command(push)
    else:
        command = typer.main.get_command(app)
    if words[0] == "livewatch" and words[1:2] and words[1] in DELEGATED:
        command = typer.main.get_command(import_module(DELEGATED[words[1]]).app)
        words = words if hasattr(command, "commands") else words[1:]
    rest = words[1:]
    while rest and hasattr(command, "commands"):
        if rest[0] == "--help":
            return
        assert rest[0] in command.commands, f"no verb {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {o: p for p in command.params for o in [*p.opts, *p.secondary_opts]}
    given = [word.partition("=")[0] for word in rest if word.startswith("-")]
    assert set(given) <= {*known, "--help"}, f"no option {given}"
    if "--help" not in given:
        needed = {p.name for p in command.params if p.required and p.param_type_name == "option"}
        assert needed <= {known[word].name for word in given}, f"{needed} must be given"


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda x: x)
def test_a_command_on_a_page_exists(page: str, line: str) -> None:
    for part in re.split(r"\s*(?:&&|\|)\s*", line.partition(" #")[0]):
        words = shlex.split(part)
        if words[0].startswith("livewatch"):
            resolve(words)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in ("livewatch nothing", "livewatch ops backup --nothing", "livewatch topics --no",
                 "livewatch ops repartition", "livewatch-push check FILE"):  # fmt: skip
        with pytest.raises(AssertionError):
            resolve(line.split())


needs_promtool = pytest.mark.skipif(
    which("promtool") is None,
    reason="promtool is not installed (Debian, Ubuntu: apt install prometheus)",
)


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", *RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_promtool
def test_alerts_fire_when_they_should_and_not_before() -> None:
    tests = sorted((ROOT / "deploy/prometheus/tests").glob("*.yml"))
    assert tests
    done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
