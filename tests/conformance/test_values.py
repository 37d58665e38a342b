"""What goes in comes out, alike on both databases; what one of them could not hold is refused by both."""

import math

import pytest

from setuplinks.core.db.database import Database
from setuplinks.core.problems import Invalid

INSERT_KEY = (
    "INSERT INTO data_key (tenant_id, id, kid, wrapped, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)"
)
INSERT_STATE = "INSERT INTO endpoint_state (tenant_id, endpoint_id, tokens) VALUES ($1, $2, $3)"
FIND_KEY = "SELECT kid, wrapped, created_at, retired_at FROM data_key WHERE tenant_id = $1 AND id = $2"


async def stored(db: Database, kid: str, wrapped: bytes, created_at: int, retired_at: int | None) -> dict[str, object]:
    """The row that is read after writing these values."""
    async with db.transaction() as tx:
        tx.add(INSERT_KEY, 1, 1, kid, wrapped, created_at, retired_at)
    row = await db.one(FIND_KEY, 1, 1)
    assert row is not None
    return dict(row)


async def test_values_come_back_as_they_went(db: Database) -> None:
    kid = "Clínica «São Lucas» 日本 🟢 ' \" \\ %s $1 ?1 \r\n\t"
    wrapped = bytes(range(256))
    assert await stored(db, kid, wrapped, 2**63 - 1, -(2**63)) == {
        "kid": kid,
        "wrapped": wrapped,
        "created_at": 2**63 - 1,
        "retired_at": -(2**63),
    }


async def test_null_empty_text_and_empty_bytes_stay_apart(db: Database) -> None:
    row = await stored(db, "", b"", 0, None)
    assert row == {"kid": "", "wrapped": b"", "created_at": 0, "retired_at": None}
    assert type(row["wrapped"]) is bytes


@pytest.mark.parametrize(
    "odd", ["", " ", "\x1f", "\x1e", "a\x1eb", "NULL", "{}", "\\N", "日本 🟢", "a,b", '"', "true", None]
)
async def test_many_rows_together_come_back_as_they_went(db: Database, odd: str | None) -> None:
    rows = [
        (
            1,
            number,
            f"kid {number}" if odd is None else odd,
            bytes([number, 31, 30, 0]),
            -number,
            number if number % 2 else None,
        )
        for number in range(1, 9)
    ]
    rows[3] = (1, 4, "plain", b"", 2**63 - 1, -(2**63))
    rows[4] = (1, 5, "a truth", b"", True, False)
    async with db.transaction() as tx:
        tx.add_each(INSERT_KEY, rows)
    found = await db.read("SELECT tenant_id, id, kid, wrapped, created_at, retired_at FROM data_key ORDER BY id")
    assert [tuple(row) for row in found] == rows


async def test_a_double_keeps_every_digit(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT_STATE, 1, 1, math.pi)
        tx.add(INSERT_STATE, 1, 2, None)
    rows = await db.read("SELECT tokens FROM endpoint_state ORDER BY endpoint_id")
    assert [row["tokens"] for row in rows] == [math.pi, None]


async def test_a_parameter_counts_by_its_number_and_may_stand_twice(db: Database) -> None:
    row = await db.one(
        "SELECT CAST($2 AS BIGINT) AS b, CAST($1 AS BIGINT) AS a, CAST($2 AS BIGINT) + CAST($1 AS BIGINT) AS c", 3, 40
    )
    assert row is not None
    assert dict(row) == {"b": 40, "a": 3, "c": 43}


async def test_rows_are_read_by_name_and_listed_in_order(db: Database) -> None:
    async with db.transaction() as tx:
        for number in range(1, 1_001):
            tx.add("INSERT INTO id_counter (name, next_id) VALUES ($1, $2)", f"name {number}", number)
    rows = await db.read("SELECT name, next_id FROM id_counter WHERE next_id > $1 ORDER BY next_id", 990)
    assert [row["next_id"] for row in rows] == list(range(991, 1_001))
    assert await db.one("SELECT name FROM id_counter WHERE next_id = $1", 5_000) is None


@pytest.mark.parametrize("value", ["a\0b", "\0", "half \ud83d of a pair", 2**63, -(2**63) - 1])
async def test_what_a_database_cannot_hold_is_the_callers_fault(db: Database, value: object) -> None:
    async with db.transaction() as tx:
        with pytest.raises(Invalid):
            tx.add(INSERT_KEY, 1, 1, value, b"", value, None)
        with pytest.raises(Invalid):
            await tx.one(FIND_KEY, 1, value)
    with pytest.raises(Invalid):
        await db.read(FIND_KEY, 1, value)
    assert await db.read("SELECT id FROM data_key") == []


async def test_nul_bytes_are_fine_where_bytes_are_meant(db: Database) -> None:
    assert (await stored(db, "k", b"\0\0", 1, 1))["wrapped"] == b"\0\0"


async def test_a_bulk_statement_tells_how_many_rows_it_touched(db: Database) -> None:
    async with db.transaction() as tx:
        for number in range(30):
            tx.add("INSERT INTO id_counter (name, next_id) VALUES ($1, $2)", f"name {number}", number)
    assert await db.bulk("DELETE FROM id_counter WHERE next_id < $1", 12) == 12
    assert await db.bulk("DELETE FROM id_counter WHERE next_id < $1", 12) == 0
