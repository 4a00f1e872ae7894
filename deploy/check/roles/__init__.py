"""Is the database's own guard worth anything? Processes that are its readers try to get past it.

    readers, found = attack(folder)      # [] is right

Each reader of `livewatch ops access` gets a process of the embedded engine whose only user it is,
by the same definition from which the SQL for a server is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.check.roles.city import CUTS, DATABASE, City, NoUsersError, make
from deploy.check.roles.judge import as_granted, findings, with_a_mistake
from deploy.check.roles.session import ask
from deploy.operations.access_rules import Grant, Reader, Rules
from deploy.operations.access_xml import reader as users_of

__all__ = ["City", "NoUsersError", "attack", "attack_as", "judged", "make"]


def attack(folder: Path) -> tuple[int, list[str]]:
    """How many readers tried, and what they found.

    Raises NoUsersError where nothing can be tried.
    """
    city = make(folder)
    found = list(judged(city))
    return len(found), [line for one in found for line in attack_as(city, one, folder / one.role)]


def judged(city: City) -> Iterator[Reader]:
    """All readers, of districts without any rows only one."""
    for reader in city.rules.readers:
        if reader.column != "district" or reader.value in (*CUTS["district"], "310120"):
            yield reader


def attack_as(city: City, reader: Reader, folder: Path, rules: Rules | None = None) -> list[str]:
    """What is wrong, for one reader. `rules`: others than those that the city was made by."""
    at = rules or city.rules
    mistakes: Iterable[Grant] = (Grant(DATABASE, reader.role),)
    found = []
    for name, questions, wrongly in (
        ("granted", as_granted(city, reader), ()),
        ("mistake", with_a_mistake(city, reader), mistakes),
    ):
        users = users_of(at, reader.role, wrongly)
        answers = ask(folder / name, users, city.data, [q.sql for q in questions])
        found += [f"{reader.role}, {name}: {line}" for line in findings(questions, answers)]
    return found
