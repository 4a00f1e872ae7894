"""What a client's SQL may do, judged on the syntax tree that the engine itself parsed.

The engine is a library for trusted programs: with `readonly = 2` it still reads and writes any file
of the host through `file()`, `INTO OUTFILE` or a quoted path as a table name, runs several
statements in one text, and finds Python objects by name. A server must refuse that, for every
user: in a real server an administrator's configuration does. Readers are held to reading besides.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from deploy.clickhouse_embedded import sql
from deploy.clickhouse_embedded.errors import (
    ACCESS_DENIED,
    NOT_IMPLEMENTED,
    READONLY,
    SYNTAX_ERROR,
    ServerError,
    from_engine,
)
from deploy.clickhouse_embedded.users import User

# Sources that cannot leave the warehouse. Every other table function, table engine and dictionary
# source of the engine is refused, so that a new one is refused until someone has looked at it.
_SAFE_FUNCTIONS: Final = {
    "cluster", "clusterallreplicas", "dictionary", "format", "fuzzjson", "generate_series",
    "generaterandom", "generateseries", "input", "loop", "merge", "mergetreeanalyzeindexes",
    "mergetreecodecblockcounts", "mergetreeindex", "mergetreeprojection", "mergetreetextindex",
    "null", "numbers", "numbers_mt", "primes", "sqlstandardvalues", "values", "view",
    "viewexplain", "viewifpermitted", "zeros", "zeros_mt",
}  # fmt: skip
_SAFE_ENGINES: Final = {
    "alias", "buffer", "dictionary", "generaterandom", "join", "log", "materializedview", "memory",
    "merge", "null", "set", "stripelog", "tinylog", "view",
}  # fmt: skip
# Scalar functions: refused even without a parenthesis, as in `arrayMap(file, ...)`.
_REFUSED_SCALARS: Final = {
    "aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact", "aisimilarity",
    "aitranslate", "file",
}  # fmt: skip
_ALWAYS_REFUSED: Final = _REFUSED_SCALARS | {
    "backup", "datalakecatalog", "disk", "executable", "executablepool", "filesystem", "http",
    "overlay", "python",
}  # fmt: skip
_REFUSED_SYSTEM: Final = re.compile(r"\bsystem\s+(shutdown|kill|suspend)\b", re.I)
_REFUSED_ROOTS: Final = ("BackupQuery", "ExecuteAsQuery", "CreateNamedCollectionQuery")
_READING_ROOTS: Final = ("Select", "Explain", "Show", "Describe", "Exists", "UseQuery")

_FUNCTION: Final = re.compile(r"^ *Function(?:WithKeyValueArguments )? (\S+)", re.M)
_IDENTIFIER: Final = re.compile(r"^ *Identifier (\S+)", re.M)
_CALL: Final = re.compile(r"(\w+)[`\"]?\s*\(")
_TABLE: Final = re.compile(r"^ *TableIdentifier (\S*[/\\]\S*)", re.M)
_POSITION: Final = re.compile(r"failed at position (\d+)")
# Settings that name a file or a server: a template or a schema is read from any path of the host.
_REFUSED_SETTINGS: Final = re.compile(
    r"\b(format_schema\w*|format_template\w*|format_avro_schema_registry\w*|ai_\w+"
    r"|input_format_values_interpret_expressions)",
    re.I,
)
_HIDING: Final = re.compile(r"[\\\u2018\u2019\u201c\u201d]")
_EXPLAIN: Final = "EXPLAIN AST "
_KEPT: Final = 4096
_KEPT_CHARS: Final = 10_000


def refused_functions(table_functions: set[str], engines: set[str]) -> frozenset[str]:
    """Names, in lower case, that may not be called, given what this engine has."""
    merge_trees = {name for name in engines if name.endswith("mergetree")}
    safe_engines = _SAFE_ENGINES | merge_trees
    return frozenset(
        (table_functions - _SAFE_FUNCTIONS)
        | (engines - safe_engines - _SAFE_FUNCTIONS)
        | _ALWAYS_REFUSED
    )


class Guard:
    """Judges statements, and keeps the verdicts: they depend on the text and the right alone.

    Not those of texts with a brace: what stands for a query parameter can differ each time.
    """

    def __init__(self, refused: frozenset[str]) -> None:
        self._refused = refused
        self._allowed: dict[tuple[str, bool], None] = {}

    def check(self, text: str, user: User, ask: "Ask") -> None:
        """Raise `ServerError` unless `user` may run `text` (an INSERT without its data)."""
        key = (text, user.readonly)
        if key in self._allowed:
            return
        root, tree = self._parse(text, ask)
        self._check_any(text, root, tree)
        if user.readonly:
            self._check_reader(text, root)
        if len(text) < _KEPT_CHARS and "{" not in text:
            if len(self._allowed) >= _KEPT:
                self._allowed.clear()
            self._allowed[key] = None

    def allows_values(self, data: str, ask: "Ask") -> bool:
        """May the engine evaluate the expressions in the data of an INSERT ... VALUES?

        They are SQL, down to subqueries with table functions: judged as the SELECT that they would
        be. What does not parse as one has no expressions worth the trouble; what is refused raises.
        """
        text = f"SELECT {data}"
        _must_be_one_statement(text, ask)
        try:
            root, tree = self._parse(text, ask)
        except ServerError:
            return False
        self._check_any(text, root, tree)
        return True

    def _parse(self, text: str, ask: "Ask") -> tuple[str, str]:
        _must_be_one_statement(text, ask)
        try:
            tree = ask.query(_EXPLAIN + text)
        except Exception as error:
            raise _shifted(from_engine(error)) from None
        return tree.partition("\n")[0], tree

    def _check_any(self, text: str, root: str, tree: str) -> None:
        called = {name.lower() for name in _FUNCTION.findall(tree)} | _called_in(text)
        named = {name.lower() for name in _IDENTIFIER.findall(tree)} | _named_in(text)
        for name in (called & self._refused) | (named & _REFUSED_SCALARS):
            raise ServerError(
                ACCESS_DENIED, f"{name} reaches outside of the warehouse: not allowed here"
            )
        words = {token.word for token in sql.tokens(text)}
        if words & {"OUTFILE", "INFILE"}:
            raise ServerError(NOT_IMPLEMENTED, "INTO OUTFILE and FROM INFILE are a client's work")
        if words & {"SET", "SETTINGS", "SETTING"}:
            _check_settings_in(text)
        if path := _TABLE.search(tree):
            raise ServerError(ACCESS_DENIED, f"{path[1]} is not the name of a table")
        attached_from = root.startswith("AttachQuery") and "FROM" in words
        if attached_from or root.startswith(_REFUSED_ROOTS) or _REFUSED_SYSTEM.search(text):
            raise ServerError(ACCESS_DENIED, "This statement is not allowed here")

    def _check_reader(self, text: str, root: str) -> None:
        reading = root.startswith(_READING_ROOTS) or re.fullmatch(r"Set( \(.*)?", root)
        if not reading:
            raise ServerError(READONLY, "Cannot execute query in readonly mode.")


def _must_be_one_statement(text: str, ask: "Ask") -> None:
    if ask.count(text) > 1:
        raise ServerError(SYNTAX_ERROR, "Multi-statements are not allowed")


def check_settings(names: Iterable[str]) -> None:
    """Raise ACCESS_DENIED for a setting that would read a file of the host."""
    for name in names:
        if _REFUSED_SETTINGS.match(name):
            raise ServerError(ACCESS_DENIED, f"The setting {name} is not allowed here")


def _check_settings_in(text: str) -> None:
    """Settings are not in the printed tree: look for their names in the text, outside of strings.

    An escape in a quoted name (or the typographic quotes that the engine takes for plain ones)
    could hide a name, and nobody needs them there.
    """
    named = " ".join(token.text for token in sql.tokens(text) if sql.name_of(token))
    check_settings(found[0] for found in _REFUSED_SETTINGS.finditer(named))


def _named_in(text: str) -> set[str]:
    """Names in lower case. The printed tree leaves some out, as `* APPLY(file)`; and an escape in
    a quoted name (or a typographic quote, which the engine takes for a plain one) could hide one
    from us, so those are refused: nobody needs them."""
    names = set()
    for token in sql.tokens(text):
        code = token.kind == "other" or (token.kind == "quoted" and token.text[0] != "'")
        if code and _HIDING.search(token.text):
            raise ServerError(ACCESS_DENIED, "Escapes in names are not allowed here")
        names.add(sql.name_of(token).lower())
    return names


def _called_in(text: str) -> set[str]:
    """Names in lower case that stand before a parenthesis, also where we see only a comment."""
    names, previous = set(), ""
    for token in sql.tokens(text):
        if token.text == "(":
            names.add(previous)
        previous = sql.name_of(token).lower()
    for aside in sql.asides(text):
        names |= {name.lower() for name in _CALL.findall(aside)}
    return names


class Ask:
    """How the guard asks the engine; two functions of the caller's connection."""

    def __init__(self, query: Callable[[str], str], count: Callable[[str], int]) -> None:
        self.query = query
        self.count = count


def _shifted(error: ServerError) -> ServerError:
    """The client's text has no `EXPLAIN AST ` before it."""

    def back(match: re.Match[str]) -> str:
        return f"failed at position {int(match[1]) - len(_EXPLAIN)}"

    return ServerError(error.code, _POSITION.sub(back, error.text), error.name)
