"""Shared texts are written in what both databases speak.

Looks at every SQL text in the source. Where engines differ the two texts stand side by side, in a `Claim` or in a dict
with the keys `sqlite` and `postgres`; those are free.
"""

import ast
import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg

import setuplinks
from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.open import FILE_NAME
from setuplinks.core.db.text import for_sqlite, placeholders

SOURCE = Path(setuplinks.__file__).parent
# What speaks to one engine only.
ONE_ENGINE = ("core/db", "migrations")

SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s", re.ASCII)
BANNED = {
    "a cast by ::": re.compile(r"::"),
    "the database's own clock": re.compile(r"\bnow\s*\(|\bCURRENT_(TIMESTAMP|TIME|DATE)\b|\bclock_timestamp\b", re.I),
    "ANY or ALL over an array": re.compile(r"\b(ANY|ALL)\s*\(", re.I),
    "LATERAL": re.compile(r"\bLATERAL\b", re.I),
    "FOR UPDATE": re.compile(r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b", re.I),
    "RETURNING outside of a claim": re.compile(r"\bRETURNING\b", re.I),
    "ILIKE": re.compile(r"\bILIKE\b", re.I),
    "a placeholder that is not $n": re.compile(r"\?\d*(?=\s*(,|\)|$))|%s", re.M),
    "a CTE around a write": re.compile(r"^\s*WITH\b(?s:.*)\b(INSERT INTO|DELETE FROM|UPDATE\s+\w+\s+SET)\b"),
    "a semicolon": re.compile(r";\s*$"),
}


def text_of(node: ast.AST) -> str | None:
    """The text of a string, with what is put into an f-string left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "{}" for part in node.values)
    return None


def side_by_side(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that are one engine's own texts, and the names under which such texts stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Claim":
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from ast.walk(argument)
        if isinstance(node, ast.Dict) and {text_of(key) for key in node.keys if key} == {"sqlite", "postgres"}:
            for value in node.values:
                yield from ast.walk(value)


def shared_texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each SQL string that both engines get."""
    tree = ast.parse(source)
    own = list(side_by_side(tree))
    own_names = {node.id for node in own if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if own_names & {target.id for target in targets if isinstance(target, ast.Name)} and node.value:
                own.extend(ast.walk(node.value))
        if isinstance(node, ast.JoinedStr):
            # Its parts are looked at as one.
            own.extend(part for part in node.values if isinstance(part, ast.Constant))
    free = set(map(id, own))
    for node in ast.walk(tree):
        text = text_of(node)
        if text is not None and id(node) not in free and SQL.match(text):
            yield getattr(node, "lineno", 0), text


def whole_texts(dialect: str) -> Iterator[tuple[str, str]]:
    """Name and text of each statement that stands whole under a public name of its module, as that engine gets it."""
    for module in pkgutil.walk_packages(setuplinks.__path__, f"{setuplinks.__name__}."):
        if any(f".{room.replace('/', '.')}" in module.name for room in ONE_ENGINE) or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if not name.startswith("_"):
                for text in texts_in(value, dialect):
                    yield f"{module.name}.{name}", text


def texts_in(value: object, dialect: str) -> list[str]:
    """The SQL texts of one engine that a module's value holds."""
    if isinstance(value, Claim):
        return list(value.sqlite) if dialect == "sqlite" else [value.postgres]
    if isinstance(value, dict) and set(value) == {"sqlite", "postgres"}:
        return texts_in(value[dialect], dialect)
    if isinstance(value, tuple | list):
        return [text for one in value for text in texts_in(one, dialect)]
    return [value] if isinstance(value, str) and SQL.match(value) else []


def faults(source: str) -> list[str]:
    """What is banned, with its line."""
    return [
        f"{line}: {what}"
        for line, text in shared_texts(source)
        for what, banned in BANNED.items()
        if banned.search(re.sub(r"'[^']*'", "''", text))
    ]


def test_shared_sql_is_written_in_what_both_databases_speak() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{fault}"
        for path in sorted(SOURCE.rglob("*.py"))
        if "versions" not in path.parts
        for fault in faults(path.read_text())
    ]
    assert found == []


async def test_every_statement_is_understood(db: Database, database_url: str | None, data_dir: Path) -> None:
    """By the migrated schema: its tables, its columns, and on PostgreSQL the type of each parameter."""
    refused = []
    if database_url is None:
        connection = sqlite3.connect(data_dir / FILE_NAME)
        for place, text in whole_texts("sqlite"):
            try:
                connection.execute("EXPLAIN " + for_sqlite(text), [None] * placeholders(text))
            except sqlite3.Error as error:
                refused.append(f"{place}: {error}")
        connection.close()
    else:
        session = await asyncpg.connect(database_url)
        for place, text in whole_texts("postgres"):
            try:
                await session.prepare(text)
            except asyncpg.PostgresError as error:
                refused.append(f"{place}: {error}")
        await session.close()
    assert refused == []


def test_the_look_at_sql_texts_sees_what_it_should() -> None:
    source = '''
GOOD = "SELECT a FROM b WHERE c = $1 AND d = 'now() ::'"
CAST = "SELECT a::text FROM b"
TIME = """
    UPDATE a SET b = now()
"""
TAKEN = "UPDATE a SET b = 1 RETURNING a"
TAKE = Claim(sqlite=(TAKEN,), postgres="SELECT a FROM b FOR UPDATE SKIP LOCKED")
BOTH = {"sqlite": "SELECT a FROM b", "postgres": "SELECT a::text FROM b"}
def f(names):
    return f"SELECT a FROM {names} WHERE c = ANY($1)", "INSERT INTO a (b) VALUES (?)", "SELECT a FROM b FOR UPDATE"
WRITE = "WITH x AS (SELECT 1) UPDATE a SET b = 1"
'''
    assert faults(source) == [
        "3: a cast by ::",
        "4: the database's own clock",
        "12: a CTE around a write",
        "11: ANY or ALL over an array",
        "11: a placeholder that is not $n",
        "11: FOR UPDATE",
    ]
