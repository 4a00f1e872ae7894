"""As much of the SQL grammar as a server must know before it asks the engine.

Which statement it is, where the data of an INSERT begins, and which output format is asked for.
Positions are kept: nothing is rewritten, only cut.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
  | (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\d[\w.]*)
  | (?P<other>.)
    """,
    re.X | re.S,
)
_STREAMED: Final = {"SELECT", "WITH", "FROM", "("}
_SCAN_LIMIT: Final = 1 << 18  # an INSERT's statement ends long before; its data may be gigabytes


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """Upper case if it is a bare word or punctuation, else empty: quoted text is no keyword."""
        return self.text.upper() if self.kind in ("word", "other") else ""


@dataclass(frozen=True)
class Insert:
    """An INSERT that takes data: everything up to FORMAT or VALUES, and where the data begins."""

    head: str
    table: str
    columns: str | None
    format: str
    data_start: int


def tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """Tokens without white space and comments."""
    for match in _TOKEN.finditer(sql, start):
        kind = match.lastgroup or "other"
        if kind != "space":
            kind = "heredoc" if kind == "tag" else kind
            yield Token(kind, match[0], match.start(), match.end())


def asides(sql: str) -> Iterator[str]:
    """Comments and heredocs: what the engine should not read as code, if it agrees with us."""
    for match in _TOKEN.finditer(sql):
        if match["heredoc"] or (match["space"] and not match["space"].isspace()):
            yield match[0]


def name_of(token: Token) -> str:
    """The name that a bare or quoted word stands for, else ""."""
    is_name = token.kind == "word" or (token.kind == "quoted" and token.text[0] != "'")
    return _unquoted(token) if is_name else ""


def first_word(sql: str) -> str:
    """The statement's first keyword in upper case; "" if there is none."""
    return next((token.word for token in tokens(sql)), "")


def is_streamed(sql: str) -> bool:
    """Statements that the engine can stream; it refuses SHOW, DESCRIBE and the like."""
    return first_word(sql) in _STREAMED


def without_semicolon(sql: str) -> str:
    """Cut what follows the last statement's semicolon, if only comments do."""
    last = None
    for token in tokens(sql):
        last = token
    return sql[: last.start] if last and last.text == ";" else sql


def find_format(sql: str) -> tuple[str, int, int] | None:
    """(format, start, end) of a trailing FORMAT clause, outside of parentheses."""
    found: tuple[str, int, int] | None = None
    depth, previous, last = 0, None, None
    for token in tokens(sql):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if previous and last and not depth and last.word == "FORMAT" and token.kind == "word":
            found = (token.text, last.start, token.end)
        elif found and token.text not in (";",) and previous:
            # only SETTINGS may follow; anything else means that FORMAT was a name
            found = found if _after_format(sql, found[2]) else None
        previous, last = last, token
    return found


def _after_format(sql: str, position: int) -> bool:
    return next((token.word for token in tokens(sql, position)), ";") in (";", "SETTINGS", "INTO")


def without_format(sql: str) -> str:
    """The native protocol has its own format: a FORMAT clause of the client's is cut."""
    found = find_format(sql)
    return sql if found is None else sql[: found[1]] + sql[found[2] :]


def _name(stream: Iterator[Token], token: Token | None) -> tuple[Token | None, Token | None]:
    """Step over `a.b.c`; returns (last token of the name, the token after it)."""
    last = None
    while token is not None and token.kind in ("word", "quoted"):
        last, token = token, next(stream, None)
        if token is None or token.text != ".":
            break
        token = next(stream, None)
    return last, token


def _parenthesised(stream: Iterator[Token]) -> Token | None:
    """Step to the parenthesis that closes one already open."""
    depth = 1
    for token in stream:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth:
            return token
    return None


def parse_insert(sql: str) -> Insert | None:
    """The INSERT at the start of `sql` if it takes data, None for any other statement.

    INSERT INTO [TABLE] name [(columns)] [SETTINGS ...] VALUES | FORMAT name
    """
    stream = tokens(sql[:_SCAN_LIMIT])
    if [t.word for t in (next(stream, None), next(stream, None)) if t] != ["INSERT", "INTO"]:
        return None
    token = next(stream, None)
    if token and token.word == "TABLE":
        token = next(stream, None)
    if token is None or token.word == "FUNCTION":
        return None
    start = token.start
    last, token = _name(stream, token)
    if last is None:
        return None
    table, columns = sql[start : last.end], None
    if token and token.text == "(":
        close = _parenthesised(stream)
        if close is None:
            return None
        columns, token = sql[token.end : close.start], next(stream, None)
    return _data_clause(sql, stream, token, table, columns)


def _data_clause(
    sql: str, stream: Iterator[Token], token: Token | None, table: str, columns: str | None
) -> Insert | None:
    if token and token.word == "SETTINGS":
        depth = 0
        for token in stream:
            depth += {"(": 1, ")": -1, "[": 1, "]": -1, "{": 1, "}": -1}.get(token.text, 0)
            if not depth and token.word in ("VALUES", "FORMAT", "SELECT", "WITH"):
                break
        else:
            return None
    if token and token.word == "VALUES":
        return Insert(sql[: token.start], table, columns, "Values", token.end)
    if token and token.word == "FORMAT" and (name := next(stream, None)) and name.kind == "word":
        newline = re.compile(r"[ \t]*\r?\n?").match(sql, name.end)
        end = newline.end() if newline else name.end
        return Insert(sql[: token.start], table, columns, name.text, end)
    return None


def has_inline_data(sql: str, insert: Insert) -> bool:
    """Is there anything but a semicolon and comments after VALUES or FORMAT?"""
    return any(token.text != ";" for token in tokens(sql[: _SCAN_LIMIT * 2], insert.data_start))


def identifiers(columns: str) -> list[str] | None:
    """The names of a plain column list; None for `* EXCEPT (...)`, `COLUMNS(...)` and the like."""
    names: list[list[Token]] = [[]]
    for token in tokens(columns):
        if token.text == ",":
            names.append([])
        else:
            names[-1].append(token)
    if not all(_is_name(parts) for parts in names):
        return None
    return [".".join(_unquoted(token) for token in parts[::2]) for parts in names]


def _is_name(parts: list[Token]) -> bool:
    plain = all(token.kind in ("word", "quoted") for token in parts[::2])
    return len(parts) % 2 == 1 and plain and all(token.text == "." for token in parts[1::2])


def _unquoted(token: Token) -> str:
    if token.kind == "word":
        return token.text
    quote, body = token.text[0], token.text[1:-1]
    return re.sub(r"\\(.)", r"\1", body.replace(quote * 2, quote))
