"""What a unit of work promises, alike on both databases."""

import asyncio
from typing import Any

import pytest

from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import ConstraintBroken
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict, NotFound

INSERT = "INSERT INTO id_counter (name, next_id) VALUES ($1, $2)"
INSERT_ONCE = INSERT + " ON CONFLICT DO NOTHING"
MOVE = "UPDATE id_counter SET next_id = $3 WHERE name = $1 AND next_id = $2"
MOVE_ALL = "UPDATE id_counter SET next_id = $2 WHERE next_id = $1"
FIND = "SELECT next_id FROM id_counter WHERE name = $1"


async def commit(db: Database, *writes: tuple[Any, ...]) -> None:
    """A unit of (problem or None, text, parameters…)."""
    async with db.transaction() as tx:
        for problem, sql, *params in writes:
            if problem is None:
                tx.add(sql, *params)
            else:
                tx.must(problem, sql, *params)


async def value(db: Database, name: str) -> int | None:
    """What is committed under a name."""
    row = await db.one(FIND, name)
    return None if row is None else int(row["next_id"])


async def test_a_unit_writes_all_of_its_writes(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
        tx.must(Conflict(), INSERT, "b", 2)
        tx.then()
        tx.must(Conflict(), MOVE, "a", 1, 3)
    assert (await value(db, "a"), await value(db, "b")) == (3, 2)


async def test_a_unit_reads_committed_state_and_not_its_own_writes(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
        inside = await tx.one(FIND, "a")
        listed = await tx.all("SELECT name FROM id_counter")
    assert inside is None
    assert listed == []
    assert await value(db, "a") == 1


async def test_an_exception_in_the_body_writes_nothing(db: Database) -> None:
    async def change_your_mind(tx: Unit) -> None:
        tx.add(INSERT, "a", 1)
        raise NotFound

    with pytest.raises(NotFound):
        await db.unit(change_your_mind)
    assert await value(db, "a") is None


async def test_a_missed_guard_raises_its_own_problem_and_writes_nothing(db: Database) -> None:
    with pytest.raises(Conflict, match="somebody was first"):
        await commit(
            db, (None, INSERT, "a", 1), (Conflict("somebody was first"), MOVE, "none", 1, 2), (None, INSERT, "b", 1)
        )
    assert (await value(db, "a"), await value(db, "b")) == (None, None)


async def test_a_guard_that_touches_two_rows_is_missed(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
        tx.add(INSERT, "b", 1)
    with pytest.raises(Conflict):
        async with db.transaction() as tx:
            tx.must(Conflict(), MOVE_ALL, 1, 5)
    assert (await value(db, "a"), await value(db, "b")) == (1, 1)


async def test_an_insert_that_collides_is_a_missed_guard_not_an_error(db: Database) -> None:
    async with db.transaction() as tx:
        tx.must(Conflict(), INSERT_ONCE, "a", 1)
    with pytest.raises(Conflict):
        async with db.transaction() as tx:
            tx.must(Conflict(), INSERT_ONCE, "a", 2)
    assert await value(db, "a") == 1


async def test_a_collision_without_a_guard_is_told_in_our_words_and_writes_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
    with pytest.raises(ConstraintBroken):
        await commit(db, (None, INSERT, "b", 1), (None, INSERT, "a", 2))
    assert (await value(db, "a"), await value(db, "b")) == (1, None)


async def test_a_verb_runs_once_more_on_fresh_reads_when_its_guard_was_missed(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 0)
    runs: list[int] = []

    async def raise_by_one(tx: Unit) -> int:
        row = await tx.one(FIND, "a")
        assert row is not None
        seen = int(row["next_id"])
        runs.append(seen)
        if len(runs) == 1:
            async with db.transaction() as other:
                other.add(MOVE, "a", 0, 10)
        tx.must(Conflict(), MOVE, "a", seen, seen + 1)
        return seen + 1

    assert await db.unit(raise_by_one) == 11
    assert runs == [0, 10]
    assert await value(db, "a") == 11


async def test_the_problem_stands_when_the_guard_is_missed_twice(db: Database) -> None:
    runs: list[str] = []

    async def hopeless(tx: Unit, name: str, *, to: int) -> None:
        runs.append(name)
        tx.must(Conflict("lost again"), MOVE, name, 1, to)

    with pytest.raises(Conflict, match="lost again"):
        await db.unit(hopeless, "nobody", to=2)
    assert runs == ["nobody", "nobody"]


async def test_of_many_units_racing_for_one_row_exactly_one_wins(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 0)

    async def race(number: int) -> int | None:
        try:
            async with db.transaction() as tx:
                tx.add(INSERT, f"racer {number}", number)
                tx.must(Conflict(), MOVE, "a", 0, number)
        except Conflict:
            return None
        return number

    won = [number for number in await asyncio.gather(*(race(n) for n in range(1, 41))) if number is not None]
    assert len(won) == 1
    assert await value(db, "a") == won[0]
    racers = await db.read("SELECT name FROM id_counter WHERE name LIKE 'racer%'")
    assert [row["name"] for row in racers] == [f"racer {won[0]}"]


async def test_units_that_fail_inside_a_shared_commit_leave_the_others(db: Database) -> None:
    await commit(db, (None, INSERT, "taken", 1), (None, INSERT, "guarded", 1))

    async def write(number: int) -> str:
        try:
            await commit(
                db,
                (None, INSERT, f"first {number}", 0),
                (None, INSERT, "taken" if number % 7 == 0 else f"second {number}", number),
                (Conflict(), MOVE, "nobody" if number % 5 == 0 else f"first {number}", 0, 1),
            )
        except (ConstraintBroken, Conflict) as error:
            return type(error).__name__
        return "written"

    answers = await asyncio.gather(*(write(n) for n in range(60)))
    broken, missed = set(range(0, 60, 7)), set(range(0, 60, 5))
    assert {n for n in range(60) if answers[n] == "ConstraintBroken"} == broken
    assert {n for n in range(60) if answers[n] == "Conflict"} == missed - broken
    rows = await db.read("SELECT name FROM id_counter WHERE name LIKE 'first%'")
    assert {row["name"] for row in rows} == {f"first {n}" for n in set(range(60)) - broken - missed}


@pytest.mark.parametrize("count", [1, 3, 4, 5, 70, 150])
async def test_many_rows_of_one_table_are_all_written(db: Database, count: int) -> None:
    rows = [(f"row {number}", number) for number in range(count)]
    async with db.transaction() as tx:
        tx.add_each(INSERT, rows[::2])
        tx.must_each(Conflict(), INSERT_ONCE, rows[1::2])
    found = await db.read("SELECT name, next_id FROM id_counter WHERE name LIKE 'row %' ORDER BY next_id")
    assert [(row["name"], row["next_id"]) for row in found] == rows


async def test_many_large_rows_are_all_written(db: Database) -> None:
    large = [(f"notice {number}", number, b"h%d" % number, b"x" * 900_000) for number in range(6)]
    add = (
        "INSERT INTO notification (id, received_at, body_hash, body, status, due_at) "
        "VALUES ($1, $2, $3, $4, 'kept', $2)"
    )
    async with db.transaction() as tx:
        tx.add_each(add, large)
    found = await db.read("SELECT received_at, due_at, body FROM notification WHERE status = 'kept' ORDER BY id")
    assert [(row["received_at"], row["due_at"], len(row["body"])) for row in found] == [
        (number, number, 900_000) for number in range(6)
    ]


async def test_one_row_of_many_that_misses_its_guard_keeps_all_of_its_unit_out(db: Database) -> None:
    await commit(db, (None, INSERT, "row 17", -1))

    async def write(prefix: str) -> str:
        try:
            async with db.transaction() as tx:
                tx.must_each(Conflict("taken"), INSERT_ONCE, [(f"{prefix} {number}", number) for number in range(20)])
                tx.add(INSERT, f"beside {prefix}", 1)
        except Conflict as error:
            return str(error.detail)
        return "written"

    assert await asyncio.gather(*map(write, ("row", "other", "third"))) == ["taken", "written", "written"]
    found = await db.read("SELECT name, next_id FROM id_counter WHERE name LIKE 'row %' OR name LIKE 'beside %'")
    assert sorted((row["name"], row["next_id"]) for row in found) == [
        ("beside other", 1), ("beside third", 1), ("row 17", -1),
    ]  # fmt: skip


async def test_rows_of_many_units_go_together_and_one_that_collides_fails_alone(db: Database) -> None:
    await commit(db, (None, INSERT, "unit 7", -1))

    async def write(number: int) -> str:
        try:
            await commit(db, (None, INSERT, f"unit {number}", number))
        except ConstraintBroken:
            return "refused"
        return "written"

    answers = await asyncio.gather(*map(write, range(90)))
    assert [number for number, answer in enumerate(answers) if answer == "refused"] == [7]
    found = await db.read("SELECT next_id FROM id_counter WHERE name LIKE 'unit %' ORDER BY next_id")
    assert [row["next_id"] for row in found] == [-1, *(number for number in range(90) if number != 7)]


async def test_a_row_that_says_what_it_needs_is_added_beside_others(db: Database) -> None:
    """A row in a CTE is one of many as well, each with its own look at what is committed."""
    once = (
        "INSERT INTO id_counter (name, next_id) WITH given (name, next_id) AS (VALUES (CAST($1 AS TEXT), "
        "CAST($2 AS BIGINT))) SELECT name, next_id FROM given g "
        "WHERE (SELECT 1 FROM id_counter c WHERE c.next_id = g.next_id LIMIT 1) IS NULL"
    )
    await commit(db, (None, INSERT, "there", 3))
    async with db.transaction() as tx:
        tx.add_each(once, [(f"new {number}", number) for number in range(6)])
    found = await db.read("SELECT name FROM id_counter WHERE name LIKE 'new %' ORDER BY name")
    assert [row["name"] for row in found] == ["new 0", "new 1", "new 2", "new 4", "new 5"]


async def test_a_caller_that_goes_away_does_not_undo_its_commit(db: Database) -> None:
    leaving = asyncio.create_task(commit(db, (None, INSERT, "a", 1)))
    # One turn of the loop: the unit has been handed over, and waits for its commit.
    await asyncio.sleep(0)
    leaving.cancel()
    await commit(db, (None, INSERT, "b", 1))
    assert leaving.cancelled()
    assert await value(db, "a") == 1


async def test_a_hook_at_commit_may_still_append(db: Database) -> None:
    async with db.transaction() as tx:
        gathered: list[str] = tx.gather("names", list)
        tx.at_commit(lambda: tx.add(INSERT, gathered[0], 1))
        gathered.append("late")
        assert tx.gather("names", list) is gathered
    assert await value(db, "late") == 1


async def test_a_unit_takes_no_writes_after_its_end(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(INSERT, "a", 1)
    with pytest.raises(RuntimeError, match="ended"):
        tx.add(INSERT, "b", 1)
    assert await value(db, "b") is None
