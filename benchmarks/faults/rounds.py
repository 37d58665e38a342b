"""One strike after the other: what Meta was answered meanwhile, what the service used of memory, when all went on.

Owns the measuring around a strike. What must hold at the end of the run stands in `verdicts`.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.faults.scene import Scene
from benchmarks.faults.strikes import Strike

CALM = 2.0  # seconds of good weather before each strike
AT_FIRST = 0.5  # what is answered so soon after a strike was begun before it
PATIENCE = 60.0
META_AGAIN = 10.0  # seconds after which Meta is answered with 200 again, at most
MEMORY_GROWS = 40.0  # MB that a program may use more while a strike lasts


@dataclass
class Struck:
    """What a strike came to. Times in seconds after it had ended; None where it did not come about."""

    what: str
    lasted: float
    answers: Counter[int | None]
    slowest: float
    meta_again: float | None
    told_again: float | None
    all_told: float | None
    limit: float
    grew: tuple[float, str]  # MB, and the program
    drained: str = ""
    wrong: list[str] = field(default_factory=list)


async def strike(scene: Scene, one: Strike) -> Struck:
    """Strikes, waits, heals, and waits until new messages have reached each tenant, and what was on its way, too."""
    await asyncio.sleep(CALM)
    before = dict(scene.memory)
    scene.memory.clear()
    began = time.time()
    await one.strike(scene)
    struck = time.time()
    drained, lost = await _recorded(scene, began, struck) if one.drains else ("", [])
    await asyncio.sleep(one.seconds)
    healed = time.time()
    answers = scene.telling.answers(struck + AT_FIRST, healed)
    await one.heal(scene)
    whole = time.time()
    told_again = await _told_again(scene, whole)
    all_told = await _all_told(scene, whole)
    accepted = scene.telling.accepted_after(whole)
    again, slowest = None if accepted is None else max(0.0, accepted - whole), scene.telling.slowest(began, whole)
    found = Struck(
        one.what, healed - began, answers, slowest, again, told_again, all_told, one.limit,
        _growth(before, scene.memory), drained, lost,
    )  # fmt: skip
    found.wrong += _wrong(scene, one, found, began, whole)
    return found


async def _told_again(scene: Scene, since: float) -> float | None:
    """Seconds until each tenant has a message of a notification whose accepted try began after `since`."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        firsts = {tenant.name: _first_arrival(scene, tenant.name, since) for tenant in scene.tenants}
        if all(first is not None for first in firsts.values()):
            return max(first - since for first in firsts.values() if first is not None)
        await asyncio.sleep(0.1)
    return None


async def _all_told(scene: Scene, since: float) -> float | None:
    """Seconds until everything that was accepted before `since` has arrived; None where a retry waits for minutes."""
    end, arrived = time.monotonic() + PATIENCE, scene.receiver.messages
    accepted = (told for told in scene.telling.told if told.accepted_at is not None and told.accepted_at <= since)
    missing = [item for told in accepted for item in told.items if item not in arrived]
    while missing and time.monotonic() < end:
        await asyncio.sleep(0.1)
        missing = [item for item in missing if item not in arrived]
    return None if missing else max(0.0, time.time() - since)


def _first_arrival(scene: Scene, tenant: str, since: float) -> float | None:
    arrived = scene.receiver.messages
    found: list[float] = []
    for told in reversed(scene.telling.told):
        if told.tries and told.tries[0].began < since:
            break
        if told.line.tenant == tenant and told.accepted_at is not None:
            found += [arrived[item] for item in told.items if item in arrived]
    return min(found, default=None)


async def _recorded(scene: Scene, asked: float, ended: float) -> tuple[str, list[str]]:
    """After a drain: everything that was answered in it is recorded as delivered, and nothing is leased."""
    answered = {key for key, at in scene.receiver.answered.items() if asked <= at <= ended}
    rows = await scene.ground.rows("SELECT tenant_id, event_id, status, lease_until FROM delivery")
    names = {tenant.id: tenant.name for tenant in scene.tenants}
    states = {(names[row["tenant_id"]], row["event_id"]): row["status"] for row in rows}
    wrong = [f"{key[1]} was answered while it drained and is {states.get(key)}" for key in answered
             if states.get(key) != "delivered"]  # fmt: skip
    return f"{len(answered)} under way, all recorded" if not wrong else f"{len(wrong)} not recorded", wrong


def _growth(before: dict[str, float], most: dict[str, float]) -> tuple[float, str]:
    """How much the hungriest of the programs grew, and which that is."""
    return max(((size - before[name], name) for name, size in most.items() if name in before), default=(0.0, "none"))


def _wrong(scene: Scene, one: Strike, found: Struck, began: float, whole: float) -> list[str]:
    wrong = []
    if strange := set(found.answers) - one.answers:
        wrong.append(f"Meta was answered {sorted(map(str, strange))} while it lasted")
    if None not in one.answers and (silent := scene.telling.unanswered(began, whole)):
        wrong.append(f"{silent} tries of Meta's had no answer")
    if found.meta_again is None or found.meta_again > META_AGAIN:
        wrong.append(f"Meta was not answered with 200 within {META_AGAIN:g} s")
    if found.told_again is None or found.told_again > one.limit:
        wrong.append(f"a new message had not arrived within {one.limit:g} s")
    megabytes, name = found.grew
    if megabytes > MEMORY_GROWS:
        wrong.append(f"{name} grew by {megabytes:.0f} MB")
    return wrong
