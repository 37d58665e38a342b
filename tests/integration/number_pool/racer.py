"""A second process that takes numbers of the pool for its links.

Run by `race_elsewhere`: takes the database's address (empty for SQLite), its folder, a name for its links and how many
there are; prints the numbers that they got, null for none.
"""

import asyncio
import json
import sys
from pathlib import Path

from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.db.unit import Unit
from setuplinks.number_pool.reservations import reserve, while_others_take

ROOT = Path(__file__).parents[3]
NOW = 1_000_000


async def take(db: Database, name: str, links: int) -> list[str | None]:
    """All these links at once want a number."""

    async def one(link_id: str) -> str | None:
        async def attempt(offers: bool) -> str | None:
            async def verb(tx: Unit) -> str | None:
                number = await reserve(tx, 1, link_id, ["AR", "DE"], NOW) if offers else None
                return None if number is None else number.number

            return await db.unit(verb)

        return await while_others_take(attempt)

    return list(await asyncio.gather(*(one(f"{name} {position}") for position in range(links))))


async def race_elsewhere(url: str | None, folder: Path, name: str, links: int) -> list[str | None]:
    """`take` in a process of its own."""
    command = [sys.executable, "-m", __name__, url or "", str(folder), name, str(links)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    assert process.returncode == 0
    found: list[str | None] = json.loads(answer)
    return found


async def main(url: str, folder: str, name: str, links: str) -> None:
    """Opens the database, takes, prints."""
    db = await open_database(url or None, Path(folder), flock=False)
    taken = await take(db, name, int(links))
    await db.close()
    print(json.dumps(taken))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
