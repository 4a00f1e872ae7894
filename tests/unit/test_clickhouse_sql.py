"""The little that the embedded server knows of SQL."""

import pytest

from deploy.clickhouse_embedded import sql


@pytest.mark.parametrize(
    ("query", "table", "columns", "output", "data"),
    [
        ("INSERT INTO t VALUES", "t", None, "Values", ""),
        ("insert into db.t (a, b) values (1, 2)", "db.t", "a, b", "Values", " (1, 2)"),
        ("INSERT INTO TABLE `t``x` (`a)`, b) FORMAT CSV\n1\n2", "`t``x`", "`a)`, b", "CSV", "1\n2"),
        ("/* x */ INSERT -- y\nINTO t FORMAT Native \r\nxyz", "t", None, "Native", "xyz"),
        ("INSERT INTO t SETTINGS a = 1, b = 'VALUES' FORMAT TSV\tz", "t", None, "TSV", "z"),
        ("INSERT INTO t (* EXCEPT(b)) VALUES", "t", "* EXCEPT(b)", "Values", ""),
        ('INSERT INTO "d b"."t" FORMAT CSV', '"d b"."t"', None, "CSV", ""),
    ],
)
def test_an_insert_with_data(
    query: str, table: str, columns: str | None, output: str, data: str
) -> None:
    insert = sql.parse_insert(query)
    assert insert is not None
    assert (insert.table, insert.columns, insert.format) == (table, columns, output)
    assert query[insert.data_start :] == data
    assert query.startswith(insert.head)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) WITH 1 AS x SELECT x",
        "INSERT INTO t SETTINGS max_threads = 1 SELECT 1 FORMAT Null",
        "INSERT INTO FUNCTION file('x') VALUES (1)",
        "INSERT INTO TABLE FUNCTION file('x') VALUES (1)",
        "INSERT INTO t (a",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO",
        "",
        "'INSERT INTO t VALUES'",
    ],
)
def test_no_insert_with_data(query: str) -> None:
    assert sql.parse_insert(query) is None


@pytest.mark.parametrize(
    ("data", "inline"),
    [("", False), (" ;", False), (" -- none\n", False), (" (1)", True), (" /* */ (1)", True)],
)
def test_inline_data(data: str, inline: bool) -> None:
    query = "INSERT INTO t VALUES" + data
    insert = sql.parse_insert(query)
    assert insert is not None
    assert sql.has_inline_data(query, insert) is inline


@pytest.mark.parametrize(
    ("query", "output"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format JSON;", "JSON"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        ("SELECT 1 FORMAT CSV -- end", "CSV"),
        ("SELECT 1", None),
        ("SELECT 'x FORMAT CSV'", None),
        ("SELECT 1 -- FORMAT CSV", None),
        ("SELECT format FROM t", None),
        ("SELECT a AS format, b FROM t", None),
        ("SELECT format FROM t FORMAT TSV", "TSV"),
        ("SELECT * FROM (SELECT 1 FORMAT CSV)", None),
        ("SELECT $$ FORMAT CSV $$", None),
        ("SHOW TABLES FORMAT CSV", "CSV"),
    ],
)
def test_the_format_clause(query: str, output: str | None) -> None:
    found = sql.find_format(query)
    assert (found and found[0]) == output
    cut = sql.without_format(query)
    assert sql.find_format(cut) is None
    assert output is not None or cut == query


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("  select 1", "SELECT"),
        ("-- c\n/* d */ (select 1)", "("),
        ("#! x\nSHOW TABLES", "SHOW"),
        ("'select'", ""),
        ("  ", ""),
    ],
)
def test_the_first_word(query: str, word: str) -> None:
    assert sql.first_word(query) == word


def test_a_semicolon_at_the_end_is_cut() -> None:
    assert sql.without_semicolon("SELECT ';' ; -- end") == "SELECT ';' "
    assert sql.without_semicolon("SELECT 1; SELECT 2") == "SELECT 1; SELECT 2"


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("a, `b c`, n.x", ["a", "b c", "n.x"]),
        ('"a,b", `c``d`', ["a,b", "c`d"]),
        ("* EXCEPT (a)", None),
        ("COLUMNS('x')", None),
    ],
)
def test_the_names_of_columns(columns: str, names: list[str] | None) -> None:
    assert sql.identifiers(columns) == names
