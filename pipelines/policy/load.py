"""Reads a policy file; every fault is one line with the place where it stands."""

from __future__ import annotations

from collections.abc import Hashable
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.levels.policy import RoutingPolicy

MAX_BYTES = 1_000_000


class PolicyError(Exception):
    """The file cannot be used. The message has one line a fault."""


class _Unique(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not the last one's secret victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = key.value
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {name!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def default_text(name: str = "default.yaml") -> str:
    """A file that is shipped with the program."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def load(path: Path | None) -> RoutingPolicy:
    """The policy in `path`; None is the shipped one. Raises PolicyError."""
    if path is None:
        return parse(default_text(), "the shipped policy")
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """A file's text. Raises PolicyError where it cannot be had."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PolicyError(f"{path}: more than {MAX_BYTES:,} bytes")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise PolicyError(f"{path}: {reason}") from None


def parse(text: str, where: str) -> RoutingPolicy:
    """A policy from YAML. Raises PolicyError."""
    try:
        return RoutingPolicy.model_validate(mapping(text, where))
    except ValidationError as error:
        raise PolicyError(told(error, where)) from None


def mapping(text: str, where: str) -> dict[str, Any]:
    """The YAML as a mapping. Raises PolicyError."""
    try:
        raw = yaml.load(text, _Unique)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyError(f"{where}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{where}: not YAML ({type(error).__name__})") from None
    if not isinstance(raw, dict):
        raise PolicyError(f"{where}: must be a mapping")
    return raw


def told(error: ValidationError, where: str) -> str:
    """One line a fault: `file: grades.0.level: Input should be ...`."""
    lines = []
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {place}: {message}" if place else f"{where}: {message}")
    return "\n".join(lines)
