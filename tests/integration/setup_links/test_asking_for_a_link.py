"""What a tenant may ask for over HTTP: the guide's own requests, every field of its table, each bad thing refused."""

import io
import itertools
import json
import re
from typing import Any

import aiohttp
import pytest

from setuplinks.core.clock import DAY, HOUR, SECOND
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer

GUIDE_FIELDS = {
    "id", "url", "status", "tenantId", "customerId", "expiresAt", "usedAt", "resultingWabaId", "successRedirectUrl",
    "failureRedirectUrl", "allowedConnectionTypes", "themeConfig", "phoneProvisioningEnabled",
    "phoneNumberCountryIsos",
}  # fmt: skip
OUR_FIELDS = {
    "phase", "purpose", "openedAt", "completedAt", "resultingPhoneNumberIds", "failure", "warnings", "createdAt",
}  # fmt: skip
GUIDE_THEME = {
    "themeConfig": {
        "primaryColor": "#10B981",
        "backgroundImage": "https://your-cdn.com/onboarding-bg.jpg",
        "logoUrl": "https://your-cdn.com/logo.png",
        "companyName": "Acme SaaS",
    }
}


async def test_every_field_of_the_guides_table_is_there_with_its_type(desk: Desk) -> None:
    link = await desk.acme.api.made(f"/admin/customers/{desk.clinic}/setup-links", {})
    assert set(link) >= GUIDE_FIELDS | OUR_FIELDS
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", link["id"])
    assert re.fullmatch(re.escape(f"{desk.service.url}/signup/{link['id']}-") + "[0-9a-hjkmnp-tv-z]{26}", link["url"])
    assert (link["tenantId"], link["customerId"]) == (desk.acme.id, desk.clinic)
    assert (link["status"], link["usedAt"], link["resultingWabaId"]) == ("pending", None, None)
    assert link["expiresAt"] == "2026-05-25T12:00:00Z"
    assert link["allowedConnectionTypes"] == ["dedicated", "coexistence"]
    assert (link["phoneProvisioningEnabled"], link["phoneNumberCountryIsos"]) == (False, [])
    assert (link["failure"], link["warnings"], link["purpose"]) == (None, [], "connect")


async def test_the_guides_theme_word_for_word(desk: Desk) -> None:
    link = await desk.acme.api.made(f"/admin/customers/{desk.clinic}/setup-links", GUIDE_THEME)
    assert link["themeConfig"] == GUIDE_THEME["themeConfig"]


async def test_the_guides_customer_word_for_word(desk: Desk) -> None:
    made = await desk.acme.api.made(
        f"/admin/tenants/{desk.acme.id}/customers", {"name": "Clínica San Lucas", "external_id": "clinic_002"}
    )
    assert (made["name"], made["externalId"]) == ("Clínica San Lucas", "clinic_002")


async def test_the_guides_reconnect_word_for_word(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    for given in (number["id"], str(number["id"])):
        link = await desk.acme.api.made(
            f"/admin/customers/{desk.clinic}/setup-links", {"reconnectPhoneNumberId": given}
        )
        assert (link["purpose"], link["reconnectPhoneNumberId"]) == ("reconnect", number["id"])
        assert link["allowedConnectionTypes"] == [number["connectionType"]]


async def test_all_that_was_asked_for_comes_back(desk: Desk) -> None:
    asked: dict[str, Any] = {
        "successRedirectUrl": "https://your-app.com/onboarding/success?a=1#top",
        "failureRedirectUrl": "https://your-app.com/onboarding/failed",
        "expiresAt": "2026-05-25T23:59:59+02:00", "allowedConnectionTypes": ["coexistence"], "language": "es",
        "phoneProvisioningEnabled": True, "phoneNumberCountryIsos": ["US", "AR"], "state": "row 7/ü",
        "metadata": {"plan": "pro"}, "prefill": {"business": {"name": "Clínica"}}, "syncHistory": True,
        "issueApiKey": True,
    }  # fmt: skip
    link = await desk.acme.api.made(f"/admin/customers/{desk.clinic}/setup-links", asked)
    read = await desk.of(link)
    assert {name: read[name] for name in asked} == {**asked, "expiresAt": "2026-05-25T21:59:59Z"}
    assert read == link


BAD: list[tuple[str, Any, str | None, int]] = [
    ("an unknown field", {"succesRedirectUrl": "https://x.example"}, "succesRedirectUrl", 422),
    ("a number for a text", {"successRedirectUrl": 7}, "successRedirectUrl", 422),
    ("a text for a boolean", {"syncHistory": "yes"}, "syncHistory", 422),
    ("an object for a list", {"allowedConnectionTypes": {}}, "allowedConnectionTypes", 422),
    ("a list for an object", {"metadata": []}, "metadata", 422),
    ("a javascript redirect", {"successRedirectUrl": "javascript:alert(1)"}, "successRedirectUrl", 422),
    ("a data redirect", {"failureRedirectUrl": "data:text/html,x"}, "failureRedirectUrl", 422),
    ("a redirect with a user", {"failureRedirectUrl": "https://a:b@x.example"}, "failureRedirectUrl", 422),
    ("a redirect with a line break", {"successRedirectUrl": "https://x.example/\r\nX: y"}, "successRedirectUrl", 422),
    ("a relative redirect", {"successRedirectUrl": "/onboarding"}, "successRedirectUrl", 422),
    ("plain http", {"successRedirectUrl": "http://your-app.com"}, "successRedirectUrl", 422),
    ("a past expiry", {"expiresAt": "2026-05-18T11:59:59Z"}, "expiresAt", 422),
    ("too near an expiry", {"expiresAt": "2026-05-18T12:04:00Z"}, "expiresAt", 422),
    ("too far an expiry", {"expiresAt": "2026-08-17T12:00:01Z"}, "expiresAt", 422),
    ("a naive time", {"expiresAt": "2026-05-25T23:59:59"}, "expiresAt", 422),
    ("no time", {"expiresAt": "tomorrow"}, "expiresAt", 422),
    ("a time beyond the calendar", {"expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt", 422),
    ("a unix time", {"expiresAt": 1779105600}, "expiresAt", 422),
    ("a colour that is CSS", {"themeConfig": {"primaryColor": "red;}body{display:none"}}, "themeConfig", 422),
    ("a theme with an unknown key", {"themeConfig": {"font": "Comic Sans"}}, "themeConfig", 422),
    ("a logo by http", {"themeConfig": {"logoUrl": "http://your-cdn.com/logo.png"}}, "themeConfig", 422),
    ("a logo that is script", {"themeConfig": {"logoUrl": "javascript:x"}}, "themeConfig", 422),
    ("no ISO country", {"phoneNumberCountryIsos": ["XX"]}, "phoneNumberCountryIsos", 422),
    ("a country's name", {"phoneNumberCountryIsos": ["Argentina"]}, "phoneNumberCountryIsos", 422),
    ("a country that is a number", {"phoneNumberCountryIsos": [54]}, "phoneNumberCountryIsos", 422),
    ("no connection type", {"allowedConnectionTypes": []}, "allowedConnectionTypes", 422),
    ("an unknown connection type", {"allowedConnectionTypes": ["fax"]}, "allowedConnectionTypes", 422),
    ("an unknown number", {"reconnectPhoneNumberId": 999}, "reconnectPhoneNumberId", 422),
    ("a number beyond counting", {"reconnectPhoneNumberId": 10**30}, "reconnectPhoneNumberId", 422),
    ("a negative number", {"reconnectPhoneNumberId": -1}, "reconnectPhoneNumberId", 422),
    ("a number that is none", {"reconnectPhoneNumberId": "one"}, "reconnectPhoneNumberId", 422),
    ("a fraction", {"reconnectPhoneNumberId": 1.5}, "reconnectPhoneNumberId", 422),
    ("too long a state", {"state": "x" * 513}, "state", 422),
    ("a NUL byte", {"state": "a\0b"}, "state", 422),
    ("a NUL byte deep inside", {"metadata": {"a": ["\0"]}}, "metadata", 422),
    ("too much metadata", {"metadata": {"a": "x" * 20_000}}, "metadata", 422),
    ("a language that is none", {"language": "klingon!"}, "language", 422),
    ("prefill of another shape", {"prefill": {"business": 7}}, "prefill", 422),
    ("a lone surrogate", b'{"state": "\\ud800"}', None, 400),
    ("broken JSON", b'{"state": ', None, 400),
    ("no JSON", b"successRedirectUrl=https://x.example", None, 400),
    ("no object", b"[]", None, 400),
    ("null", b"null", None, 400),
    ("not UTF-8", b'{"state": "\xff"}', None, 400),
    ("a key twice as deep as the stack", b"[" * 100_000, None, 400),
    ("nested a thousand times", b'{"metadata": ' + b'{"a": ' * 1_000 + b"1" + b"}" * 1_000 + b"}", None, 400),
    ("NaN", b'{"metadata": {"a": NaN}}', None, 400),
]


async def test_each_bad_thing_is_refused_by_name_and_nothing_is_written(desk: Desk) -> None:
    wrong = {}
    for name, body, field, status in BAD:
        reply = await desk.acme.api.post(f"/admin/customers/{desk.clinic}/setup-links", body)
        problem = reply.json if reply.headers.get("content-type") == "application/problem+json" else {}
        fields = {error["field"] for error in problem.get("errors", [])}
        named = field is None or any(f == field or f.startswith((field + ".", field + "[")) for f in fields)
        good_status = reply.status == status or (status == 400 and reply.status == 422)
        if not good_status or not named or problem.get("status") != reply.status:
            wrong[name] = (reply.status, fields, reply.body[:300])
    assert wrong == {}
    assert await desk.rows("setup_link") == []
    assert await desk.types() == []
    assert await desk.rows("theme_image") == []


async def test_a_body_of_10_mb_is_refused(desk: Desk) -> None:
    url = f"{desk.service.url}/admin/customers/{desk.clinic}/setup-links"
    body = io.BytesIO(b'{"state": "' + b"x" * 10_000_000 + b'"}')
    headers = {"Authorization": f"Bearer {desk.acme.key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (413, "application/problem+json")
    assert await desk.rows("setup_link") == []


async def test_a_number_of_another_customer_or_another_tenant_cannot_be_reconnected(
    desk: Desk, customer: Customer, stranger: Any
) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    other = await desk.another_customer()
    foreign = await stranger.api.made(f"/admin/tenants/{stranger.id}/customers", {"name": "x"})
    for api, customer_id in ((desk.acme.api, other), (stranger.api, foreign["id"])):
        reply = await api.post(f"/admin/customers/{customer_id}/setup-links", {"reconnectPhoneNumberId": number["id"]})
        assert (reply.status, reply.fields) == (422, {"reconnectPhoneNumberId"})


async def test_what_does_not_fit_a_reconnect_is_refused(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    path = f"/admin/customers/{desk.clinic}/setup-links"
    reply = await desk.acme.api.post(
        path, {"reconnectPhoneNumberId": number["id"], "allowedConnectionTypes": ["coexistence"]}
    )
    assert (reply.status, reply.fields) == (422, {"allowedConnectionTypes"})
    reply = await desk.acme.api.post(path, {"reconnectPhoneNumberId": number["id"], "phoneProvisioningEnabled": True})
    assert (reply.status, reply.fields) == (422, {"phoneProvisioningEnabled"})
    await desk.acme.api.delete(f"/admin/phone-numbers/{number['id']}")
    reply = await desk.acme.api.post(path, {"reconnectPhoneNumberId": number["id"]})
    assert (reply.status, reply.fields) == (422, {"reconnectPhoneNumberId"})


async def test_the_same_idempotency_key_makes_one_link(desk: Desk) -> None:
    path = f"/admin/customers/{desk.clinic}/setup-links"
    first = await desk.acme.api.post(path, {}, Idempotency_Key="k1")
    again = await desk.acme.api.post(path, {}, Idempotency_Key="k1")
    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json
    other = await desk.acme.api.post(path, {"language": "es"}, Idempotency_Key="k1")
    assert other.status == 409
    assert len(await desk.rows("setup_link")) == 1


async def test_a_link_is_changed_while_it_is_open(desk: Desk) -> None:
    link = await desk.link()
    changed = await desk.acme.api.patch(
        f"/admin/setup-links/{link['id']}",
        {"successRedirectUrl": None, "expiresAt": "2026-05-19T00:00:00Z", "language": "es", "themeConfig": {}},
    )
    assert changed.status == 200
    assert (changed.json["successRedirectUrl"], changed.json["expiresAt"]) == (None, "2026-05-19T00:00:00Z")
    assert changed.json["url"] == link["url"]
    assert changed.json["failureRedirectUrl"] == link["failureRedirectUrl"]
    await desk.service.advance(13 * HOUR)
    assert await desk.phase(link) == "expired"
    late = await desk.acme.api.patch(f"/admin/setup-links/{link['id']}", {"expiresAt": "2026-05-30T00:00:00Z"})
    assert (late.status, late.code) == (409, "link_ended")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"state": "x"}, "state"),
        ({"expiresAt": None}, "expiresAt"),
        ({"expiresAt": "2026-05-18T11:00:00Z"}, "expiresAt"),
        ({"successRedirectUrl": "javascript:x"}, "successRedirectUrl"),
    ],
)
async def test_a_change_that_may_not_be_names_its_field(desk: Desk, body: dict[str, Any], field: str) -> None:
    link = await desk.link()
    reply = await desk.acme.api.patch(f"/admin/setup-links/{link['id']}", body)
    assert (reply.status, reply.fields) == (422, {field})
    assert await desk.of(link) == link


async def test_lists_are_newest_first_paged_and_filtered(desk: Desk, customer: Customer) -> None:
    made = []
    for n in range(5):
        made.append(await desk.link(state=str(n)))
        desk.service.clock.advance(SECOND)
    path = f"/admin/tenants/{desk.acme.id}/setup-links"
    seen, after = [], ""
    while after is not None:
        page = (await desk.acme.api.get(f"{path}?limit=2{f'&after={after}' if after else ''}")).json
        seen += [row["id"] for row in page["data"]]
        after = page["nextCursor"]
    assert seen == [link["id"] for link in reversed(made)]
    for query, expected in (
        ("status=revoked", 4), ("status=pending", 1), ("phase=pending", 1), ("phase=started", 0), ("status=expired", 0),
        (f"customerId={desk.clinic}", 5), ("customerId=12345", 0), ("status=revoked&phase=pending", 0),
    ):  # fmt: skip
        assert len((await desk.acme.api.get(f"{path}?{query}")).json["data"]) == expected, query
    desk.service.clock.advance(8 * DAY)  # lapsed, and the sweeper has not come yet
    assert len((await desk.acme.api.get(f"{path}?status=expired")).json["data"]) == 1
    assert len((await desk.acme.api.get(f"{path}?status=pending")).json["data"]) == 0
    for query in ("status=lost", "phase=x", "limit=0", "limit=1000000", "after=nonsense", "customerId=x"):
        assert (await desk.acme.api.get(f"{path}?{query}")).status == 422, query


async def test_the_timeline_tells_the_way(desk: Desk, customer: Customer) -> None:
    link = await desk.link()
    await customer.walk(link["url"], desk.service.sandbox, scenario="denied")
    await desk.again(customer)
    steps = [kind for kind, _ in itertools.groupby(await desk.steps(link))]  # a window first, then the full page
    assert steps == [
        "created", "continued", "at_facebook", "visit_ended", "continued", "at_facebook", "permission_granted",
        "connected",
    ]  # fmt: skip
    reply = await desk.acme.api.get(f"/admin/setup-links/{link['id']}/timeline")
    assert reply.json["phase"] == "completed"
    assert [row["at"] for row in reply.json["data"]] == sorted(row["at"] for row in reply.json["data"])


async def test_the_funnel_counts_how_far_links_came(desk: Desk, customer: Customer) -> None:
    await desk.link()
    done = await desk.link()
    await customer.open(done["url"])
    await customer.press()
    desk.service.clock.advance(3 * SECOND)
    if customer.left_to is None:
        await customer.press("/page")
    played = await desk.service.sandbox.play(customer.left_to or "")
    await customer.open(played["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    funnel = (await desk.acme.api.get(f"/admin/tenants/{desk.acme.id}/setup-links/funnel")).json
    counts = {name: funnel[name] for name in ("created", "opened", "started", "authorized", "completed", "failed")}
    assert counts == {"created": 2, "opened": 1, "started": 1, "authorized": 1, "completed": 1, "failed": {}}
    assert funnel["secondsToConnectP50"] == funnel["secondsToConnectP90"] == 3.0
    assert json.dumps(funnel)
