"""Expands the query macros of Grafana's ClickHouse plugin, as the plugin does.

Front-end step, then back-end step, in the plugin's order: `$__conditionalAll` and template
variables are replaced in the browser there, the rest on Grafana's server
(grafana/clickhouse-datasource, src/data/CHDatasource.ts and pkg/macros/macros.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from grafana.screen.timerange import TimeRange

ALL: Final = "$__all"
_MACRO: Final = re.compile(r"\$__(\w+)")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z]\w*)(?::(\w+))?\}|\$([A-Za-z]\w*)")
_PERIOD: Final = re.compile(r"(\d+)([smh])")
_CONDITIONAL: Final = "$__conditionalAll("


class MacroError(ValueError):
    """The query itself is wrong: an unknown macro, a wrong number of arguments."""


@dataclass(frozen=True)
class Context:
    """What a query is expanded with. `values` holds validated values only."""

    span: TimeRange
    interval_s: int
    values: Mapping[str, str]


def expand(sql: str, context: Context) -> str:
    """The SQL that reaches ClickHouse. Raises MacroError."""
    chosen = _variables(_conditional_all(sql, context.values), context.values)
    return _backend(chosen, context)


def quoted(value: str) -> str:
    """A ClickHouse string literal. Backslashes too: Grafana's own escaping leaves them alone."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _conditional_all(sql: str, values: Mapping[str, str]) -> str:
    # From the last to the first, so that nested ones are done before those around them.
    while (at := sql.rfind(_CONDITIONAL)) != -1:
        arguments, end = _arguments(sql, at + len(_CONDITIONAL) - 1)
        if len(arguments) != 2:
            raise MacroError("$__conditionalAll takes a condition and a variable")
        name = _VARIABLE.search(arguments[1])
        if name is None:
            raise MacroError("$__conditionalAll: the second argument is no variable")
        value = _value(name.group(1) or name.group(3), values)
        phrase = "1=1" if value in ("", ALL) else arguments[0].strip()
        sql = sql[:at] + phrase + sql[end:]
    return sql


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise MacroError(f"unknown variable {name}")
    return values[name]


def _variables(sql: str, values: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name, style = match.group(1) or match.group(3), match.group(2)
        if style != "singlequote":
            # An unquoted value would be SQL; the dashboards never need one.
            raise MacroError(f"variable {name} must be written ${{{name}:singlequote}}")
        return quoted(_value(name, values))

    return _VARIABLE.sub(replace, sql)


def _backend(sql: str, context: Context) -> str:
    out: list[str] = []
    at = 0
    for match in _MACRO.finditer(sql):
        if match.start() < at:
            continue  # inside the arguments of the macro before
        out.append(sql[at : match.start()])
        arguments: list[str] = []
        at = match.end()
        if sql[at : at + 1] == "(":
            arguments, at = _arguments(sql, at)
        out.append(_expanded(match.group(1), arguments, context))
    return "".join([*out, sql[at:]])


def _expanded(name: str, arguments: list[str], context: Context) -> str:
    if name not in MACROS:
        raise MacroError(f"unknown macro $__{name}")
    count, build = MACROS[name]
    given = [a for a in arguments if a]
    if len(given) != count:
        raise MacroError(f"$__{name} takes {count} argument(s), not {len(given)}")
    return build(given, context)


def _arguments(sql: str, opening: int) -> tuple[list[str], int]:
    """The arguments between the parenthesis at `opening` and its partner, and where it ends."""
    depth, start, quote = 0, opening + 1, ""
    arguments: list[str] = []
    for at in range(opening, len(sql)):
        char = sql[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")" and (depth := depth - 1) == 0:
            return [*arguments, sql[start:at].strip()], at + 1
        elif char == "," and depth == 1:
            arguments.append(sql[start:at].strip())
            start = at + 1
    raise MacroError("a macro's parenthesis is not closed")


def _second(moment: float) -> str:
    return f"toDateTime({int(moment)})"


def _milli(moment: float) -> str:
    return f"fromUnixTimestamp64Milli({round(moment * 1000)})"


def _ends(context: Context) -> tuple[float, float]:
    return context.span.start.timestamp(), context.span.end.timestamp()


def _between(column: str, context: Context, literal: Callable[[float], str]) -> str:
    start, end = _ends(context)
    return f"{column} >= {literal(start)} AND {column} <= {literal(end)}"


def _dates(column: str, context: Context) -> str:
    start, end = (f"toDate('{m:%Y-%m-%d}')" for m in (context.span.start, context.span.end))
    return f"{column} >= {start} AND {column} <= {end}"


def _date_time(arguments: list[str], context: Context) -> str:
    date, time = arguments
    return f"({_dates(date, context)}) AND ({_between(time, context, _second)})"


def _interval(arguments: list[str], context: Context) -> str:
    seconds = max(context.interval_s, 1)
    return f"toStartOfInterval(toDateTime({arguments[0]}), INTERVAL {seconds} second)"


def _interval_ms(arguments: list[str], context: Context) -> str:
    ms = max(context.interval_s * 1000, 1)
    return f"toStartOfInterval(toDateTime64({arguments[0]}, 3), INTERVAL {ms} millisecond)"


def _group(arguments: list[str], _: Context) -> str:
    period = _PERIOD.fullmatch(arguments[1].strip("'\""))
    if period is None or int(period[1]) == 0:
        raise MacroError("$__timeGroup takes a column and a length such as 5m")
    seconds = int(period[1]) * {"s": 1, "m": 60, "h": 3600}[period[2]]
    return f"toStartOfInterval(toDateTime({arguments[0]}), INTERVAL {seconds} second)"


_Build = Callable[[list[str], Context], str]
#: name -> (number of arguments, expansion): the plugin's macros that stand for a piece of a query.
#: Those that rewrite a whole statement ($__columns, $__lttb, ...) are refused as unknown.
MACROS: Final[dict[str, tuple[int, _Build]]] = {
    "fromTime": (0, lambda _, c: _second(_ends(c)[0])),
    "toTime": (0, lambda _, c: _second(_ends(c)[1])),
    "fromTime_ms": (0, lambda _, c: _milli(_ends(c)[0])),
    "toTime_ms": (0, lambda _, c: _milli(_ends(c)[1])),
    "timeFilter": (1, lambda a, c: _between(a[0], c, _second)),
    "timeFilter_ms": (1, lambda a, c: _between(a[0], c, _milli)),
    "dateFilter": (1, lambda a, c: _dates(a[0], c)),
    "dateTimeFilter": (2, _date_time),
    "dt": (2, _date_time),
    "timeFrom": (1, lambda a, c: f"{a[0]} >= {_second(_ends(c)[0])}"),
    "timeTo": (1, lambda a, c: f"{a[0]} <= {_second(_ends(c)[1])}"),
    "timeGroup": (2, _group),
    "timeInterval": (1, _interval),
    "timeInterval_ms": (1, _interval_ms),
    "interval_s": (0, lambda _, c: str(max(c.interval_s, 1))),
}
