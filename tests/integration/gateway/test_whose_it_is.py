"""A key reaches its own: for another's number, WABA, file, template or flow the answer is Meta's word for nothing."""

import json
from typing import Any

import pytest
from yarl import URL

from tests.integration.gateway.line import HELLO, VERSION, Line, error_of
from tests.integration.gateway.neighbours import Neighbour, connected_beside
from tests.integration.gateway.other_end import Crossing
from tests.support.customer import Customer, a_customer
from tests.support.service import RunningService, Tenant

NOTHING = (400, 100, 33)
PATHS = (
    "/graph/v25.0/{own}/../{other}/messages",
    "/graph/v25.0/{own}/%2e%2e/{other}/messages",
    "/graph/v25.0/{own}%2f..%2f{other}/messages",
    "/graph/v25.0/{own}//{other}/messages",
    "/graph/v25.0//{other}/messages",
    "/graph//v25.0/{other}/messages",
    "/graph/./v25.0/{other}/messages",
    "/graph/v25.0/{own}/messages/{other}",
    "/graph/v25.0/{own}/phone_numbers/{other}",
    "/graph/v25.0/{own}%3Fid={other}/messages",
    "/graph/v25.0/{own};{other}/messages",
    "/graph/v25.0/{own}\\{other}/messages",
    "/graph/v25.0/%33{other}/messages",
    "/graph/v25.0/{own}/messages%00",
    "/graph/v25.0/{own}/messages%0d%0aX-A:%20b",
    "/graph/{other}/messages",
    "/graph/v25.0",
    "/graph/",
    "/graph/v25.0/me",
    "/graph/v25.0/debug_token",
    "/graph/v25.0/oauth/access_token",
    "/graph/v25.0/1234567890",
    "/graph/v25.0/1234567890/subscriptions",
    "/graph/v25.0/search",
)
QUERIES = (
    "ids=106540352242922", "ids[0]=106540352242922", "%69ds=106540352242922", "+ids=1", "id=1", "method=POST",
    "method=delete", "batch=[]", "input_token=abc", "fields=phone_numbers", "fields=id,owner_business{id}",
    "fields=id,whatsapp_business_account{id,phone_numbers}", "fields=id,flows{application{id}}",
    "fields=id&fields=business", "fields=message_templates.limit(2){id,foo{bar}}",
)  # fmt: skip
BODIES: tuple[dict[str, Any], ...] = (
    {"batch": [{"method": "GET", "relative_url": "1/phone_numbers"}]}, {"ids": ["1"]}, {"method": "DELETE"},
    {"fields": "whatsapp_business_account{phone_numbers}"}, {" ids": "1"}, {"ids[]": "1"},
)  # fmt: skip


@pytest.fixture
async def pair(service: RunningService, acme: Tenant, customer: Customer) -> tuple[Neighbour, Neighbour]:
    """Two customers of one tenant in two WABAs, and the first one's token reaches both."""
    first, played = await connected_beside(service, acme, customer, "several_wabas", 0)
    other = next(waba for waba in played["wabaIds"] if waba != first.waba)
    async with a_customer(service.url) as person:
        link = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Second"})
        made = await acme.api.made(f"/admin/customers/{link['id']}/setup-links", {})
        await person.walk(made["url"], service.sandbox, wabaId=other)
        await service.drain()
    [number] = (await acme.api.get(f"/admin/customers/{link['id']}/phone-numbers")).json["data"]
    key = await acme.api.made(f"/admin/wabas/{number['wabaId']}/api-keys", {"name": "own"})
    second = Neighbour(acme, link["id"], other, number["metaPhoneNumberId"], acme.api.with_key(key["key"]))
    assert number["metaWabaId"] == other
    return first, second


def _reads(things: dict[str, str]) -> list[tuple[str, str, Any]]:
    of = {name: f"/graph/{VERSION}/{meta_id}" for name, meta_id in things.items()}
    return [
        *(("GET", path, None) for path in of.values()),
        *(("DELETE", path, None) for path in of.values()),
        ("POST", f"{of['number']}/messages", HELLO),
        ("POST", f"{of['number']}/media", {}),
        ("GET", f"{of['number']}/whatsapp_business_profile", None),
        ("GET", f"{of['waba']}/phone_numbers", None),
        ("GET", f"{of['waba']}/message_templates", None),
        ("DELETE", f"{of['waba']}/message_templates?name=of_{things['number']}", None),
        ("GET", f"{of['waba']}/flows", None),
        ("GET", f"{of['media']}?phone_number_id={things['number']}", None),
        ("POST", of["template"], {"category": "MARKETING"}),
        ("GET", f"{of['flow']}/assets", None),
        ("POST", f"{of['flow']}/publish", {}),
        ("POST", f"{of['flow']}/deprecate", {}),
    ]


async def test_another_customers_objects_do_not_exist_although_the_token_reaches_them(
    pair: tuple[Neighbour, Neighbour], service: RunningService
) -> None:
    first, second = pair
    theirs = await second.things()
    own = await second.api.get(f"/graph/{VERSION}/{theirs['template']}")
    assert (own.status, own.json["id"]) == (200, theirs["template"])
    before = await service.sandbox.ask("GET", f"/sandbox/wabas/{second.waba}")
    flows, cut = f"/graph/{VERSION}/{first.waba}/flows", {"Content_Type": "multipart/form-data; boundary=cut"}
    copied = {"name": "copy", "categories": ["OTHER"], "clone_flow_id": theirs["flow"]}
    parts = f'--cut\r\nContent-Disposition: form-data; name="clone_flow_id"\r\n\r\n{theirs["flow"]}\r\n--cut--\r\n'
    assert error_of(await first.api.post(flows, copied)) == NOTHING
    assert error_of(await first.api.post(flows, parts.encode(), **cut)) == NOTHING
    assert error_of(await first.api.post(f"{flows}?clone_flow_id={theirs['flow']}")) == NOTHING
    migrate = f"/graph/{VERSION}/{first.waba}/migrate_flows"
    assert error_of(await first.api.post(migrate, {"source_waba_id": second.waba})) == NOTHING
    answers = {f"{how} {path}": error_of(await first.api.call(how, path, body)) for how, path, body in _reads(theirs)}
    assert {name: answer for name, answer in answers.items() if answer != NOTHING} == {}
    assert await service.sandbox.ask("GET", f"/sandbox/wabas/{second.waba}") == before


async def test_its_own_objects_are_reached_by_a_key_that_did_not_make_them(
    pair: tuple[Neighbour, Neighbour], service: RunningService
) -> None:
    first, second = pair
    for one in (first, second):
        made = await one.things()
        service.parts.gateway.proofs.forget()  # as in another process, which knows nothing yet
        for name in ("media", "template", "flow"):
            reply = await one.api.get(f"/graph/{VERSION}/{made[name]}")
            assert (reply.status, reply.json["id"]) == (200, made[name]), name
        assert (await one.api.delete(f"/graph/{VERSION}/{made['media']}")).status == 200


async def test_a_key_of_the_tenant_reaches_all_its_customers_and_no_other_tenants(
    pair: tuple[Neighbour, Neighbour], acme: Tenant, stranger: Tenant
) -> None:
    first, second = pair
    things = [await first.things(), await second.things()]
    for tenant, expected in ((acme, 200), (stranger, 400)):
        made = await tenant.api.made(f"/admin/tenants/{tenant.id}/api-keys", {"name": "gateway", "scopes": ["gateway"]})
        api = tenant.api.with_key(made["key"])
        for one in things:
            for name, meta_id in one.items():
                hint = f"?phone_number_id={one['number']}" if name == "media" else ""
                reply = await api.get(f"/graph/{VERSION}/{meta_id}{hint}")
                assert reply.status == expected, (name, reply.body)


async def test_in_a_shared_waba_each_reaches_the_number_that_it_holds_and_sees_no_other(
    service: RunningService, acme: Tenant, stranger: Tenant, customer: Customer
) -> None:
    first, played = await connected_beside(service, acme, customer, "several_numbers", 0)
    async with a_customer(service.url) as person, a_customer(service.url) as third_person:
        second, _ = await connected_beside(service, acme, person, None, 1, wabaId=first.waba)
        third, _ = await connected_beside(service, stranger, third_person, None, 2, wabaId=first.waba)
    everyone = (first, second, third)
    assert {one.waba for one in everyone} == {first.waba}
    assert {one.number for one in everyone} == set(played["phoneNumberIds"])
    for one in everyone:
        for other in everyone:
            sent = await one.api.post(f"/graph/{VERSION}/{other.number}/messages", HELLO)
            assert (sent.status == 200) == (one is other), sent.body
            if one is not other:
                await _is_nothing(one, other)
        rows = (await one.api.get(f"/graph/{VERSION}/{one.waba}/phone_numbers?fields=id,verified_name")).json["data"]
        assert [row["id"] for row in rows] == [one.number]
    files = [(await one.things())["media"] for one in everyone]
    service.parts.gateway.proofs.forget()
    for one in everyone:
        reached = [(await one.api.get(f"/graph/{VERSION}/{file}")).status == 200 for file in files]
        assert reached == [one is other for other in everyone]
    made = await acme.api.made(f"/admin/tenants/{acme.id}/api-keys", {"name": "g", "scopes": ["gateway"]})
    rows = (await acme.api.with_key(made["key"]).get(f"/graph/{VERSION}/{first.waba}/phone_numbers")).json["data"]
    assert {row["id"] for row in rows} == {first.number, second.number}


async def _is_nothing(one: Neighbour, other: Neighbour) -> None:
    """The other's number does not exist for the one, though Meta says of which WABA it is, as it does of a flow."""
    path = f"/graph/{VERSION}/{other.number}"
    for method, spelling, body in (
        ("GET", path, None), ("POST", path, {"pin": "123456"}), ("DELETE", path, None), ("POST", f"{path}/publish", {}),
        ("POST", f"{path}/messages", HELLO), ("GET", f"{path}?fields=id,certificate", None),
    ):  # fmt: skip
        reply = await one.api.call(method, spelling, body)
        assert error_of(reply) == NOTHING, (method, spelling, reply.body)


async def test_no_spelling_of_a_path_leads_anywhere_else(line: Line) -> None:
    answers = {}
    for method in ("GET", "POST", "DELETE"):
        for spelling in PATHS:
            path = spelling.format(own=line.number, other="106540352242922")
            address = URL(line.api.url + path, encoded=True)
            headers = {"Authorization": f"Bearer {line.key}", "Content-Type": "application/json"}
            body = json.dumps(HELLO) if method == "POST" else None
            async with line.api._session.request(method, address, headers=headers, data=body) as answer:
                answers[method, path] = (answer.status, (await answer.json())["error"]["code"])
    assert {path: answer for path, answer in answers.items() if answer != (400, 100)} == {}
    assert await line.met() == []


async def test_no_parameter_leads_anywhere_else(line: Line) -> None:
    for query in QUERIES:
        for object_id in (line.number, line.waba):
            assert error_of(await line.api.get(f"{line.path(object_id)}?{query}")) == (400, 100, None), query
        form = await line.api.post(
            line.path(line.waba, "flows"), query.encode(), Content_Type="application/x-www-form-urlencoded"
        )
        assert error_of(form) == (400, 100, None), query
    assert await line.met() == []


async def test_no_body_leads_anywhere_else(line: Line) -> None:
    path = line.path(line.waba, "message_templates")
    for body in BODIES:
        assert error_of(await line.api.post(path, {"name": "a", **body})) == (400, 100, None), body
        parts = "".join(
            f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in body.items()
        )
        raw = f"{parts}--cut--\r\n".encode()
        reply = await line.api.post(path, raw, Content_Type="multipart/form-data; boundary=cut")
        assert error_of(reply) == (400, 100, None), body
    assert await line.met() == []


async def test_no_body_is_read_in_two_ways(line: Line) -> None:
    hidden = b'--cut\r\nContent-Disposition: form-data; name="method"\r\n\r\nDELETE\r\n--cut--\r\n'
    value = b'--cut\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    form, cut = "application/x-www-form-urlencoded", "multipart/form-data; boundary=cut"
    for kind, body in (
        (f"{form}, a+json", b'{"a":"&method=delete&"}'),
        (f"{form}, text/plain", b"method=delete"),
        ("multipart/form-data; boundaryx=cut; boundary=b", hidden),
        ("multipart/form-data; boundary=b; boundary=cut", hidden),
        ('multipart/form-data; boundary="b cut"', hidden),
        ("multipart/form-data; boundary=cu", hidden),
        (cut, value + b"z--cut " + b"z" * 20_000 + b"\r\n" + hidden),
        (cut, value + b'z--cut name="\r\n' + hidden),
        (cut, value + b"z--cut,phone_numbers\r\n--cut--\r\n"),
        (cut, b"--cut\r\nX: " + b"z" * 20_000 + b"\r\n" + hidden[7:]),
        (cut, hidden.replace(b'"method"', b"'method'")),
        (cut, value * 200 + b"\r\n--cut--\r\n"),
        ("", b'{"a":"&method=delete&"}'),
        ("", b"method=delete"),
        (form, b'{"method":"delete"}'),
        ("text/plain", b"method=delete"),
    ):
        for edge in ("media", "message_templates"):
            if (kind, edge) == ("text/plain", "media"):
                continue  # a file
            reply = await line.api.post(line.path(line.number, edge), body, Content_Type=kind)
            assert (reply.status in {400, 415}, reply.json["error"]["code"]) == (True, 100), (kind, body[:100])
    assert await line.met() == []


async def test_no_header_stands_twice_that_says_how_a_body_is_read(line: Line) -> None:
    path = line.api.url + line.path(line.waba, "flows")
    for twice in (
        [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Type", "application/json")],
        [("Content-Encoding", "gzip"), ("Content-Encoding", "identity"), ("Content-Type", "application/json")],
        [("Authorization", "Bearer sl_waba_x"), ("Content-Type", "application/json")],
    ):
        headers = [("Authorization", f"Bearer {line.key}"), *twice]
        async with line.api._session.post(path, data=b'{"a":"&method=delete&"}', headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100), twice
    assert await line.met() == []


async def test_a_list_of_numbers_that_cannot_be_read_is_not_handed_on(crossing: Crossing) -> None:
    path = crossing.path(crossing.line.waba, "phone_numbers")
    assert error_of(await crossing.api.get(f"{path}?callback=f")) == (400, 100, None)
    for told in (b'/**/ f({"data":[{"id":"1"}]});', b"<data><id>1</id></data>", b'[{"id":"1"}]'):
        crossing.meta.says(told)
        reply = await crossing.api.get(path)
        assert (reply.status, b'"1"' in reply.body) == (504, False)


async def test_fields_that_stay_with_the_object_are_read(line: Line) -> None:
    asked = "id,throughput{level},health_status{can_send_message},webhook_configuration"
    reply = await line.api.get(f"{line.path(line.number)}?fields={asked}")
    assert (reply.status, reply.json["throughput"]) == (200, {"level": "STANDARD"})
