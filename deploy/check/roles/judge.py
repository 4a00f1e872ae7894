"""What a reader should be answered, question by question, and where it was answered otherwise."""

# ruff: noqa: S608 - SQL assembled from names of the schema and from roles

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy.check.roles.city import DATABASE, FINGERPRINT, ONE_THREAD, City, Print
from deploy.check.roles.session import Answer
from deploy.operations.access_rules import LIMITS, NOTES, Reader

#: Numbers of the engine's refusals: no right, read only, a setting that may not go so far.
_REFUSALS = (497, 164, 452)


@dataclass(frozen=True, slots=True)
class Question:
    """`wrong` says what is wrong about an answer; empty where it is right."""

    sql: str
    wrong: Callable[[Answer], str]


def findings(questions: list[Question], answers: list[Answer]) -> list[str]:
    """What is wrong, one line each; none is right."""
    pairs = zip(questions, answers, strict=True)
    told = ((q.sql, q.wrong(a)) for q, a in pairs)
    return [f"{wrong}: {sql[:150]}" for sql, wrong in told if wrong]


def as_granted(city: City, reader: Reader) -> list[Question]:
    """Its own views and nothing else."""
    own = [_reads(f"`{reader.role}`.{v}", _mine(city, reader, v)) for v in reader.views]
    return [
        _listed(reader),
        *own,
        *_peeks(city, reader),
        *(_refused(sql) for sql in _around(city, reader)),
    ]


def with_a_mistake(city: City, reader: Reader) -> list[Question]:
    """Of someone who was granted all of the warehouse besides: the row policies alone are left."""
    tables = city.warehouse.tables
    out = [_reads(f"{DATABASE}.{t}", _rows(city, reader, t)) for t in sorted(tables)]
    for view, columns in sorted(city.warehouse.views.items()):
        if reader.column in columns:
            sql = f"SELECT DISTINCT {reader.column} FROM {DATABASE}.{view}"
            out.append(Question(sql, _only(reader.value)))
    return out


def _mine(city: City, reader: Reader, view: str) -> Print:
    if not reader.column or view in NOTES or view.startswith("v_published_"):
        return city.expected(view)
    return city.expected(view, reader.column, reader.value)


def _rows(city: City, reader: Reader, table: str) -> Print:
    """Said again here, so that a condition that came out wrong is no excuse."""
    if reader.everything:
        return city.expected(table)
    return city.expected(table, reader.column, reader.value) if reader.column else (0, 0)


def _reads(name: str, expected: Print) -> Question:
    def wrong(answer: Answer) -> str:
        if answer.code:
            return f"cannot be read ({answer.text[:160]})"
        found = tuple(int(value) for value in answer.rows[0])
        return "" if found == expected else f"{found[0]} rows, {expected[0]} are its own"

    return Question(f"SELECT {FINGERPRINT} FROM {name} {ONE_THREAD}", wrong)


def _listed(reader: Reader) -> Question:
    """The names of views and columns that it can find out."""
    expected = sorted(reader.views)

    def wrong(answer: Answer) -> str:
        found = [name for (name,) in answer.rows]
        return "" if found == expected else f"sees {len(found)} names, {len(expected)} are its own"

    return Question(
        "SELECT DISTINCT table FROM system.columns WHERE database NOT IN ('system', "
        "'information_schema', 'INFORMATION_SCHEMA') ORDER BY table",
        wrong,
    )


def _only(value: str) -> Callable[[Answer], str]:
    def wrong(answer: Answer) -> str:
        foreign = [v for (v,) in answer.rows if v != value]
        return f"foreign rows of {foreign[:3]}" if foreign else answer.text

    return wrong


def _peeks(city: City, reader: Reader) -> Iterator[Question]:
    """A condition of the reader's own that tells when it meets a foreign row, before the cut."""
    if not reader.column:
        return
    meets = f"throwIf({reader.column} != '{reader.value}') = 0"
    quoted = meets.replace("'", "\\'")
    for view in reader.views:
        if view not in NOTES and not view.startswith("v_published_"):
            sql = f"SELECT count() FROM `{reader.role}`.{view}"
            yield Question(f"{sql} WHERE {meets}", lambda answer: answer.text)
            under = f"{DATABASE}.{view.replace('v_', 'raw_')}"
            filters = f"{{'{under}': '{quoted}'}}"
            sql += f" SETTINGS additional_table_filters = {filters}"
            yield Question(sql, lambda answer: answer.text)


def _refused(sql: str) -> Question:
    def wrong(answer: Answer) -> str:
        if answer.code in _REFUSALS:
            return ""
        return f"not refused, but {answer.text[:160] or answer.rows[:3]}"

    return Question(sql, wrong)


def _around(city: City, reader: Reader) -> Iterator[str]:
    """Every way around its views that we know."""
    for name in sorted({*city.warehouse.tables, *city.warehouse.views}):
        yield f"SELECT count() FROM {DATABASE}.{name}"
    yield from (f"SELECT count() FROM {DATABASE}.{called}" for called in city.closed)
    for other in city.rules.readers:
        if other.role != reader.role and other.views:
            yield f"SELECT 1 FROM `{other.role}`.{other.views[0]} LIMIT 1"
    own = f"`{reader.role}`.{reader.views[0]}"
    yield from (
        f"SELECT * FROM mergeTreeIndex('{DATABASE}', 'raw_orders')",
        f"SELECT * FROM view(SELECT * FROM {DATABASE}.raw_orders)",
        f"SELECT * FROM loop({DATABASE}.raw_orders) LIMIT 1",
        f"SELECT 1 WHERE 'x' IN {DATABASE}.sessions",
        f"EXPLAIN SELECT * FROM {DATABASE}.raw_orders",
        f"DESCRIBE TABLE {DATABASE}.raw_orders",
        f"SHOW CREATE TABLE {DATABASE}.v_flags",
        f"INSERT INTO {DATABASE}.erasures (reason) VALUES ('x')",
        f"CREATE VIEW `{reader.role}`.evil AS SELECT 1",
        f"DROP VIEW {own}",
        f"ALTER TABLE {own} MODIFY QUERY SELECT 1",
        "CREATE TEMPORARY TABLE mine (x Int8)",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
        f"SELECT * FROM remote('127.0.0.1', {DATABASE}, raw_orders)",
        "SELECT name FROM system.users",
        "SELECT * FROM system.row_policies",
        "GRANT SELECT ON *.* TO default",
    )
    for limit in LIMITS:
        if limit.bound:
            beyond = limit.value + 1 if limit.bound == "MAX" else 0
            yield f"SELECT 1 SETTINGS {limit.setting} = {beyond}"
