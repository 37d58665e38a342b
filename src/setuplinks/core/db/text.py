"""SQL texts and their parameters: one spelling for both engines.

Owns the rewriting of a text for an engine, done once per text, and the check of parameters that one engine would refuse
and the other would take. It does not know any statement.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from setuplinks.core.problems import Invalid

SMALLEST = -(2**63)
LARGEST = 2**63 - 1
TOGETHER = (64, 16, 4)
"""How many rows one statement takes: few sizes, since each is a text that is prepared and kept."""

_IN_COLUMNS = frozenset({"text", "int8", "bytea"})
_BETWEEN, _NULL = "\x1f", "\x1e"  # ASCII's separators of units and of records

_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|\$(\d+)")
# One row of values, of which there may as well be many: nothing before it and nothing behind it has a parameter.
_ROW = r"\((?:[^()]|\([^()]*\))+\)"
_OF_ROWS = re.compile(
    rf"(INSERT INTO \w+ \([^()]+\) (?:WITH \w+ \([^()]+\) AS \()?)VALUES ({_ROW})"
    r"((?: ON CONFLICT(?: \([^()]+\))? DO NOTHING)?|\) SELECT [^$]+)"
)


@cache
def placeholders(sql: str) -> int:
    """The highest n of `$n` in a text; texts are constants of the program, so the cache is bounded."""
    return max((int(found[1]) for found in _PLACEHOLDER.finditer(sql) if found[1]), default=0)


@cache
def for_sqlite(sql: str) -> str:
    """`$n` → `?n`: SQLite takes `$1` for a name and would bind it by order of appearance, silently wrong."""
    return _PLACEHOLDER.sub(lambda found: f"?{found[1]}" if found[1] else found[0], sql)


@cache
def numbered(sql: str) -> str:
    """A guarded write for PostgreSQL that returns its last parameter for each row it touched."""
    return f"{sql} RETURNING CAST(${placeholders(sql) + 1} AS INTEGER)"


def among(sql: str, number: int) -> dict[str, str]:
    """The text by dialect; its `{among}` says "is one of" the values of `$number`, which `Database.listed` made."""
    return {
        "sqlite": sql.replace("{among}", f"IN (SELECT value FROM json_each(${number}))"),  # noqa: S608 - a number
        "postgres": sql.replace("{among}", f"= ANY(${number})"),
    }


@cache
def of_rows(sql: str, count: int) -> str | None:
    """An `INSERT … VALUES (…)` for so many rows, their parameters one row after the other; None for any other text.

    The row may stand in a CTE, `INSERT INTO a (b) WITH r (b) AS (VALUES ($1)) SELECT b FROM r WHERE …`.
    """
    found = _OF_ROWS.fullmatch(sql)
    if found is None:
        return None
    width = placeholders(sql)

    def row(number: int) -> str:
        return _PLACEHOLDER.sub(lambda one: f"${int(one[1]) + number * width}" if one[1] else one[0], found[2])

    return f"{found[1]}VALUES {', '.join(map(row, range(count)))}{found[3]}"


@cache
def of_lists(sql: str, types: tuple[str, ...]) -> str | None:
    """The same for any number of rows, on PostgreSQL: each parameter is a column, as `columns` gives it.

    `types` are those of one row's parameters. None for any other text.
    """
    found = _OF_ROWS.fullmatch(sql)
    if found is None or not types or not _IN_COLUMNS.issuperset(types):
        return None
    values = _PLACEHOLDER.sub(lambda one: f"given.p{one[1]}" if one[1] else one[0], found[2])
    lists = ", ".join(
        f"CAST(${number} AS bytea[])"
        if name == "bytea"
        else f"CAST(string_to_array(${number}, chr({ord(_BETWEEN)}), chr({ord(_NULL)})) AS {name}[])"
        for number, name in enumerate(types, 1)
    )
    names = ", ".join(f"p{number}" for number in range(1, len(types) + 1))
    rows = f"SELECT {values[1:-1]} FROM unnest({lists}) AS given ({names})"  # noqa: S608 - a constant text
    return found[1] + rows + found[3]


def columns(types: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> list[object] | None:
    """The parameters of `of_lists`, for at least two rows; None where they are to go row by row.

    Texts and numbers of a column go as one text: the driver looks at each value of a list for another list in it. What
    holds one of the signs between them goes alone, and what is of a wrong type, so that the driver refuses it.
    """
    found: list[object] = []
    for name, values in zip(types, zip(*rows, strict=True), strict=True):
        if name == "bytea":
            found.append(values)
            continue
        try:
            joined = _BETWEEN.join([_NULL if one is None else _written(name, one) for one in values])
        except TypeError:
            return None
        if joined.count(_BETWEEN) != len(values) - 1 or joined.count(_NULL) != values.count(None):
            return None
        found.append(joined)
    return found


def _written(name: str, value: Any) -> str:
    return int.__repr__(value) if name == "int8" else str.__str__(value)  # both refuse other types, str() would not


def takes_many(sql: str) -> bool:
    """Whether one statement may be written of it for many rows."""
    return of_rows(sql, 1) is not None


def in_few(sql: str, rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, tuple[object, ...], int]]:
    """The same writes in as few statements as can be: text, parameters, and how many rows each is for, in order."""
    position = 0
    if len(rows) >= TOGETHER[-1]:
        for size in TOGETHER:
            text = of_rows(sql, size)
            while text is not None and len(rows) - position >= size:
                yield text, tuple(chain.from_iterable(rows[position : position + size])), size
                position += size
    for params in rows[position:]:
        yield sql, params, 1


def check(params: Sequence[object]) -> None:
    """Refuses as Invalid what not both engines would store: NUL in text, lone surrogates, ints over 64 bit."""
    for value in params:
        if isinstance(value, str):
            if "\0" in value:
                raise Invalid("Text may not contain the NUL character.")
            if not value.isascii():
                _encode(value)
        elif isinstance(value, int) and not SMALLEST <= value <= LARGEST:
            raise Invalid("A number is too large.")


def _encode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid("Text may not contain half of a surrogate pair.") from None
