"""A comment on every column of every view: what a reader of the warehouse has instead of the code.

A view forgets the comments of its tables. Each is said once: on the column of a table, or in
`schemas/clickhouse/comments.json` for what only views have, by view or for all views.
"""

from __future__ import annotations

import json
from collections import defaultdict
from importlib import resources
from typing import Protocol

ALL = "*"
#: Their columns are sums of what minutes call the same: they explain the views of their own alone.
_OWN = {"v_cell_hours": "cell_hours", "v_session_hours": "session_hours"}
Column = tuple[str, str]
"""(view, column)"""


class Executor(Protocol):
    """A ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[object, ...]]: ...


def written() -> dict[str, dict[str, str]]:
    """The comments of the file, by view and column; `*` holds those of all views."""
    file = resources.files("schemas").joinpath("clickhouse", "comments.json")
    found: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8"))
    return found


def apply(db: Executor) -> list[Column]:
    """Comment the columns of the current database's views; returns those that nobody explains."""
    rows = db.execute(
        "SELECT c.table, c.name, c.comment, t.engine FROM system.columns AS c "
        "INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name "
        "WHERE c.database = currentDatabase() ORDER BY c.table, c.position"
    )
    texts, inherited = written(), dict[str, str]()
    own = {(str(t), str(n)): str(said) for t, n, said, _ in rows if t in _OWN.values()}
    for table, name, comment, engine in rows:
        if engine != "View" and comment and table not in _OWN.values():
            inherited.setdefault(str(name), str(comment))
    missing: list[Column] = []
    new: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, name, comment, engine in rows:
        view, column = str(table), str(name)
        if engine != "View" or not view.startswith("v_"):
            continue
        said = (
            texts.get(view, {}).get(column)
            or own.get((_OWN.get(view, ""), column))
            or texts[ALL].get(column)
            or inherited.get(column)
        )
        if said is None:
            missing += [] if comment else [(view, column)]
        elif said != comment:
            new[view].append((column, said))
    for view, columns in new.items():
        parts = ", ".join(f"COMMENT COLUMN `{n}` {_quoted(said)}" for n, said in columns)
        db.execute(f"ALTER TABLE {view} {parts}")
    return missing


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
