"""A link that is opened inside of another app: the way out, the way on, and that looking moves nothing."""

import pytest

from tests.integration.setup_links.desk import Desk
from tests.support.customer import a_customer

INSTAGRAM = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/137.0 "
    "Mobile Safari/537.36 Instagram 385.0.0.47.74 Android (35/15)"
)
PREVIEW = "WhatsApp/2.25.16.81 A"


async def test_the_way_out_names_the_app_and_holds_the_links_own_address(desk: Desk) -> None:
    link = await desk.link()
    async with a_customer(desk.service.url, INSTAGRAM) as customer:
        await customer.open(link["url"])
        assert (customer.reply.status, customer.page) == (200, "in_app")
        assert "You are inside Instagram." in customer.text
        assert f'value="{link["url"]}"' in customer.reply.body.decode()
        await customer.open(link["url"] + "/")
        assert f'value="{link["url"]}"' in customer.reply.body.decode()
        assert await desk.steps(link) == ["created"]


@pytest.mark.parametrize("kind", ["dedicated", "coexistence"])
async def test_whoever_goes_on_anyway_takes_the_full_page_to_the_end(desk: Desk, kind: str) -> None:
    link = await desk.link(allowedConnectionTypes=[kind])
    async with a_customer(desk.service.url, INSTAGRAM) as customer:
        await customer.open(link["url"] + "?here")
        assert customer.page == "landing"
        assert await desk.steps(link) == ["created"]
        await customer.press()
        played = await desk.service.sandbox.play(
            customer.left_to or "", scenario="coexistence" if kind == "coexistence" else None
        )
        await customer.open(played["redirectUrl"].partition("#")[0])
        await desk.service.drain()
        await customer.look_again()
        assert customer.page == "done"


async def test_a_link_that_has_ended_says_so_in_there_too(desk: Desk) -> None:
    first = await desk.link()
    await desk.link()
    async with a_customer(desk.service.url, INSTAGRAM) as customer:
        reply = await customer.open(first["url"])
        assert (reply.status, customer.page) == (410, "revoked")


async def test_a_preview_gets_the_landing_page_and_changes_nothing(desk: Desk) -> None:
    link = await desk.link()
    async with a_customer(desk.service.url, PREVIEW) as preview:
        await preview.open(link["url"])
        assert preview.page == "landing"
        assert 'property="og:title"' in preview.reply.body.decode()
    seen = await desk.of(link)
    assert (seen["phase"], seen["openedAt"], seen["usedAt"]) == ("pending", None, None)


async def test_at_a_phone_coexistence_opens_in_a_window_of_its_own(desk: Desk) -> None:
    phone = INSTAGRAM.partition("; wv")[0] + ") AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
    link = await desk.link(allowedConnectionTypes=["dedicated", "coexistence"])
    async with a_customer(desk.service.url, phone) as customer:
        await customer.open(link["url"])
        await customer.press()
        await customer.press("/authorize", connection_type="coexistence")
        assert (customer.page, customer.left_to) == ("signin", None)
        [form] = customer.forms  # the way on where no window opens
        assert form.action.endswith("/page")
