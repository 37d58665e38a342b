"""The soak itself: two signups in good weather are found to be right, and what is planted wrong is found."""

from pathlib import Path

import pytest

from benchmarks.soak import verdicts
from benchmarks.soak.__main__ import soak
from benchmarks.soak.people import Person, Told
from benchmarks.soak.plan import Go
from benchmarks.soak.scene import Scene, staged

GOOD = [Go("default", False, None)]


async def signed_up(scene: Scene) -> None:
    """One customer of each tenant connects a number, and somebody writes to it."""
    await scene.settle(2)
    await scene.calm()
    for tenant in scene.tenants:
        path = f"/admin/customers/{tenant.customers[0]}/setup-links"
        link = await tenant.api.made(path, {"allowedConnectionTypes": ["dedicated"]})
        await Person(scene, Told(tenant, tenant.customers[0], link)).live(GOOD)
    await scene.time_passes(60)
    assert await scene.quiet(arrived=True)


async def wrong(scene: Scene) -> set[str]:
    """The checks that found something."""
    return {verdict.what for verdict in await verdicts.all_of(scene) if verdict.wrong}


async def test_what_is_right_is_found_right_and_what_is_planted_is_found(tmp_path: Path) -> None:
    async with staged(tmp_path / "soak", None, 1) as scene:
        await signed_up(scene)
        await scene.stop()
        assert await wrong(scene) == set()
        assert len(scene.written) == 2

        lost = next(iter(scene.receiver.seen))
        kept = scene.receiver.seen.pop(lost)
        assert await wrong(scene) == {"every event has arrived"}
        scene.receiver.seen[lost] = kept

        scene.receiver.messages[scene.written[0]].add("another event")
        assert await wrong(scene) == {"every message has arrived, once"}
        scene.receiver.messages[scene.written[0]].discard("another event")

        waba = next(iter(scene.ground.world.wabas.values()))
        apps, waba.subscriptions = waba.subscriptions, {}
        assert await wrong(scene) == {"subscriptions are where numbers are"}
        waba.subscriptions = apps

        token = scene.ground.world.tokens.pop(next(iter(scene.ground.world.tokens)))
        assert await wrong(scene) == {"tokens are held, or cleaned up"}
        scene.ground.world.tokens[token.value] = token

        with (scene.ground.folder / "serve.log").open("a", encoding="utf-8") as log:
            log.write(f'{{"message":"the token is {token.value}"}}\n')
        assert await wrong(scene) == {"no secret in logs and database"}


@pytest.mark.timeout(900)  # it waits for what is on its way, many times
async def test_a_whole_small_soak_ends_without_a_word(tmp_path: Path) -> None:
    async with staged(tmp_path / "soak", None, 3) as scene:
        found, _, _ = await soak(scene, 4, 3)
    assert {verdict.what: verdict.wrong for verdict in found if verdict.wrong} == {}
    assert scene.kills > 0
