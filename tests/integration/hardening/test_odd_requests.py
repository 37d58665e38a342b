"""Requests that nobody sends by mistake: a clear answer, never an error of ours, and nothing given away."""

import re
from html import unescape

from tests.support.customer import a_customer
from tests.support.service import RunningService, Tenant


async def test_a_filter_by_the_largest_id_finds_nothing(service: RunningService, acme: Tenant) -> None:
    for path in ("setup-links", "phone-numbers", "events"):
        reply = await acme.api.get(f"/admin/tenants/{acme.id}/{path}?customerId={2**53 - 1}")
        assert (reply.status, reply.json["data"]) == (200, []), path


async def test_a_filter_by_another_tenants_customer_finds_nothing(
    service: RunningService, acme: Tenant, stranger: Tenant, clinic: int
) -> None:
    await acme.api.made(f"/admin/customers/{clinic}/setup-links")
    reply = await stranger.api.get(f"/admin/tenants/{stranger.id}/setup-links?customerId={clinic}")
    assert (reply.status, reply.json["data"]) == (200, [])


async def test_answers_of_the_api_are_kept_by_no_cache(service: RunningService, acme: Tenant, clinic: int) -> None:
    key = await acme.api.get(f"/admin/tenants/{acme.id}/redirect-key")
    link = await acme.api.post(f"/admin/customers/{clinic}/setup-links")
    gone = await acme.api.delete(f"/admin/customers/{clinic}")
    assert [reply.headers.get("cache-control") for reply in (key, link, gone)] == ["no-store"] * 3


async def test_a_slash_at_the_end_sends_nobody_to_an_address_made_of_the_host_header(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links")
    path = link["url"].removeprefix(service.url)
    page = await service.operator.with_key(None).get(f"{path}/", Host="evil.example")
    api = await acme.api.get(f"/admin/tenants/{acme.id}/", Host="evil.example")
    assert (page.status, page.headers.get("location")) == (200, None)
    assert (api.status, api.headers.get("location")) == (404, None)


async def test_what_is_no_page_below_signup_is_a_page_that_says_so(service: RunningService) -> None:
    for path in ("/signup/", "/signup/a/b/c", "/signup/x/start", "/signup/images/1/none/x"):
        reply = await service.operator.with_key(None).get(path)
        assert (reply.status, reply.headers["cache-control"]) == (404, "no-store"), path
        assert reply.headers["content-type"].startswith("text/html")


async def test_a_picture_of_any_tenant_number_is_just_not_there(service: RunningService) -> None:
    for digits in (1, 19, 40, 5_000):
        reply = await service.operator.with_key(None).get(f"/signup/images/{'9' * digits}/none%00")
        assert reply.status == 404


async def test_a_page_that_posts_odd_json_is_answered_in_json(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links")
    for body in (
        b'{"state":"\\ud800","code":"x"}', b'{"state":"a\\u0000b","code":"x"}', b'{"state":["x"]}', b"[]", b"{", b"",
        b'{"state":"x","code":{"a":1},"message":["x"]}', b'{"state":"x","code":"\\udfff","message":"\\ud800"}',
        b'{"state":"x","message":"{\\"type\\":\\"WA_EMBEDDED_SIGNUP\\",\\"event\\":\\"CANCEL\\",\\"data\\":[]}"}',
        b"[" * 60_000, b'{"state":"x"}' + b" " * 70_000,
    ):  # fmt: skip
        for name in ("complete", "cancel"):
            path = f"/signup/{link['id']}/{name}"
            reply = await service.operator.with_key(None).call("POST", path, body, Origin=service.url)
            assert reply.status in {200, 403}, body[:80]
            assert "location" in reply.json


async def test_an_odd_code_ends_the_visit_and_nothing_else(service: RunningService, acme: Tenant, clinic: int) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"allowedConnectionTypes": ["dedicated"]})
    async with a_customer(service.url) as person:
        await person.open(link["url"])
        await person.press()
        state = _state_of(person.reply.body)
        path = f"/signup/{link['id']}/complete"
        answer = await person.post_json(path, {"state": state, "code": "\ud800\0x", "message": None})
        await person.look_again()
        assert (answer.status, person.page) == (200, "stopped")
    shown = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert (shown["phase"], shown["failure"]) == ("started", None)


def _state_of(page: bytes) -> str:
    found = re.search(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", unescape(page.decode()))
    assert found is not None
    return found[0]


async def test_an_odd_callback_is_a_page(service: RunningService) -> None:
    for query in (
        "state=%00&code=x", "state=a&state=b&code=c&code=d", "state[]=a&code[]=b", "state=%ff%fe&code=%ff",
        "code=" + "x" * 5_000 + "&state=y", "error[]=access_denied&state=x", "state=" + "9" * 300,
    ):  # fmt: skip
        reply = await service.operator.with_key(None).get(f"/meta/callback?{query}")
        assert reply.status == 404, query[:80]
        assert reply.headers["content-type"].startswith("text/html")


async def test_odd_json_of_a_tenant_is_refused_in_words(service: RunningService, acme: Tenant, clinic: int) -> None:
    for body in (
        b'{"metadata":{"n":%s}}' % (b"9" * 5_000), b'{"metadata":{"n":1e400}}', b'{"state":"\\ud800"}',
        b'{"prefill":{"business":{"name":"\\u0000"}}}', b'{"expiresAt":"9999-12-31T23:59:59-01:00"}',
        b'{"reconnectPhoneNumberId":9007199254740993}', b'{"themeConfig":{"logoUrl":1}}',
        b'{"allowedConnectionTypes":[]}',
    ):  # fmt: skip
        reply = await acme.api.call("POST", f"/admin/customers/{clinic}/setup-links", body)
        assert reply.status in {400, 422}, body[:80]
    assert (await acme.api.get(f"/admin/customers/{clinic}/setup-links")).json["data"] == []


async def test_a_large_number_in_metadata_comes_back_as_it_was(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    sent = {"big": 2**70, "deep": {"list": [1.5, None, True, "\u2028"]}}
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"metadata": sent})
    assert (await acme.api.get(f"/admin/setup-links/{link['id']}")).json["metadata"] == sent


async def test_a_key_that_ends_beyond_the_calendar_is_refused(service: RunningService, acme: Tenant) -> None:
    reply = await acme.api.post(
        f"/admin/tenants/{acme.id}/api-keys", {"name": "x", "expiresAt": "9999-12-31T23:59:59-01:00"}
    )
    assert (reply.status, reply.fields) == (422, {"expiresAt"})
    assert len((await acme.api.get(f"/admin/tenants/{acme.id}/api-keys")).json["data"]) == 1


async def test_an_error_of_ours_tells_nobody_what_is_inside(service: RunningService, acme: Tenant, clinic: int) -> None:
    await acme.api.made(f"/admin/customers/{clinic}/setup-links")
    async with service.db.transaction() as tx:
        tx.add("UPDATE data_key SET wrapped = $2 WHERE tenant_id = $1", acme.id, b"damaged" * 10)
    service.parts.vault.forget()
    reply = await acme.api.get(f"/admin/customers/{clinic}/setup-links")
    assert (reply.status, reply.code) == (500, "internal")
    assert b"key" not in reply.body.lower()
