"""What a customer meets around a link's expiry, and where a link leads once its tenant has changed its rules."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from setuplinks.core.clock import MINUTE, ManualClock
from setuplinks.core.db.database import Database
from tests.support.customer import a_customer
from tests.support.service import RunningService, Tenant, running_service

AWAY = "https://your-app.com/onboarding"
SOON = {"expiresAt": "2026-05-18T12:10:00Z", "allowedConnectionTypes": ["dedicated"], "failureRedirectUrl": AWAY}


async def _link(acme: Tenant, clinic: int, **fields: Any) -> dict[str, Any]:
    return await acme.api.made(f"/admin/customers/{clinic}/setup-links", {**SOON, **fields})


async def _told(acme: Tenant, event_type: str) -> list[dict[str, Any]]:
    reply = await acme.api.get(f"/admin/tenants/{acme.id}/events?type={event_type}")
    return [row["data"] for row in reply.json["data"]]


async def test_in_the_grace_a_second_browser_is_told_and_may_ask_while_the_first_one_ends_well(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await _link(acme, clinic)
    async with a_customer(service.url) as first, a_customer(service.url) as second:
        dialog = await first.go_to_meta(link["url"])
        await service.advance(15 * MINUTE)
        reply = await second.open(link["url"])
        assert (reply.status, second.page) == (410, "expired")
        assert "error_code=link_expired" in await second.leave()
        await second.open(link["url"])
        await second.press("/renew")
        assert len(await _told(acme, "setup_link.renewal_requested")) == 1
        played = await service.sandbox.play(dialog)
        await first.open(played["redirectUrl"].partition("#")[0])
        await service.drain()
        await first.look_again()
        assert first.page == "done"


async def test_in_the_grace_a_visit_that_stopped_does_not_offer_what_cannot_be(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await _link(acme, clinic)
    async with a_customer(service.url) as first, a_customer(service.url) as second:
        await first.go_to_meta(link["url"])
        dialog = await second.go_to_meta(link["url"])
        await service.advance(15 * MINUTE)
        [state] = parse_qs(urlsplit(dialog).query)["state"]
        await second.open(f"{service.url}/meta/callback?error=access_denied&state={state}")
        assert second.page == "expired"


async def test_a_redirect_that_the_tenant_has_ruled_out_since_is_not_followed(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await _link(acme, clinic, successRedirectUrl=AWAY)
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox)
        await service.drain()
        assert (await person.leave()).startswith(AWAY)
        patched = await acme.api.patch(f"/admin/tenants/{acme.id}", {"allowedRedirectHosts": ["elsewhere.example"]})
        assert patched.status == 200
        await person.open(f"{service.url}/signup/{link['id']}/leave")
        assert (person.left_to, person.page) == (None, "done")
        assert b"/leave" not in person.reply.body


async def test_a_tenant_that_leaves_takes_its_pictures_along(service: RunningService, acme: Tenant) -> None:
    await acme.api.patch(f"/admin/tenants/{acme.id}", {"theme": {"logoUrl": "https://127.0.0.1:9/logo.png"}})
    assert len(await service.db.read("SELECT id FROM theme_image")) == 1
    assert (await service.operator.delete(f"/admin/tenants/{acme.id}")).status == 204
    assert await service.db.read("SELECT id FROM theme_image") == []


async def test_ways_to_meta_are_counted_like_starts(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    # The tests' own address is a proxy here, so that it is not exempt.
    limited = {"rate_limits": "on", "trusted_proxies": "127.0.0.0/8", "rate_starts": 3}
    async with running_service(db, clock, data_dir, database_url, **limited) as service:
        acme = await service.new_tenant("Acme")
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clinic"})
        link = await acme.api.made(f"/admin/customers/{made['id']}/setup-links")
        async with a_customer(service.url) as person:
            await person.open(link["url"])
            await person.press()
            choose, here = person.forms[0], person.url
            statuses = []
            for _ in range(4):
                await person._go("POST", service.url + choose.action, {**choose.fields, "connection_type": "dedicated"})
                statuses.append(person.reply.status)
        assert statuses == [200, 200, 200, 429], here
        assert len(await service.db.read("SELECT hash FROM authorization_state")) == 3


async def test_a_customer_whose_number_was_not_theirs_leaves_without_a_word_of_success(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await _link(acme, clinic, successRedirectUrl=f"{AWAY}/success", failureRedirectUrl=f"{AWAY}/failed")
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox)
        await service.drain()
        await person.look_again()
        await person.press("/not-mine")
        assert person.page == "disconnected"
        left = await person.leave()
    query = parse_qs(urlsplit(left).query)
    assert left.startswith(f"{AWAY}/failed")
    assert (query["status"], query["error_code"]) == (["failed"], ["cancelled"])
    assert "phone_number_id" not in query


async def test_a_link_whose_number_was_reconnected_by_another_one_still_tells_of_success(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await _link(acme, clinic, successRedirectUrl=f"{AWAY}/success")
    async with a_customer(service.url) as person:
        await person.walk(link["url"], service.sandbox)
        await service.drain()
        [number] = (await acme.api.get(f"/admin/customers/{clinic}/phone-numbers")).json["data"]
        again = await _link(acme, clinic, reconnectPhoneNumberId=number["id"])
        await person.walk(again["url"], service.sandbox, phoneNumberId=number["metaPhoneNumberId"])
        await service.drain()
        assert (await acme.api.get(f"/admin/setup-links/{again['id']}")).json["status"] == "completed"
        await person.open(f"{service.url}/signup/{link['id']}/leave")
    query = parse_qs(urlsplit(person.left_to or "").query)
    assert (query["status"], query["phone_number_id"]) == (["success"], [number["metaPhoneNumberId"]])
