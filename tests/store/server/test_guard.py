"""Which statements the store runs, and which it never hands to the engine."""

import pytest

from vedette.runtime.errors import AccessDenied
from vedette.store.event_table import add_columns, create_table
from vedette.store.server.guard import Statement, Verb, check

FUNCTIONS = frozenset("file url s3 executable remote merge input numbers values eval filesystem sqlite format".split())


@pytest.mark.parametrize(
    ("statement", "verb"),
    [
        ("SELECT count() FROM event WHERE lower(ifNull(`process.command_line`, '')) LIKE {p0:String}", Verb.SELECT),
        ("WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t", Verb.SELECT),
        ("(SELECT 1) UNION ALL (SELECT 2)", Verb.SELECT),
        ("SELECT 1 SETTINGS max_threads = 1", Verb.SELECT),
        ("SELECT file, url FROM numbers(3) WHERE merge = 1;", Verb.SELECT),
        ("SELECT format('{}', 'file(1)')", Verb.SELECT),
        ("SELECT `file.path` FROM event", Verb.SELECT),
        ("DESCRIBE TABLE `event`", Verb.DESCRIBE),
        ("SHOW TABLES", Verb.DESCRIBE),
        ("EXPLAIN SELECT 1", Verb.DESCRIBE),
        ("INSERT INTO t VALUES (1)", Verb.WRITE),
        ("INSERT INTO t SELECT * FROM u", Verb.WRITE),
        ("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", Verb.DEFINE),
        ("CREATE OR REPLACE TABLE t (a UInt8) ENGINE Memory", Verb.DEFINE),
        ("ALTER TABLE event DROP PARTITION ('default', '2026-01-01')", Verb.DEFINE),
        ("OPTIMIZE TABLE event FINAL", Verb.DEFINE),
        (create_table(), Verb.DEFINE),
        (add_columns([]), Verb.DEFINE),
    ],
)
def test_what_our_own_code_asks_is_accepted(statement: str, verb: Verb) -> None:
    assert check(statement, FUNCTIONS).verb is verb


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM file('/etc/passwd')",
        "SELECT * FROM FILE ('/etc/passwd')",
        "SELECT * FROM `file`('/etc/passwd')",
        "SELECT * FROM \"file\"('/etc/passwd')",
        "SELECT file('/etc/passwd')",
        "SELECT 1 WHERE 1 IN file('/etc/passwd')",
        "SELECT * FROM (SELECT * FROM url('http://x', 'CSV'))",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT * FROM filesystem('/')",
        "INSERT INTO FUNCTION file('/tmp/x') SELECT 1",
        "INSERT INTO TABLE FUNCTION s3('x') SELECT 1",
        "CREATE TABLE t AS remote('h', 'd.t')",
        "DESCRIBE TABLE s3('x')",
        "EXPLAIN SELECT * FROM file('x')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT * FROM `default`.`/etc/passwd`",
        "SELECT * FROM default . x",
        "SELECT * FROM {t:Identifier}",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        "CREATE TABLE t (a String) ENGINE = File('CSV', '/etc/passwd')",
        "CREATE TABLE t (a String) ENGINE = URL('http://x')",
        "CREATE DATABASE d ENGINE = SQLite('/x')",
        "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(FILE(path '/x' format 'TSV'))",
        "CREATE FUNCTION f AS (x) -> x",
        "CREATE USER u",
        "ATTACH TABLE t FROM '/x'",
        "BACKUP TABLE t TO File('/x')",
        "SYSTEM SHUTDOWN",
        "SET max_threads = 1",
        "USE default",
        "KILL QUERY WHERE 1",
        "SELECT 1; SELECT 2",
        "SELECT 1 SETTINGS format_schema_path = '/x'",
        "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local', path = '/x')",
        "SELECT aiFilter('x')",
        "SELECT catboostEvaluate('/x', 1)",
        "",
        ";",
        "(INSERT INTO t VALUES (1))",
        "SELECT 1 -- x",
    ],
)
def test_what_reaches_outside_the_store_is_refused(statement: str) -> None:
    with pytest.raises(AccessDenied):
        check(statement, FUNCTIONS)


def test_the_format_is_taken_off() -> None:
    assert check("SELECT 1\n FORMAT Native", FUNCTIONS) == Statement(Verb.SELECT, "SELECT 1", "Native")
    assert check("INSERT INTO t (`a.b`) FORMAT ArrowStream\n", FUNCTIONS) == Statement(
        Verb.INSERT, "INSERT INTO t (`a.b`)", "ArrowStream"
    )


def test_a_format_in_a_text_is_not_one() -> None:
    assert check("SELECT 'x FORMAT Native'", FUNCTIONS).format == ""
