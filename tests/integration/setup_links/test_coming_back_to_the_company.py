"""The redirect: its parameters and signature, and the popup's way to the same end."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from setuplinks.core.clock import DAY, MINUTE
from setuplinks.tenants.redirects import verify
from tests.integration.setup_links.desk import BOTH, Desk
from tests.support.customer import Customer, a_customer


async def _key(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.acme.api.get(f"/admin/tenants/{desk.acme.id}/redirect-key")).json
    return found


async def test_the_success_redirect_carries_what_the_page_needs_and_is_signed(desk: Desk, customer: Customer) -> None:
    url = "https://your-app.com/onboarding/success?tab=2&status=old#top"
    link = await desk.connected(customer, successRedirectUrl=url, state="row 7/ü&x")
    [number] = await desk.numbers()
    await customer.look_again()
    final = await customer.leave()
    parts = urlsplit(final)
    assert final.startswith("https://your-app.com/onboarding/success?")
    assert parts.fragment == "top"
    pairs = dict(parse_qsl(parts.query))
    assert len(pairs) == len(parse_qsl(parts.query))
    sig, ts = pairs.pop("sig"), pairs.pop("ts")
    assert pairs == {
        "tab": "2", "status": "success", "setup_link_id": link["id"], "waba_id": number["metaWabaId"],
        "phone_number_id": number["metaPhoneNumberId"], "customer_id": str(desk.clinic), "external_id": "clinic_001",
        "state": "row 7/ü&x", "phone_status": "active",
    }  # fmt: skip
    assert int(ts) == desk.service.clock.now() // 1_000_000
    assert len(sig) == 64
    key = (await _key(desk))["key"].encode()
    assert verify(final, key, desk.service.clock.now())
    assert not verify(final.replace(number["metaWabaId"], "1"), key, desk.service.clock.now())
    assert not verify(final, key, desk.service.clock.now() + 11 * MINUTE)


async def test_during_a_rotation_both_keys_sign(desk: Desk, customer: Customer) -> None:
    old = (await _key(desk))["key"].encode()
    await desk.acme.api.post(f"/admin/tenants/{desk.acme.id}/redirect-key/rotate")
    new = (await _key(desk))["key"].encode()
    link = await desk.connected(customer)
    await customer.look_again()
    final = await customer.leave()
    assert len(parse_qs(urlsplit(final).query)["sig"][0].split(",")) == 2
    assert verify(final, old, desk.service.clock.now())
    assert verify(final, new, desk.service.clock.now())
    await desk.service.advance(DAY)
    await customer.open(f"{desk.service.url}/signup/{link['id']}")
    later = await customer.leave()
    assert verify(later, new, desk.service.clock.now())
    assert not verify(later, old, desk.service.clock.now())


async def test_a_stopped_page_offers_the_way_back_with_its_code_and_changes_nothing(
    desk: Desk, customer: Customer
) -> None:
    link = await desk.link(state="7")
    await customer.walk(link["url"], desk.service.sandbox, scenario="denied")
    before = await desk.row(link)
    final = await customer.leave()
    query = parse_qs(urlsplit(final).query)
    assert final.startswith("https://your-app.com/onboarding/failed?")
    assert {name: query[name] for name in ("status", "error_code", "setup_link_id", "state")} == {
        "status": ["failed"], "error_code": ["meta_refused"], "setup_link_id": [link["id"]], "state": ["7"],
    }  # fmt: skip
    assert verify(final, (await _key(desk))["key"].encode(), desk.service.clock.now())
    assert await desk.row(link) == before


@pytest.mark.parametrize(("how", "code"), [("revoked", "link_revoked"), ("expired", "link_expired")])
async def test_an_ended_link_offers_the_way_back_with_its_code(
    desk: Desk, customer: Customer, how: str, code: str
) -> None:
    link = await desk.link()
    if how == "revoked":
        await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
    else:
        await desk.service.advance(8 * DAY)
    await customer.open(link["url"])
    assert customer.page == how
    assert parse_qs(urlsplit(await customer.leave()).query)["error_code"] == [code]


async def test_while_it_takes_long_the_page_offers_a_pending_redirect(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await desk.service.sandbox.fault("debug_token", times=None, status=503)
    await customer.walk(link["url"], desk.service.sandbox)
    assert customer.page == "finishing"
    await desk.service.advance(MINUTE)
    await customer.look_again()
    assert parse_qs(urlsplit(await customer.leave()).query)["status"] == ["pending"]


async def test_without_a_url_our_page_is_the_end(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer, successRedirectUrl=None, failureRedirectUrl=None)
    await customer.look_again()
    assert customer.page == "done"
    await customer.open(customer.url + "/leave")
    assert (customer.left_to, customer.page) == (None, "done")


@pytest.mark.parametrize(
    "scenario", ["message_before_code", "code_before_message", "code_without_message", "several_numbers"]
)
async def test_the_popup_ends_in_the_same_path(desk: Desk, customer: Customer, scenario: str) -> None:
    link = await desk.link()
    await customer.open(link["url"])
    await customer.press()
    assert customer.page == "signin"
    state = customer.reply.body.decode().split('data-state="')[1].split('"')[0]
    settings = desk.service.parts.settings
    dialog = (
        f"{settings.meta_dialog_url}/v25.0/dialog/oauth?client_id={settings.meta_app_id}"
        f"&config_id={settings.meta_config_id}&response_type=code&display=popup"
    )
    played = await desk.service.sandbox.play(dialog, scenario=scenario, popup=True)
    message = None if played["message"] is None else json.dumps(played["message"])
    if scenario == "message_before_code":  # a message alone ends nothing
        await customer.post_json(f"/signup/{link['id']}/complete", {"state": state, "code": None, "message": message})
        assert await desk.phase(link) == "authorizing"
    posted = {"state": state, "code": played["code"], "message": message}
    reply = await customer.post_json(f"/signup/{link['id']}/complete", posted)
    assert reply.json == {"location": f"/signup/{link['id']}"}
    again = await customer.post_json(f"/signup/{link['id']}/complete", posted)
    assert again.json == {"location": f"/signup/{link['id']}"}
    await desk.service.drain()
    assert await desk.phase(link) == "completed"
    assert len(await desk.service.sandbox.calls("exchange")) == 1
    [chosen] = await desk.numbers("?status=active")
    assert played["message"] is None or chosen["metaPhoneNumberId"] == played["message"]["data"]["phone_number_id"]
    if scenario == "several_numbers":
        assert len(await desk.numbers("?status=available")) == 2


async def test_what_a_popup_claims_of_somebody_elses_account_is_not_believed(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [mine] = await desk.numbers()
    other = await desk.another_customer()
    link = await desk.acme.api.made(
        f"/admin/customers/{other}/setup-links", {**BOTH, "allowedConnectionTypes": ["dedicated"]}
    )
    async with a_customer(desk.service.url) as thief:
        await thief.open(link["url"])
        await thief.press()
        state = thief.reply.body.decode().split('data-state="')[1].split('"')[0]
        settings = desk.service.parts.settings
        dialog = (
            f"{settings.meta_dialog_url}/v25.0/dialog/oauth?client_id={settings.meta_app_id}"
            f"&config_id={settings.meta_config_id}&response_type=code&display=popup"
        )
        played = await desk.service.sandbox.play(dialog, popup=True, person="thief")
        forged = {**played["message"]}
        forged["data"] = {**forged["data"], "waba_id": mine["metaWabaId"], "phone_number_id": mine["metaPhoneNumberId"]}
        posted = {"state": state, "code": played["code"], "message": json.dumps(forged)}
        await thief.post_json(f"/signup/{link['id']}/complete", posted)
    await desk.service.drain()
    held = {row["meta_phone_number_id"]: row["customer_id"] for row in await desk.rows("connected_number")}
    assert held[mine["metaPhoneNumberId"]] == desk.clinic
    assert all(owner == desk.clinic or number in played["phoneNumberIds"] for number, owner in held.items())


async def test_two_browsers_racing_make_one_provisioning(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    async with a_customer(desk.service.url) as other:
        backs = []
        for person in (customer, other):
            played = await desk.service.sandbox.play(await person.go_to_meta(link["url"]))
            backs.append(played["redirectUrl"].partition("#")[0])
        await asyncio.gather(customer.open(backs[0]), other.open(backs[1]))
        await desk.service.drain()
        for person in (customer, other):
            await person.open(f"{desk.service.url}/signup/{link['id']}")
            assert person.page == "done"
    runs = await desk.rows("provisioning")
    assert [run["status"] for run in runs] == ["done"]
    assert len(await desk.told("whatsapp.phone_number.created")) == 1


async def test_a_browser_that_goes_away_during_the_exchange_loses_nothing(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    played = await desk.service.sandbox.play(await customer.go_to_meta(link["url"]))
    await desk.service.sandbox.hold("exchange")
    coming_back = asyncio.create_task(customer.open(played["redirectUrl"].partition("#")[0]))
    await desk.service.sandbox.until_held("exchange")
    coming_back.cancel()
    with pytest.raises(asyncio.CancelledError):
        await coming_back
    await desk.service.sandbox.let_go("exchange")
    async with asyncio.timeout(60):
        while await desk.phase(link) != "provisioning":  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.02)
    await desk.service.drain()
    await customer.open(f"{desk.service.url}/signup/{link['id']}")
    assert customer.page == "done"


async def test_a_commit_that_fails_gives_no_2xx_and_writes_nothing(desk: Desk) -> None:
    """A trigger makes the last write of the unit fail, as a full disk would."""
    if desk.service.db.dialect == "sqlite":
        await desk.service.db.bulk(
            "CREATE TRIGGER full_disk BEFORE INSERT ON setup_link BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    else:
        await desk.service.db.bulk("ALTER TABLE setup_link ADD CONSTRAINT full_disk CHECK (id = 'x') NOT VALID")
    reply = await desk.acme.api.post(f"/admin/customers/{desk.clinic}/setup-links", {}, Idempotency_Key="k")
    assert reply.status >= 500
    assert reply.headers["content-type"] == "application/problem+json"
    for table in ("setup_link", "event", "idempotency", "setup_link_slot"):
        assert await desk.rows(table) == [], table
