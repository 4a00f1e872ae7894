"""One client's connection to the engine: settings, queries, streams and inserts."""

import contextlib
import json
import re
import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from chdb.state import connect

from deploy.clickhouse_embedded import sql
from deploy.clickhouse_embedded.errors import (
    BAD_ARGUMENTS,
    NO_SUCH_COLUMN,
    QUERY_WAS_CANCELLED,
    READONLY,
    UNKNOWN_SETTING,
    ServerError,
    from_engine,
)
from deploy.clickhouse_embedded.guard import Ask, check_settings
from deploy.clickhouse_embedded.spool import Spool
from deploy.clickhouse_embedded.users import User

if TYPE_CHECKING:
    from deploy.clickhouse_embedded.engine import Engine

_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
# The library's own defaults differ from a server's; the rest of the rules is in guard.py.
_SERVER_DEFAULTS: Final = "implicit_select = 0, allow_introspection_functions = 0"
# One part per partition however large the insert, up to a gigabyte: a kill in the middle of an
# insert leaves the whole of a part or nothing of it.
_WHOLE_INSERT: Final = {
    "min_insert_block_size_rows": "0",
    "min_insert_block_size_bytes": str(1 << 30),
}
_VALUES_EXPRESSIONS: Final = "input_format_values_interpret_expressions"
_MAX_EXPRESSIONS: Final = 1 << 18  # longer data of VALUES holds literals only
_APPEND_BYTES: Final = 1 << 20

Columns = tuple[tuple[str, str], ...]  # (name, type) each


class Session:
    """A library connection. A second query on one that has an open stream silently ends that
    stream, so it runs one statement at a time; only `cancel` may come from another thread.
    """

    def __init__(self, engine: "Engine", user: User, database: str) -> None:
        self.engine = engine
        self.user = user
        self.token = f"lw-{uuid.uuid4().hex}"
        self.cancelled = threading.Event()
        self._settings: dict[str, str] = {}
        self._base: dict[str, str] = {}
        self._connection = connect(str(engine.data))
        try:
            self._begin(database)
        except Exception as error:
            self.close()
            raise from_engine(error) from None

    def _begin(self, database: str) -> None:
        query = self._connection.query
        profile = "".join(f", {k} = {_literal(v)}" for k, v in self.user.settings.items())
        query(f"SET {_SERVER_DEFAULTS}, log_comment = '{self.token}'{profile}")
        if database != "default":
            query(f"USE {_quoted(database)}")
        if self.user.readonly:
            query("SET readonly = 2")

    def close(self) -> None:
        self._connection.close()

    def use(self, database: str) -> None:
        """Change the current database."""
        self._run(f"USE {_quoted(database)}", "TSV")

    def cancel(self) -> None:
        """From another thread: end the running statement."""
        self.cancelled.set()
        self.engine.kill(self.token)

    def check(self, text: str, params: dict[str, str] | None = None) -> None:
        """May the user run this? Raises if not."""
        self.engine.guard.check(text, self.user, self._explain(params))

    def _may_evaluate(self, data: Spool, start: int) -> bool:
        if data.size > _MAX_EXPRESSIONS:
            return False
        text = b"".join(data.chunks(_MAX_EXPRESSIONS, start)).decode("utf-8", "surrogateescape")
        values = sql.without_semicolon(text).strip().rstrip(",")
        return bool(values) and self.engine.guard.allows_values(values, self._explain(None))

    def _explain(self, params: dict[str, str] | None) -> Ask:
        connection = self._connection
        return Ask(
            lambda text: str(connection.query(text, "TSV", params=params).bytes().decode()),
            lambda text: int(connection._conn.classify_query(text)["statement_count"]),
        )

    def apply(
        self, settings: dict[str, str], ignore_unknown: bool = False, data_insert: bool = False
    ) -> None:
        """Make `settings` those of the next statement, and undo those of the one before."""
        check_settings(settings)
        if data_insert:
            settings = {**_WHOLE_INSERT, **settings}
        if self.user.readonly and "readonly" in settings:
            raise ServerError(READONLY, "Cannot modify 'readonly' setting in readonly mode.")
        if "log_comment" in settings:  # it carries our token
            settings = {**settings, "log_comment": f"{settings['log_comment']} {self.token}"}
        if settings == self._settings:
            return
        for name in [name for name in self._settings if name not in settings]:
            self._set(name, self._base[name])
            del self._settings[name]
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self._apply_one(name, value, ignore_unknown)

    def _apply_one(self, name: str, value: str, ignore_unknown: bool) -> None:
        if not _SETTING_NAME.fullmatch(name):
            raise ServerError(UNKNOWN_SETTING, f"Unknown setting {name!r}.", "UNKNOWN_SETTING")
        try:
            if name not in self._base:
                self._base[name] = self._current(name)
            self._set(name, value)
        except ServerError as error:
            if ignore_unknown and error.code == UNKNOWN_SETTING:
                return
            raise
        self._settings[name] = value

    def _current(self, name: str) -> str:
        found = self._run(
            f"SELECT value FROM system.settings WHERE name = {_literal(name)}",  # noqa: S608
            "TSVRaw",
        ).bytes()
        return str(found.decode()).removesuffix("\n")

    def _set(self, name: str, value: str) -> None:
        self._run(f"SET {name} = {_literal(value)}", "TSV")

    def _run(self, text: str, output: str, params: dict[str, str] | None = None) -> Any:
        if self.cancelled.is_set():
            raise ServerError(QUERY_WAS_CANCELLED, "Query was cancelled.")
        try:
            return self._connection.query(text, output, params=params)
        except Exception as error:
            raise from_engine(error) from None

    def execute(self, text: str, output: str, params: dict[str, str] | None = None) -> Any:
        """Run a statement whole; the library's result, with `bytes()` and `rows_written()`."""
        if sql.first_word(text) != "SET":
            return self._run(text, output, params)
        self.apply({})  # what the client sets is from now on what settings go back to
        self._base.clear()
        return self._run(text, output, params)

    def stream(
        self, text: str, output: str, params: dict[str, str] | None = None
    ) -> Iterator[tuple[bytes, int]]:
        """Run a query; (chunk, rows) pairs with bounded memory. One Native block per chunk."""
        try:
            stream: Any = self._connection.send_query(text, output, params=params)
        except Exception as error:
            failure = from_engine(error)
            if failure.code == BAD_ARGUMENTS and "Streaming query is not supported" in failure.text:
                result = self.execute(text, output, params)
                yield bytes(result.bytes()), int(result.rows_read())
                return
            raise failure from None
        try:
            yield from self._chunks(stream)
        finally:
            with contextlib.suppress(Exception):
                stream.cancel()

    def _chunks(self, stream: Any) -> Iterator[tuple[bytes, int]]:
        while not self.cancelled.is_set():
            try:
                chunk = stream.fetch()
            except Exception as error:
                raise from_engine(error) from None
            if chunk is None:
                return
            yield bytes(chunk.bytes()), int(chunk.rows_read())
        raise ServerError(QUERY_WAS_CANCELLED, "Query was cancelled.")

    def describe(self, text: str, params: dict[str, str] | None = None) -> Columns:
        """(name, type) of each column of a query's result."""
        return self._columns(f"DESCRIBE (\n{text}\n)", params)

    def insert_columns(self, insert: sql.Insert) -> Columns:
        """(name, type) of the columns that an INSERT expects, in its order."""
        names = sql.identifiers(insert.columns) if insert.columns else None
        if insert.columns and names is None:
            return self.describe(f"SELECT {insert.columns} FROM {insert.table}")  # noqa: S608
        every = names is not None  # one that is left out of SELECT * may still be named
        table = self._columns(f"DESCRIBE TABLE {insert.table}", None, every)
        if names is None:
            return table
        types = dict(table)
        missing = [name for name in names if name not in types]
        if missing:
            raise ServerError(
                NO_SUCH_COLUMN, f"No such column {missing[0]} in table {insert.table}"
            )
        return tuple((name, types[name]) for name in names)

    def _columns(self, text: str, params: dict[str, str] | None, every: bool = False) -> Columns:
        raw = self._run(text, "JSONCompactEachRow", params).bytes()
        rows = [json.loads(line) for line in raw.splitlines()]
        hidden = () if every else ("MATERIALIZED", "ALIAS", "EPHEMERAL")
        return tuple((row[0], row[1]) for row in rows if row[2] not in hidden)

    def insert(self, insert: sql.Insert, data: Spool, start: int = 0) -> int:
        """Write spooled data from byte `start` on; the rows written, those of views included.

        Nothing is given to the engine before all is here: it commits what it is given as it goes.
        Call `apply(..., data_insert=True)` first.
        """
        if insert.format.lower() == "values":
            self._set(_VALUES_EXPRESSIONS, str(int(self._may_evaluate(data, start))))
        try:
            inserter: Any = self._connection.send_insert(insert.head, insert.format)
        except Exception as error:
            raise from_engine(error) from None
        try:
            for chunk in data.chunks(_APPEND_BYTES, start):
                if self.cancelled.is_set():
                    raise ServerError(QUERY_WAS_CANCELLED, "Query was cancelled.")
                inserter.append(chunk)
            written = int(inserter.finish().rows_written)
            self.engine.metrics.rows_inserted.inc(written)
            return written
        except Exception as error:
            with contextlib.suppress(Exception):
                inserter.cancel()
            raise from_engine(error) from None


def _literal(value: object) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
