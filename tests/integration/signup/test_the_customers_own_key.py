"""The done page of a link with `issueApiKey`: the key is made by a press, shown once, and stands nowhere else."""

import re
from typing import Any

import pytest

from setuplinks.core.clock import HOUR, MINUTE
from setuplinks.tenants.keys import hash_key
from setuplinks.whatsapp.waba_keys import FIND_BY_HASH, WabaKey
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer

WITH_KEY = {"issueApiKey": True}


def keys_on(customer: Customer) -> list[str]:
    """The keys on the page before her."""
    words = customer.reply.body.decode().split('value="')[1:]
    return [word.partition('"')[0] for word in words if word.startswith("sl_waba_")]


async def found(desk: Desk, key: str) -> WabaKey | None:
    """The key as the gateway finds it."""
    row = await desk.service.db.one(FIND_BY_HASH, hash_key(key))
    return None if row is None else WabaKey.of(row)


async def at_the_end(desk: Desk, customer: Customer, **fields: object) -> dict[str, object]:
    """A walked link, the done page before her."""
    link = await desk.connected(customer, **{**WITH_KEY, **fields})
    await customer.look_again()
    assert customer.page == "done"
    return link


async def test_the_key_is_shown_on_the_answer_to_the_press_and_never_again(desk: Desk, customer: Customer) -> None:
    link = await at_the_end(desk, customer)
    assert "Show the key" in customer.text
    assert await desk.rows("waba_api_key") == []
    await customer.press("/key#key")
    [key] = keys_on(customer)
    assert customer.reply.headers["cache-control"] == "no-store"
    [number] = await desk.numbers()
    assert number["metaPhoneNumberId"] in customer.text
    assert f"{desk.service.url}/graph" in customer.text
    stored = await found(desk, key)
    assert stored is not None
    assert (stored.meta_waba_id, stored.link_id, stored.scope_list) == (
        number["metaWabaId"], link["id"], ["send", "manage", "read"],
    )  # fmt: skip
    await customer.look_again()
    assert keys_on(customer) == []
    assert "Your key was shown on 18 May 2026" in customer.text
    assert "data-leave" not in customer.reply.body.decode()
    [listed] = (await desk.acme.api.get(f"/admin/wabas/{number['wabaId']}/api-keys")).json["data"]
    assert (listed["prefix"], listed["setupLinkId"]) == (key[:12], link["id"])
    assert "key_shown" in await desk.steps(link)
    assert key not in str(await desk.told())


async def test_a_second_press_and_the_bare_address_make_no_other_key(desk: Desk, customer: Customer) -> None:
    link = await at_the_end(desk, customer)
    offered = customer.forms
    await customer.open(f"{desk.service.url}/signup/{link['id']}/key")
    assert (customer.page, await desk.rows("waba_api_key")) == ("done", [])
    await customer.press("/key#key")
    customer.forms[:] = offered
    await customer.press("/key#key")
    assert keys_on(customer) == []
    assert "It cannot be shown again" in customer.text
    assert len(await desk.rows("waba_api_key")) == 1


async def test_without_the_links_own_word_no_key_is_offered_nor_made(desk: Desk, customer: Customer) -> None:
    link = await at_the_end(desk, customer, issueApiKey=False)
    assert "key" not in customer.text.casefold().split()
    token = customer.forms[0].fields["form_token"]
    customer.forms[0].action, customer.forms[0].fields = f"/signup/{link['id']}/key", {"form_token": token}
    await customer.press("/key")
    assert (customer.page, keys_on(customer)) == ("done", [])
    assert await desk.rows("waba_api_key") == []


async def test_a_link_of_two_accounts_shows_a_key_of_each(desk: Desk, customer: Customer) -> None:
    link = await desk.link(**WITH_KEY)
    await customer.walk(link["url"], desk.service.sandbox, scenario="several_wabas")
    await desk.service.drain()
    await customer.look_again()
    ticks = re.findall(r'name="number" [^>]*value="([0-9]+)"', customer.reply.body.decode())
    await customer.press("/numbers", number=ticks)
    await desk.service.drain()
    await customer.look_again()
    await customer.press("/key#key")
    keys = keys_on(customer)
    wabas = {number["metaWabaId"] for number in await desk.numbers()}
    assert (len(keys), len(wabas)) == (2, 2)
    assert {one.meta_waba_id for key in keys if (one := await found(desk, key))} == wabas


async def test_the_key_waits_for_a_day_in_the_browser_that_did_the_signup(desk: Desk, customer: Customer) -> None:
    link = await at_the_end(desk, customer)
    async with a_customer(desk.service.url) as other:
        await other.open(f"{desk.service.url}/signup/{link['id']}")
        assert other.forms == []
    desk.service.clock.advance(23 * HOUR)
    await customer.look_again()
    assert customer.page == "already_connected"
    await customer.press("/key#key")
    assert len(keys_on(customer)) == 1


async def test_after_a_day_it_is_offered_no_more(desk: Desk, customer: Customer) -> None:
    await at_the_end(desk, customer)
    desk.service.clock.advance(24 * HOUR)
    await customer.look_again()
    assert (customer.page, customer.forms) == ("already_connected", [])


async def test_not_mine_revokes_the_key(desk: Desk, customer: Customer) -> None:
    await at_the_end(desk, customer)
    await customer.press("/key#key")
    [key] = keys_on(customer)
    await customer.press("/not-mine")
    assert customer.page == "disconnected"
    assert await found(desk, key) is None
    [row] = await desk.rows("waba_api_key")
    assert row["revoked_at"] == desk.service.clock.now()


async def ticked(desk: Desk, customer: Customer, link: dict[str, Any], scenario: str, place: int) -> None:
    """Walks a link on which she is asked which number, and ticks the one in that place."""
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    await customer.look_again()
    offered = re.findall(r'name="number" value="([0-9]+)"', customer.reply.body.decode())
    await customer.press("/numbers", number=[offered[place]])
    await desk.service.drain()
    await customer.look_again()
    assert customer.page == "done"


async def test_where_the_account_stays_not_mine_revokes_this_links_key_alone(desk: Desk, customer: Customer) -> None:
    first = await desk.link()
    await ticked(desk, customer, first, "several_numbers", 0)
    waba_id = (await desk.of(first))["resultingWabaId"]
    kept = await desk.acme.api.made(f"/admin/wabas/{waba_id}/api-keys", {"name": "program"})
    second = await desk.link(**WITH_KEY)
    await ticked(desk, customer, second, "existing_waba", 1)
    await customer.press("/key#key")
    [key] = keys_on(customer)
    stored = await found(desk, key)
    assert stored is not None
    assert stored.waba_id == waba_id
    await customer.press("/not-mine")
    assert customer.page == "disconnected"
    assert await found(desk, key) is None
    assert await found(desk, kept["key"]) is not None


@pytest.mark.parametrize("token", ["", "x" * 40])
async def test_a_press_that_is_not_from_our_page_makes_none(desk: Desk, customer: Customer, token: str) -> None:
    await at_the_end(desk, customer)
    await customer.press("/key#key", form_token=token)
    assert customer.reply.status == 403
    assert await desk.rows("waba_api_key") == []


async def test_a_key_that_is_offered_does_not_let_the_page_leave_by_itself(desk: Desk, customer: Customer) -> None:
    await at_the_end(desk, customer)
    assert "data-leave" not in customer.reply.body.decode()
    desk.service.clock.advance(MINUTE)
    assert (await customer.leave()).startswith("https://your-app.com/onboarding/success?status=success")
