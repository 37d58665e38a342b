"""kill -9 in the middle of each step: the work goes on where it was recorded, and the code is exchanged once."""

import asyncio
import contextlib
from typing import Any

import aiohttp

from tests.recovery.mortal import Mortal
from tests.support.customer import Customer
from tests.support.inbox import Inbox
from tests.support.processes import running_program

RUNS = "SELECT status, step, token, lease_until FROM provisioning ORDER BY id"
# The call that a death interrupts, how many of its kind pass before it, and the step behind the last record.
DEDICATED = (
    ("debug_token", 0, "inspect_token"),
    ("waba", 0, "inspect_token"),
    ("phone_numbers", 0, "inspect_token"),
    ("subscribed_apps", 0, "note_subscription"),
    ("subscribed_apps", 1, "subscribe_app"),
    ("register", 0, "subscribe_app"),
    ("phone", 0, "read_metadata"),
)
COEXISTENCE = (
    ("phone_numbers", 0, "inspect_token"),
    ("subscribed_apps", 0, "note_subscription"),
    ("subscribed_apps", 1, "subscribe_app"),
    ("smb_app_data", 0, "subscribe_app"),
    ("smb_app_data", 1, "subscribe_app"),
    ("phone", 0, "read_metadata"),
)
RECONNECT = (
    ("debug_token", 0, "inspect_token"),
    ("waba", 0, "inspect_token"),
    ("phone_numbers", 0, "inspect_token"),
    ("subscribed_apps", 0, "note_subscription"),
    ("phone", 0, "read_metadata"),
)


async def _killed_in_each(
    mortal: Mortal, link: dict[str, Any], deaths: tuple[tuple[str, int, str], ...], connection_type: str = "dedicated"
) -> Customer:
    """Walks the link while the process dies in each of these calls, and lets the last one live; the browser."""
    customer = await mortal.customer()
    for index, (call, passing, step) in enumerate(deaths):
        await mortal.hold(call, passing=passing)
        if index == 0:
            await customer.walk(link["url"], mortal.sandbox, connection_type=connection_type)
        else:
            await mortal.let_leases_end()
            await mortal.start()
        await mortal.until_held()
        mortal.kill()
        run = (await mortal.rows(RUNS))[-1]
        assert (run["status"], run["step"], run["token"] is None) == ("running", step, False)
    await mortal.sandbox.no_more_faults()
    await mortal.let_leases_end()
    await mortal.start()
    await mortal.until_phase(link, "completed")
    return customer


async def test_a_process_that_dies_in_every_step_loses_and_doubles_nothing(mortal: Mortal, inbox: Inbox) -> None:
    assert mortal.api is not None
    endpoint = await mortal.api.made(f"/admin/tenants/{mortal.tenant}/webhook-endpoints", {"url": inbox.url})
    customer = await _killed_in_each(mortal, await mortal.link(), DEDICATED)
    assert len(await mortal.sandbox.calls("exchange")) == 1
    types = await mortal.events()
    assert [types.count(name) for name in ("whatsapp.phone_number.created", "setup_link.completed")] == [1, 1]
    assert [(run["status"], run["token"]) for run in await mortal.rows(RUNS)] == [("done", None)]
    [created] = await inbox.wait_for("whatsapp.phone_number.created")
    assert created.signed_by(endpoint["secret"])
    await customer.look_again()
    assert customer.page == "done"


async def test_a_coexistence_number_survives_a_death_in_every_step_and_is_synchronised_once(mortal: Mortal) -> None:
    link = await mortal.link(allowedConnectionTypes=["coexistence"], syncHistory=True)
    await _killed_in_each(mortal, link, COEXISTENCE, "coexistence")
    calls = await mortal.sandbox.calls("smb_app_data")
    assert [call["status"] for call in calls].count(200) == 2
    assert await mortal.sandbox.calls("register") == []
    [run] = await mortal.rows(RUNS)
    assert (run["status"], run["token"]) == ("done", None)


async def test_a_reconnect_survives_a_death_in_every_step(mortal: Mortal) -> None:
    customer, first = await mortal.customer(), await mortal.link()
    await customer.walk(first["url"], mortal.sandbox)
    await mortal.until_phase(first, "completed")
    [number] = await mortal.rows("SELECT id FROM phone_number")
    [old] = await mortal.rows("SELECT token, version FROM credential")
    link = await mortal.link(reconnectPhoneNumberId=number["id"])
    await _killed_in_each(mortal, link, RECONNECT)
    [new] = await mortal.rows("SELECT token, version FROM credential")
    assert (new["token"] != old["token"], new["version"]) == (True, old["version"] + 1)
    types = await mortal.events()
    assert (types.count("whatsapp.phone_number.reconnected"), types.count("whatsapp.phone_number.created")) == (1, 1)
    assert len(await mortal.sandbox.calls("register")) == 1


async def test_a_death_within_the_exchange_is_named_after_a_minute_and_the_link_goes_on(mortal: Mortal) -> None:
    link, customer = await mortal.link(), await mortal.customer()
    played = await mortal.sandbox.play(await customer.go_to_meta(link["url"]))
    await mortal.hold("exchange")
    coming_back = asyncio.create_task(_cut_off(customer, played))
    await mortal.until_held()
    mortal.kill()
    await coming_back
    [visit] = await mortal.rows("SELECT status, exchanging_at FROM visit")
    assert visit["status"] == "exchanging"
    await mortal.start()
    await customer.open(f"{mortal.url}/signup/{link['id']}")
    assert customer.page == "finishing"
    mortal.kill()
    await mortal.write("UPDATE visit SET exchanging_at = exchanging_at - 60000000")  # a minute passes
    await mortal.write("UPDATE setup_link SET due_at = due_at - 60000000")
    await mortal.start()
    await mortal.until_phase(link, "started")
    [visit] = await mortal.rows("SELECT status, end_code FROM visit")
    assert (visit["status"], visit["end_code"]) == ("ended", "code_exchange_failed")
    await customer.open(played["redirectUrl"].partition("#")[0])  # the state is spent: nothing is exchanged twice
    assert customer.page == "stopped"
    assert await mortal.rows(RUNS) == []
    await customer.walk(link["url"], mortal.sandbox)
    await mortal.until_phase(link, "completed")


async def _cut_off(customer: Customer, played: dict[str, Any]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        await customer.open(played["redirectUrl"].partition("#")[0])


async def test_a_grant_is_kept_by_a_death_right_after_the_answer(mortal: Mortal) -> None:
    link, customer = await mortal.link(), await mortal.customer()
    await mortal.hold("debug_token")
    await customer.walk(link["url"], mortal.sandbox)
    mortal.kill()
    [run] = await mortal.rows(RUNS)
    assert run["token"] is not None
    await mortal.let_leases_end()
    await mortal.start()
    await mortal.until_phase(link, "completed")
    assert len(await mortal.sandbox.calls("exchange")) == 1


async def test_a_revocation_is_cleaned_up_after_a_death(mortal: Mortal) -> None:
    assert mortal.api is not None
    link, customer = await mortal.link(), await mortal.customer()
    await mortal.hold("register")
    played = await customer.walk(link["url"], mortal.sandbox)
    await mortal.until_held()
    assert (await mortal.api.post(f"/admin/setup-links/{link['id']}/revoke")).status == 200
    mortal.kill()
    await mortal.let_leases_end()
    await mortal.start()

    async def cleaned() -> bool:
        return [(run["status"], run["token"]) for run in await mortal.rows(RUNS)] == [("revoked", None)]

    await mortal.until(cleaned)
    state = await mortal.sandbox.ask("GET", f"/sandbox/wabas/{played['wabaIds'][0]}")
    assert state["subscribedApps"] == {}
    assert await mortal.rows("SELECT * FROM credential") == []


async def test_a_second_process_takes_over_when_the_dead_ones_lease_has_ended(
    mortal: Mortal, database_dialect: str
) -> None:
    link, customer = await mortal.link(), await mortal.customer()
    await mortal.hold("phone_numbers")
    await customer.walk(link["url"], mortal.sandbox)
    await mortal.until_held()
    if database_dialect == "sqlite":  # a file has one server: the next one frees the leases and goes on at once
        mortal.kill()
        await mortal.start()
        await mortal.until_phase(link, "completed")
    else:
        mortal.kill()
        assert [run["lease_until"] is None for run in await mortal.rows(RUNS)] == [False]
        async with running_program("worker", folder=mortal.folder, environ=mortal.environ) as other:

            async def done() -> bool:
                return [run["status"] for run in await mortal.rows(RUNS)] == ["done"]

            await mortal.until(done)
            assert await other.stop() == 0
    assert len(await mortal.sandbox.calls("exchange")) == 1


async def test_a_process_that_is_asked_to_stop_finishes_what_it_does(mortal: Mortal) -> None:
    assert mortal.program is not None
    link, customer = await mortal.link(), await mortal.customer()
    played = await mortal.sandbox.play(await customer.go_to_meta(link["url"]))
    await mortal.hold("exchange")
    coming_back = asyncio.create_task(customer.open(played["redirectUrl"].partition("#")[0]))
    await mortal.until_held()
    stopping = asyncio.create_task(mortal.program.stop())
    await mortal.program.until_prints("serve.stopping")
    await mortal.sandbox.let_go("exchange")
    assert await stopping == 0
    with contextlib.suppress(aiohttp.ClientError, asyncio.CancelledError):
        coming_back.cancel()
        await coming_back
    [run] = await mortal.rows(RUNS)
    assert run["token"] is not None or run["status"] == "done"
    await mortal.start()
    await mortal.until_phase(link, "completed")
    assert len(await mortal.sandbox.calls("exchange")) == 1
