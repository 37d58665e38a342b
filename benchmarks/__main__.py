"""Measures the service against its budgets and prints every row beside its limit.

Run: `python -m benchmarks [--quick] [--only sqlite|postgres] [--part links|traffic|gateway]`. Exit code 1 where a
deciding row (ratio, start time, memory) misses; absolute rates are shown beside a guide and decide nothing. `--quick`
leaves out the large tables.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import cold, flow, gateway, servers, table
from benchmarks.rates import Length, Side, in_turn
from benchmarks.seeding import Place, seeded
from benchmarks.table import Row
from benchmarks.traffic import measuring as traffic
from tests.support.postgres import PostgresServer, running_postgres

CREATE, SHOW = "POST setup-links", "GET landing page"


@dataclass(frozen=True)
class Size:
    """How long and how large a run is; `large` 0 leaves the large tables out."""

    links: int
    length: Length
    flow_seconds: float
    starts: int
    large: int
    traffic: traffic.Size


FULL = Size(100_000, Length(15, 1.0), 10.0, 5, 1_000_000, traffic.FULL)
QUICK = Size(20_000, Length(6, 0.4), 3.0, 3, 0, traffic.QUICK)
PARTS = ("links", "traffic", "gateway")


async def measured(folder: Path, server: PostgresServer | None, size: Size, parts: Sequence[str]) -> list[Row]:
    """All rows of one database, of the parts that are asked for."""
    rows = await _links(folder, server, size) if "links" in parts else []
    if "traffic" in parts:
        rows += await traffic.measured(folder / "traffic", server, size.traffic)
    if "gateway" in parts:
        rows += await gateway.measured(_made(folder / "gateway"), server, size.length)
    return rows


async def _links(folder: Path, server: PostgresServer | None, size: Size) -> list[Row]:
    place = await seeded(_made(folder / "links"), server, size.links)
    other, third = place.copied("bare"), place.copied("flow")
    rows = await _beside_bare(place, other, size.length)
    rows += table.cold(place.dialect, *await cold.starts(third, size.starts))
    ran = await flow.measured(third, size.flow_seconds, 1.0)
    rows += table.flows(place.dialect, ran.rate, ran.ours)
    if size.large:
        rows += await _on_large_tables(folder, server, size)
    return rows


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


async def _beside_bare(place: Place, other: Place, length: Length) -> list[Row]:
    async with servers.running(servers.service(place)) as ours, servers.running(servers.bare(other), "/") as bare:
        sides = Side(ours, place), Side(bare, other)
        # Views first: what is created supersedes the links whose addresses are known here.
        views = await in_turn("show", *sides, length)
        creations = await in_turn("create", *sides, length)
        loaded = Row("serve, memory after the load", place.dialect, f"{ours.megabytes:.0f} MB", "shown", True, "guide")
    rows = table.compared(CREATE, place.dialect, *creations, at_least=0.7, rate=1_800, p99_ms=60)
    rows += table.compared(SHOW, place.dialect, *views, at_least=0.6, rate=2_500)
    return [*rows, loaded]


async def _on_large_tables(folder: Path, server: PostgresServer | None, size: Size) -> list[Row]:
    """The service beside itself: fresh small tables, fresh large ones."""
    small = await seeded(_made(folder / "small"), server, size.links)
    large = await seeded(_made(folder / "large"), server, size.large)
    async with servers.running(servers.service(large)) as one, servers.running(servers.service(small)) as two:
        sides = Side(one, large), Side(two, small)
        views = await in_turn("show", *sides, size.length)
        creations = await in_turn("create", *sides, size.length)
    return [
        table.kept(CREATE, small.dialect, *creations, size.large),
        table.kept(SHOW, small.dialect, *views, size.large),
    ]


def machine() -> str:
    """The machine in one line, with how busy it was before we began."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return f"{os.cpu_count()} cores, {cpu}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at start"


def commit() -> str:
    """The commit that is measured."""
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def main() -> int:
    """Measures and prints; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter rounds, fewer links, no large tables")
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument(
        "--part", choices=PARTS, help="links and pages, notifications and webhooks, or what goes to Meta; else all"
    )
    options = parser.parse_args()
    size, began = QUICK if options.quick else FULL, time.perf_counter()
    parts = (options.part,) if options.part else PARTS
    print(f"{machine()}\ncommit {commit()}, {size.links:,} links over {size.links // 5:,} customers", flush=True)
    if options.quick:
        large = f"{FULL.large:,} links or {FULL.traffic.attempts:,} attempts"
        print(f"quick: fewer links (the full run has {FULL.links:,}) and no row on {large}", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="setuplinks-bench-", ignore_cleanup_errors=True) as base:
        if options.only != "postgres":
            rows += uvloop.run(measured(Path(base) / "sqlite", None, size, parts))
        if options.only != "sqlite":
            with running_postgres(fsync=True) as server:
                rows += uvloop.run(measured(Path(base) / "postgres", server, size, parts))
    print(f"\n{table.drawn(rows)}\n\ntook {time.perf_counter() - began:.0f} s")
    return table.exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
