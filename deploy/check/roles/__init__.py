"""Is the database's own guard worth anything? Processes that are its readers try to get past it.

    readers, found = attack(folder)      # [] is right

Each reader of `livewatch ops access` gets a process of the embedded engine whose only user it is,
by the same definition from which the SQL for a server is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deploy.check.roles import judge
from deploy.check.roles.city import CUTS, DATABASE, City, NoUsersError, make
from deploy.check.roles.session import ask
from deploy.operations.access_rules import Grant, Reader, Rules
from deploy.operations.access_xml import reader as users_of

__all__ = ["City", "NoUsersError", "as_granted", "attack", "attack_as", "make", "with_a_mistake"]


def attack(folder: Path) -> tuple[int, list[str]]:
    """How many readers tried, and what they found.

    Raises NoUsersError where nothing can be tried.
    """
    city = make(folder)
    found = list(_tried(city))
    return len(found), [line for one in found for line in attack_as(city, one, folder / one.role)]


def _tried(city: City) -> Iterator[Reader]:
    """All readers, of districts without any rows only one."""
    for reader in city.rules.readers:
        if reader.column != "district" or reader.value in (*CUTS["district"], "310120"):
            yield reader


def attack_as(city: City, reader: Reader, folder: Path) -> list[str]:
    """What is wrong, for one reader."""
    return [*as_granted(city, reader, folder), *with_a_mistake(city, reader, folder)]


def as_granted(city: City, reader: Reader, folder: Path, rules: Rules | None = None) -> list[str]:
    """With its rights. `rules`: others than those by which the city was made."""
    users = users_of(rules or city.rules, reader.role)
    return _wrong(city, users, judge.as_granted(city, reader), folder / "granted")


def with_a_mistake(
    city: City, reader: Reader, folder: Path, rules: Rules | None = None
) -> list[str]:
    """With a right to read the whole warehouse besides."""
    users = users_of(rules or city.rules, reader.role, [Grant(DATABASE, reader.role)])
    return _wrong(city, users, judge.with_a_mistake(city, reader), folder / "mistake")


def _wrong(city: City, users: bytes, asked: list[judge.Question], folder: Path) -> list[str]:
    answers = ask(folder, users, city.data, [q.sql for q in asked])
    return [f"{folder.parent.name}, {folder.name}: {f}" for f in judge.findings(asked, answers)]
