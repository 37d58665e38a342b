"""The traffic benchmarks on made-up figures, their yardstick, their receiver, their old rows. Nothing is timed here."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from benchmarks import table
from benchmarks.table import Round
from benchmarks.traffic import notifications, old, receiver, rows, seeding
from benchmarks.traffic.bare import Bare
from benchmarks.traffic.fairness import Lateness
from benchmarks.traffic.ingest import Taken
from benchmarks.traffic.receiver import Receiver, Told
from benchmarks.traffic.seeding import Line
from benchmarks.traffic.turns import in_turn
from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import FILE_NAME
from setuplinks.core.ids import instant_of
from setuplinks.meta.notices import changes
from setuplinks.meta.signatures import SIGNATURE_HEADER
from setuplinks.migrations.apply import migrate
from tests.contract.test_benchmarks import Recording, rounds
from tests.support.loopback import bound_socket, port_of
from tests.support.postgres import PostgresServer
from tests.support.service import running_service

LINE = Line(1, 1, "900000000001", "700000000001")


async def test_sides_take_turns_and_their_first_short_round_does_not_count() -> None:
    order: list[tuple[str, float]] = []

    async def side(name: str, share: float) -> Round:
        order.append((name, share))
        return Round(share, (0.1,))

    ours, raw = await in_turn(lambda share: side("ours", share), lambda share: side("raw", share), 2)
    assert [name for name, _ in order] == ["ours", "raw"] * 3
    assert [one.rate for one in [*ours, *raw]] == [1.0] * 4


@pytest.mark.parametrize(("rate", "verdict"), [(70, "ok"), (69, "MISS")])
def test_notifications_are_held_against_the_bare_handler(rate: float, verdict: str) -> None:
    found = rows.taken("SQLite", Taken(rounds(rate), rounds(100), rounds(900), 50.0))
    assert [row.verdict for row in found] == [verdict, "below", "ok"]
    assert found[2].figure == "empty ASGI app 900/s, single-row commit 50/s"


def test_one_process_decides_and_more_are_shown() -> None:
    ours, raw = rounds(79), rounds(100)
    [decides, cost] = rows.beside_raw(rows.DELIVER, "SQLite", ours, raw, at_least=0.8)
    [shown] = rows.beside_raw(rows.DELIVER, "PostgreSQL", ours, raw, at_least=0.8, processes=2)
    assert (decides.verdict, cost.verdict, shown.verdict) == ("MISS", "ok", "below")
    assert table.exit_code([cost, shown]) == 0


@pytest.mark.parametrize(("beside", "verdict"), [(0.02, "ok"), (0.021, "MISS")])
def test_healthy_tenants_may_be_twice_as_late_beside_hostile_ones(beside: float, verdict: str) -> None:
    assert rows.fair("SQLite", Lateness([0.01] * 10, [beside] * 10)).verdict == verdict


@pytest.mark.parametrize(("late", "verdict"), [(0.029, "ok"), (0.031, "MISS")])
def test_one_notification_alone_is_there_soon(late: float, verdict: str) -> None:
    assert rows.unloaded("SQLite", [late] * 10).verdict == verdict


def test_a_made_notification_is_one_of_metas() -> None:
    [change] = changes(notifications.body(LINE))
    assert (change.field, change.meta_waba_id, change.meta_phone_number_id) == (
        "messages", LINE.meta_waba_id, LINE.meta_phone_number_id,
    )  # fmt: skip


async def test_the_receiver_counts_by_path_and_knows_how_late_each_was() -> None:
    told = Told()
    with bound_socket() as place:
        port = port_of(place)
        server = await asyncio.get_running_loop().create_server(lambda: Receiver(told), sock=place)
        async with server, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}"
            for path in ("/hooks", "/hooks", "/circle"):
                async with session.post(url + path, data=notifications.body(LINE), allow_redirects=False) as answer:
                    assert answer.status == (302 if path == "/circle" else 204)
            assert await receiver.came(port, 2) == 2
            found = await receiver.told(port, reset=True)
            assert found.counts == {"/hooks": 2, "/circle": 1}
            assert [0 < late < 60 for late in found.late["/hooks"]] == [True, True]
            assert (await receiver.told(port)).counts == {}


async def test_the_yardstick_of_notifications_sends_the_services_own_statement(
    tmp_path: Path, clock: ManualClock
) -> None:
    await migrate(None, tmp_path)
    db = Recording(tmp_path / FILE_NAME, None)
    async with running_service(db, clock, tmp_path) as service:
        service.parts.handover.close()  # what is measured runs without workers
        head, _, raw = notifications.request(LINE).partition(b"\r\n\r\n")
        signature = head.decode().partition(f"{SIGNATURE_HEADER}: ")[2].split("\r\n")[0]
        db.texts.clear()
        async with aiohttp.ClientSession() as session:
            path = f"{service.url}/meta/notifications"
            async with session.post(path, data=raw, headers={SIGNATURE_HEADER: signature}) as answer:
                assert answer.status == 200
        own = db.texts.copy()
        db.texts.clear()
        await Bare(db).write(raw)
        assert db.texts == own
        assert len(own) == 1
    await db.close()


async def test_old_attempts_stand_in_the_days_that_are_kept(
    database_dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    on_postgres = database_dialect == "postgres"
    server: PostgresServer | None = request.getfixturevalue("postgres_server") if on_postgres else None
    scene = await seeding.made(tmp_path / "db", server, ["http://127.0.0.1:9/hooks"] * 2)
    await old.attempts(scene, 400)
    [counts] = await seeding.asked(scene, "SELECT count(*), count(DISTINCT delivery_id) FROM attempt")
    assert tuple(counts) == (400, 200)
    for made_id, created_at in await seeding.asked(scene, "SELECT id, created_at FROM delivery"):
        assert instant_of(made_id) == created_at
    if server is not None:
        [(stray,)] = await seeding.asked(scene, "SELECT count(*) FROM attempt_default")
        assert stray == 0
        server.drop_database(str(scene.url))
