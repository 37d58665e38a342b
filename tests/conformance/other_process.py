"""A second process of the service, for tests of what two processes may not do to each other.

Run by `run_elsewhere`: takes the database's address (empty for SQLite), its folder and the name of a job; prints JSON.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.open import open_database
from setuplinks.core.problems import Conflict

ROOT = Path(__file__).parents[2]

INSERT = "INSERT INTO id_counter (name, next_id) VALUES ($1, $2)"
MOVE = "UPDATE id_counter SET next_id = $3 WHERE name = $1 AND next_id = $2"
FIND = "SELECT next_id FROM id_counter WHERE name = $1"

# Any table with a lease does; this one has no references to fill.
INSERT_DUE = """
INSERT INTO offboarding (tenant_id, id, meta_waba_id, status, due_at, created_at, updated_at)
VALUES (1, $1, 'waba', 'open', $2, 0, 0)
"""
TAKE_DUE = Claim(
    sqlite=(
        """
        UPDATE offboarding SET lease_until = $1 + 1000 WHERE tenant_id = 1 AND id IN (
          SELECT id FROM offboarding WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
          ORDER BY due_at LIMIT $2)
        RETURNING id
        """,
    ),
    postgres="""
        UPDATE offboarding SET lease_until = CAST($1 AS BIGINT) + 1000 WHERE tenant_id = 1 AND id IN (
          SELECT id FROM offboarding WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
          ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
)
NOW = 100_000


async def take_all(db: Database) -> list[int]:
    """Claims three at a time, five claims at once, until nothing is due."""
    taken: list[int] = []
    while True:
        rounds = await asyncio.gather(*(db.claim(TAKE_DUE, NOW, 3) for _ in range(5)))
        rows = [row["id"] for claimed in rounds for row in claimed]
        if not rows:
            return taken
        taken += rows


async def take_ids(db: Database) -> list[int]:
    """A few hundred ids of one name."""
    return [await db.next_id("thing") for _ in range(350)]


async def win_races(db: Database) -> list[int]:
    """Of many races, each for one row, those that this process won."""

    async def race(number: int) -> bool:
        try:
            async with db.transaction() as tx:
                tx.must(Conflict(), MOVE, f"race {number}", 0, os.getpid())
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(race(number) for number in range(200)))
    return [number for number in range(200) if won[number]]


async def add_one(db: Database) -> None:
    """One row, as a CLI verb writes it."""
    async with db.transaction() as tx:
        tx.add(INSERT, "from elsewhere", 1)
        tx.wake("elsewhere")


JOBS = {job.__name__: job for job in (take_all, take_ids, win_races, add_one)}


async def run_elsewhere(job: Any, url: str | None, folder: Path) -> Any:
    """Runs one of the jobs in a process of its own and gives its answer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, url or "", str(folder), job.__name__, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(answer)


async def main(url: str, folder: str, job: str) -> None:
    """Opens the database, does the job, prints the answer."""
    db = await open_database(url or None, Path(folder), flock=False)
    answer = await JOBS[job](db)
    # The wake-up of the last commit leaves within some milliseconds; closing waits for it.
    await db.close()
    print(json.dumps(answer))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
