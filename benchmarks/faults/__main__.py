"""Faults under load; prints what was found and exits with 1 where anything was lost or doubled.

Run: `python -m benchmarks.faults [--rounds 1] [--rate 40] [--only sqlite|postgres] [--seed 1] [--keep FOLDER]`. Meta
tells at a steady rate; programs and databases are killed and networks cut, one strike after the other, each until all
goes on by itself. Then everything is counted.
"""

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.faults.meta import Meta
from benchmarks.faults.rounds import Struck, strike
from benchmarks.faults.scene import Scene, staged
from benchmarks.faults.strikes import planned
from benchmarks.faults.verdicts import TABLES, Ended, all_of
from benchmarks.trial import Verdict, measured_on_each, parser_for
from setuplinks.core.clock import SECOND
from tests.support.postgres import PostgresServer

SETTLE_SECONDS = 90.0
FAR = 10 * SECOND  # what is due later than this is moved by the operator's `recover`


async def faults(scene: Scene, rounds: int, rate: float, seed: int) -> tuple[list[Struck], list[Verdict], int]:
    """The whole run: what each strike came to, what holds at the end, and how many deliveries `recover` moved."""
    scene.meta = Meta(scene.ground.url, scene.lines, rate)
    scene.meta.start()
    struck: list[Struck] = []
    for one in planned(scene, rounds, seed):
        struck.append(await strike(scene, one))
        print(line_of(struck[-1]), flush=True)
    await scene.meta.stop()
    moved = await _settle(scene)
    await scene.stop()
    return struck, all_of(await ended(scene)), moved


async def _settle(scene: Scene) -> int:
    """Waits until nothing waits, or too long; what waits for minutes is moved, as an operator moves it."""
    end, moved = time.monotonic() + SETTLE_SECONDS, 0
    begun = (datetime.now(tz=UTC) - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    while time.monotonic() < end:
        rows = await scene.ground.rows("SELECT due_at, lease_until FROM delivery WHERE status = 'pending'")
        rows += await scene.ground.rows("SELECT due_at, lease_until FROM notification WHERE due_at IS NOT NULL")
        if not rows:
            break
        far = time.time() * SECOND + FAR
        if any(row["lease_until"] is None and row["due_at"] > far for row in rows):
            for tenant in scene.tenants:
                answer = await tenant.api.made(f"/admin/webhook-endpoints/{tenant.endpoint}/recover", {"since": begun})
                moved += answer["failedAgain"]
        await asyncio.sleep(1.0)
    return moved


async def ended(scene: Scene) -> Ended:
    """What stands after the run."""
    tables = {name: await scene.ground.rows(sql) for name, sql in TABLES.items()}
    logs = {log.name: log.read_text(encoding="utf-8", errors="replace") for log in scene.ground.logs()}
    names = {tenant.id: tenant.name for tenant in scene.tenants}
    return Ended(scene.telling.told, scene.receiver.arrivals, names, **tables, logs=logs)


WIDTH = 46
COLUMNS = ("", "lasted", "200 again", "told again", "limit", "all told", "slowest", "memory")
HEAD = f"{'strike':<{WIDTH}}  " + "  ".join(f"{name:>5}" for name in COLUMNS) + "  Meta was answered meanwhile"


def line_of(one: Struck) -> str:
    """A strike's line of the table, and what was wrong under it."""
    answers = ", ".join(f"{count} {_name(status)}" for status, count in sorted(one.answers.items(), key=str)) or "-"
    cells = (
        "WRONG" if one.wrong else "ok", f"{one.lasted:.0f} s", _seconds(one.meta_again), _seconds(one.told_again),
        f"{one.limit:.0f} s", _seconds(one.all_told), _seconds(one.slowest), f"{one.grew[0]:+.0f} MB",
    )  # fmt: skip
    drawn = "  ".join(f"{cell:>{max(5, len(name))}}" for cell, name in zip(cells, COLUMNS, strict=True))
    drained = f"; {one.drained}" if one.drained else ""
    return "\n    ".join([f"{one.what:<{WIDTH}}  {drawn}  {answers}{drained}", *one.wrong[:10]])


def shown(found: list[Verdict], moved: int) -> str:
    """What holds at the end."""
    lines = [""]
    for verdict in found:
        lines.append(f"{verdict.what:<{WIDTH}}  {'WRONG' if verdict.wrong else 'ok':<5}  {verdict.seen}")
        lines += [f"    {what}" for what in verdict.wrong[:10]]
    lines.append(f"{'moved by recover, for they waited for minutes':<{WIDTH}}         {moved} deliveries")
    return "\n".join(lines)


def _name(status: int | None) -> str:
    return "nothing" if status is None else str(status)


def _seconds(value: float | None) -> str:
    return "later" if value is None else f"{value:.1f} s"


async def measured(folder: Path, server: PostgresServer | None, options: argparse.Namespace) -> bool:
    """One database; True where nothing was wrong."""
    began = time.perf_counter()
    async with staged(folder, server, options.seed) as scene:
        rounds = f"{options.rounds} round{'s' if options.rounds > 1 else ''}"
        dialect = scene.ground.dialect
        print(f"\n{dialect}, {rounds} at {options.rate:g} notifications/s, seed {options.seed}\n{HEAD}", flush=True)
        struck, found, moved = await faults(scene, options.rounds, options.rate, options.seed)
        print(f"{shown(found, moved)}\n{dialect}: {time.perf_counter() - began:.0f} s", flush=True)
    return not any(one.wrong for one in struck) and not any(one.wrong for one in found)


def main() -> int:
    """The exit code."""
    parser = parser_for("faults", __doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault strikes")
    parser.add_argument("--rate", type=float, default=40.0, help="notifications a second")
    return measured_on_each(measured, parser.parse_args(), fsync=True)


if __name__ == "__main__":
    sys.exit(main())
