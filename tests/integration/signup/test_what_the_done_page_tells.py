"""The done page beyond business and number: earlier chats of a number whose app stays, and a number that must wait."""

import asyncio

import pytest

from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer

COEXISTENCE = {"allowedConnectionTypes": ["coexistence"], "syncHistory": True}


async def until_reads(desk: Desk, customer: Customer, text: str) -> None:
    """Meta sends its chunks by itself; the page is loaded until it says so."""
    async with asyncio.timeout(60):
        while True:
            await desk.service.drain()
            await customer.look_again()
            assert customer.page == "done"
            if text in " ".join(customer.text.split()):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("scenario", "text"),
    [("default", "Earlier chats All here"), ("history_declined", "Earlier chats Not shared That was chosen in the")],
)
async def test_how_far_the_earlier_chats_are(desk: Desk, customer: Customer, scenario: str, text: str) -> None:
    link = await desk.link(**COEXISTENCE)
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario, connection_type="coexistence")
    await until_reads(desk, customer, text)
    assert customer.text.count("Earlier chats") == 1


async def test_before_meta_tells_of_any_they_are_on_their_way(desk: Desk, customer: Customer) -> None:
    await desk.service.sandbox.change_settings(notifications=False)
    link = await desk.link(**COEXISTENCE)
    await customer.walk(link["url"], desk.service.sandbox, connection_type="coexistence")
    await until_reads(desk, customer, "Earlier chats On their way")
    assert "percent" not in customer.text


async def test_a_link_that_asks_for_no_chats_says_nothing_of_them(desk: Desk, customer: Customer) -> None:
    await desk.service.sandbox.change_settings(notifications=False)
    link = await desk.link(**{**COEXISTENCE, "syncHistory": False})
    await customer.walk(link["url"], desk.service.sandbox, connection_type="coexistence")
    await until_reads(desk, customer, "Your WhatsApp is connected")
    assert "Earlier chats" not in customer.text


@pytest.mark.parametrize("scenario", ["register_rate_limited", "register_pin_guesses"])
async def test_a_number_that_whatsapp_holds_back_says_that_nothing_is_to_do(
    desk: Desk, customer: Customer, scenario: str
) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await until_reads(desk, customer, "WhatsApp lets it send a little later. That goes on by itself")
    assert "can now send" not in customer.text
