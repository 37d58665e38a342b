"""Many signups against a bad Meta; prints what was found and exits with 1 where anything was lost or doubled.

Run: `python -m benchmarks.soak [--signups 1000] [--only sqlite|postgres] [--seed 1] [--keep FOLDER]`. A tenth of all
Graph calls and of all webhooks goes wrong, people click twice and go away, programs are killed. Afterwards the weather
is good again, somebody helps whoever has not finished, and everything is counted.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.soak import verdicts
from benchmarks.soak.people import ENDED, Person, Told
from benchmarks.soak.plan import Go, goes
from benchmarks.soak.scene import Scene, patiently, staged
from benchmarks.trial import Verdict, measured_on_each, parser_for
from tests.support.postgres import PostgresServer

AT_ONCE = 12
DEATHS = 15  # sudden deaths in a run, at least; a long one has one for each 25 signups
WAITS = (60, 600, 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600)  # how time passes at the end, in seconds
MORE_ROUNDS = 12  # of the shortest wait, for whoever meets one trouble after the other
HELP = Go("default", False, None)


async def soak(scene: Scene, signups: int, seed: int) -> tuple[list[Verdict], Counter[str], Counter[str]]:
    """The whole run: verdicts, the states in which somebody had to go on, and the faults that struck."""
    await scene.settle(signups)
    await scene.storm(seed)
    told = await _people(scene, signups, seed)
    struck = Counter({f"Meta: {kind}": count for kind, count in (await scene.calm()).items()})
    struck += Counter({f"webhook: {kind}": count for kind, count in scene.receiver.struck.items()})
    struck += habits_met(told)
    passed: set[int] = set()
    for seconds in (*WAITS, *[WAITS[0]] * MORE_ROUNDS):
        await scene.time_passes(seconds)
        await _help(scene, told)
        passed.add(seconds)
        last = passed >= set(WAITS)
        if await scene.quiet(arrived=last) and last:
            break
    await scene.stop()
    states: Counter[str] = Counter()
    for one in told:
        states += one.states
    return await verdicts.all_of(scene), states, struck


def habits_met(told: list[Told]) -> Counter[str]:
    """How often people did something beside signing in."""
    return Counter(f"person: {habit}" for one in told for habit in one.habits)


async def _people(scene: Scene, signups: int, seed: int) -> list[Told]:
    """Everybody's own goes, a dozen at once, with sudden deaths between."""
    told: list[Told] = []
    numbers, ended = iter(range(signups)), itertools.count(1)
    every = max(1, min(25, signups // DEATHS))
    one_dies = asyncio.Lock()

    async def one_after_the_other() -> None:
        for number in numbers:
            one = await _begun(scene, number)
            told.append(one)
            await Person(scene, one).live(goes(seed, number))
            if next(ended) % every == 0:
                async with one_dies:
                    await scene.sudden_death()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    return told


async def _begun(scene: Scene, number: int) -> Told:
    """The person's link; asked for again with the same key where the answer does not come."""
    tenant = scene.tenants[number % len(scene.tenants)]
    customer = tenant.customers[number // len(scene.tenants)]
    types = ["dedicated", "coexistence"] if number % 2 else ["dedicated"]
    body = {"allowedConnectionTypes": types, "successRedirectUrl": "https://your-app.com/done", "syncHistory": True}
    path = f"/admin/customers/{customer}/setup-links"
    link = await patiently(lambda: tenant.api.made(path, body, Idempotency_Key=f"soak-{number}"))
    return Told(tenant, customer, link)


async def _help(scene: Scene, told: list[Told]) -> None:
    """Somebody sits beside each who has not finished: the same link, or a new one where it has failed."""
    waiting = asyncio.Semaphore(AT_ONCE)

    async def beside(one: Told) -> None:
        async with waiting:
            person = Person(scene, one)
            link = await person.look()
            if link["phase"] == "failed" and "failed, a new link" not in one.states:
                one.states["failed, a new link"] += 1
                path = f"/admin/customers/{one.customer_id}/setup-links"
                one.link = await patiently(lambda: one.tenant.api.made(path, {"allowedConnectionTypes": ["dedicated"]}))
                link = await person.look()
            if link["phase"] == "action_required":
                link = await person.answer(link)
            if link["phase"] not in {*ENDED, "provisioning", "action_required"}:
                await person.live([HELP])

    async with asyncio.TaskGroup() as group:
        for one in told:
            group.create_task(beside(one))


def shown(dialect: str, found: list[Verdict], states: Counter[str], struck: Counter[str]) -> str:
    """One database's part of the answer."""
    width = max(len(verdict.what) for verdict in found)
    lines = [f"{v.what:<{width}}  {dialect:<10}  {'ok' if not v.wrong else 'WRONG':<5}  {v.seen}" for v in found]
    lines += [f"    {what}" for verdict in found for what in verdict.wrong[:10]]
    lines.append("went on from: " + (", ".join(f"{n} {state}" for state, n in states.most_common()) or "nothing"))
    lines.append("struck: " + ", ".join(f"{n} {kind}" for kind, n in sorted(struck.items())))
    return "\n".join(lines)


async def measured(folder: Path, server: PostgresServer | None, options: argparse.Namespace) -> bool:
    """One database; True where nothing was wrong."""
    began = time.perf_counter()
    async with staged(folder, server, options.seed) as scene:
        found, states, struck = await soak(scene, options.signups, options.seed)
        dialect, seconds = scene.ground.dialect, time.perf_counter() - began
        print(f"\n{options.signups} signups on {dialect}, seed {options.seed}, {seconds:.0f} s")
        print(shown(dialect, found, states, struck), flush=True)
    return not any(verdict.wrong for verdict in found)


def main() -> int:
    """The exit code."""
    parser = parser_for("soak", __doc__)
    parser.add_argument("--signups", type=int, default=1_000)
    return measured_on_each(measured, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
