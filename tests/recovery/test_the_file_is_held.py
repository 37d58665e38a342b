"""Another program holds SQLite's write lock: what waits behind is told so together, and the next one asks anew."""

import asyncio
import sqlite3
from pathlib import Path

from setuplinks.core.db.errors import DatabaseBusy
from setuplinks.core.db.sqlite import connect
from setuplinks.core.db.writer import SHARE, Writer

LOCK_SECONDS = 0.3


async def test_nobody_behind_a_held_file_waits_in_turn(tmp_path: Path) -> None:
    holder = connect(tmp_path / "file.sqlite3")
    holder.execute("CREATE TABLE told (number INTEGER)")
    held = sqlite3.connect(
        tmp_path / "file.sqlite3", timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    begun: list[str] = []
    held.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
    writer = Writer(held, asyncio.get_running_loop())
    holder.execute("BEGIN IMMEDIATE")

    def told(number: int) -> asyncio.Task[None]:
        sql = "INSERT INTO told VALUES (?)"
        return asyncio.create_task(writer.submit(lambda connection: connection.execute(sql, (number,)).rowcount))

    waiting = [told(number) for number in range(4 * SHARE)]
    await asyncio.sleep(0)  # all of them stand in the queue
    writer.start()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in failed} == {DatabaseBusy}
    assert begun == ["BEGIN IMMEDIATE"]
    holder.execute("ROLLBACK")
    await told(1)
    assert holder.execute("SELECT count(*) FROM told").fetchone()[0] == 1
    writer.stop()
    await asyncio.to_thread(writer.join)
    held.close()
    holder.close()
