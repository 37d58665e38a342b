"""META_TRANSPORT, META_PAGE_EXTRAS and META_POPUP_REDIRECT_URI as a browser meets them, each beside its own Meta."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.integration.setup_links.desk import Desk
from tests.support.customer import DESKTOP, Customer, a_customer
from tests.support.sandbox import APP_ID, CONFIG_ID
from tests.support.service import running_service

PHONE = DESKTOP.replace("X11; Linux x86_64", "Linux; Android 15; Pixel 9").replace(" Safari", " Mobile Safari")
BOTH = ["dedicated", "coexistence"]
AtWork = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def at_work(db: Database, clock: ManualClock, tmp_path: Path, database_url: str | None) -> AtWork:
    """A service with these settings, and the tenant's desk at it."""

    @asynccontextmanager
    async def make(**settings: Any) -> AsyncIterator[Desk]:
        async with running_service(db, clock, tmp_path, database_url, **settings) as service:
            acme = await service.new_tenant("Acme SaaS")
            clinic = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clinic"})
            yield Desk(service, acme, clinic["id"])

    return make


async def chooses(desk: Desk, customer: Customer, kind: str) -> str:
    """Where choosing that kind leads: `popup` or `page`."""
    link = await desk.link(allowedConnectionTypes=BOTH)
    await customer.open(link["url"])
    await customer.press()
    await customer.press("/authorize", connection_type=kind)
    assert customer.left_to is not None or customer.page == "signin"
    return "page" if customer.left_to else "popup"


@pytest.mark.parametrize(
    ("settings", "agent", "taken"),
    [
        ({}, DESKTOP, {"dedicated": "popup", "coexistence": "popup"}),
        ({}, PHONE, {"dedicated": "page", "coexistence": "popup"}),
        ({"meta_transport": "popup"}, PHONE, {"dedicated": "popup", "coexistence": "popup"}),
        ({"meta_transport": "page"}, DESKTOP, {"dedicated": "page", "coexistence": "page"}),
        ({"meta_page_extras": "off"}, PHONE, {"dedicated": "page", "coexistence": "popup"}),
        ({"meta_transport": "page", "meta_page_extras": "off"}, PHONE, {"dedicated": "page", "coexistence": "popup"}),
    ],
)
async def test_the_sign_in_opens_as_the_settings_say(
    at_work: AtWork, settings: dict[str, str], agent: str, taken: dict[str, str]
) -> None:
    async with at_work(**settings) as desk:
        for kind, way in taken.items():
            async with a_customer(desk.service.url, agent) as customer:
                assert await chooses(desk, customer, kind) == way
                if way == "page":
                    query = parse_qs(urlsplit(customer.left_to or "").query)
                    assert ("extras" in query) is (settings.get("meta_page_extras") != "off")
                elif kind == "coexistence":
                    ways_on = [form.action for form in customer.forms if form.action.endswith("/page")]
                    assert bool(ways_on) is (settings.get("meta_page_extras") != "off")


@pytest.mark.parametrize("setting", ["omit", "page"])
async def test_a_popups_code_is_exchanged_as_this_meta_wants_it(at_work: AtWork, setting: str) -> None:
    async with at_work(meta_popup_redirect_uri=setting) as desk, a_customer(desk.service.url) as customer:
        await desk.service.sandbox.change_settings(popupRedirectUri=setting)
        link = await desk.link()
        await customer.open(link["url"])
        await customer.press()
        state = re.search(r'data-state="([0-9a-f]+)"', customer.reply.body.decode())
        assert state is not None
        query = {"client_id": APP_ID, "config_id": CONFIG_ID, "response_type": "code", "display": "popup",
                 "fallback_redirect_uri": customer.url, "override_default_response_type": "true",
                 "extras": '{"setup":{}}'}  # fmt: skip
        dialog = f"{desk.service.sandbox.url}/v25.0/dialog/oauth?{urlencode(query)}"
        played = await desk.service.sandbox.play(dialog, popup=True)
        posted = {"state": state[1], "code": played["code"], "message": json.dumps(played["message"])}
        await customer.post_json(f"/signup/{link['id']}/complete", posted)
        await desk.service.drain()
        await customer.look_again()
        assert customer.page == "done"
        assert len(await desk.service.sandbox.calls("exchange")) == 1
