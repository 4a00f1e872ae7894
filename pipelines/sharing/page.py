"""Pages of a table in the order of a key: a cursor names the last row of the page before.

A cursor is no secret and gives no right: the rows that a role may read are asked for again with
every page, so one that was tampered with only begins elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.sharing.scope import Rows

MAX_ROWS = 1000
SHANGHAI = ZoneInfo("Asia/Shanghai")
_MAX_CURSOR = 1000


class BadRequestError(ValueError):
    """What was asked for makes no sense; the message names the parameter."""


@dataclass(frozen=True, slots=True)
class Span:
    """From, inclusive, to exclusive, UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Table:
    """What a page is cut from: `key` columns are unique together; `span` is its time, first in
    the key; at most `most` of it may be asked for at once."""

    view: str
    span: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    most: timedelta
    usual: timedelta = timedelta(hours=1)
    where: str = "1"
    by_day: bool = False
    """The time is a day in Shanghai."""

    def edges(self, span: Span) -> tuple[Any, Any]:
        """From and to as the column has them."""
        if not self.by_day:
            return span.begin.replace(tzinfo=None), span.end.replace(tzinfo=None)
        last = (span.end - timedelta(microseconds=1)).astimezone(SHANGHAI).date()
        return span.begin.astimezone(SHANGHAI).date(), last + timedelta(days=1)


def span_of(table: Table, begin: str | None, end: str | None, now: datetime) -> Span:
    """What was asked for; else what is usual. Raises BadRequestError."""
    most = table.most
    until = _moment("to", end) if end else now
    since = _moment("from", begin) if begin else until - table.usual
    if since >= until:
        raise BadRequestError("from must be before to")
    if until - since > most:
        raise BadRequestError(f"from and to are at most {most.days} days apart: ask in pieces")
    return Span(since, until)


def _moment(name: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{name} must be a time such as 2026-11-26T08:00:00+08:00") from None
    if at.tzinfo is None:
        raise BadRequestError(f"{name} needs an offset, such as +08:00 or Z")
    if not 2000 <= at.year <= 2100:
        raise BadRequestError(f"{name} must be in the years 2000 to 2100")
    return at.astimezone(UTC)


def query(
    table: Table,
    rows: Rows,
    span: Span,
    asked: Mapping[str, str | None],
    after: str | None,
    limit: int,
) -> tuple[str, dict[str, Any]]:
    """(SQL, parameters) of one page, one row more than `limit` to know whether there are more.

    Names of columns are ours; every value is a parameter. Raises BadRequestError for a cursor that
    is none of this table's.
    """
    own, parameters = rows.sql()
    wanted = {name: value for name, value in asked.items() if value is not None}
    conditions = [table.where, own, *(f"{name} = %(asked_{name})s" for name in wanted)]
    conditions.append(f"{table.span} >= %(begin)s AND {table.span} < %(end)s")
    parameters |= {f"asked_{name}": value for name, value in wanted.items()}
    begin, end = table.edges(span)
    parameters |= {"begin": begin, "end": end, "rows": limit + 1}
    if after is not None:
        last = parse_cursor(table, after)
        names = ", ".join(table.key)
        places = ", ".join(f"%(after_{name})s" for name in table.key)
        conditions.append(f"({names}) > ({places})")
        parameters |= {f"after_{name}": value for name, value in last.items()}
    sql = (
        f"SELECT {', '.join(table.columns)} FROM {table.view}"  # noqa: S608 - names are ours
        f" WHERE {' AND '.join(conditions)} ORDER BY {', '.join(table.key)} LIMIT %(rows)s"
    )
    return sql, parameters


def cursor(table: Table, row: Mapping[str, Any]) -> str:
    """The place after `row`."""
    values = [_plain(row[name]) for name in table.key]
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode()


def parse_cursor(table: Table, text: str) -> dict[str, Any]:
    """Key of the last row that was read. Raises BadRequestError."""
    problem = BadRequestError("after is not a cursor of this list: take it from `next`")
    if len(text) > _MAX_CURSOR:
        raise problem
    try:
        values = json.loads(base64.b64decode(text.encode("ascii"), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise problem from None
    if not isinstance(values, list) or len(values) != len(table.key):
        raise problem
    found = dict(zip(table.key, values, strict=True))
    if not all(_is_key(name, value) for name, value in found.items()):
        raise problem
    try:
        at = datetime.fromisoformat(str(found[table.span]))
        year = at.year
    except ValueError:
        raise problem from None
    if not 2000 <= year <= 2100:
        raise problem
    found[table.span] = at.date() if table.by_day else at.replace(tzinfo=None)
    return found


def _is_key(name: str, value: Any) -> bool:
    """Whether a column of a key may have this value: all but one are text."""
    if name == "hour":
        return type(value) is int and 0 <= value < 24
    # What is no Unicode text, such as half of a pair, cannot be sent to the database.
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def items(table: Table, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows as JSON has them: times in ISO 8601 with their offset, null where nothing is known."""
    names = table.columns
    return [{n: _plain(v) for n, v in zip(names, row, strict=True)} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        at = value.astimezone(UTC) if value.tzinfo else value
        return at.replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return value
