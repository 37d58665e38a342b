"""Several calls in one: batches, and objects by `ids`. Each is held to the token as if it had come alone."""

import json
from typing import Any

from tests.integration.sandbox.calls import Answer, Customer, Meta
from tests.integration.sandbox.phones import ANA, ready


async def batch(meta: Meta, token: str, *parts: dict[str, Any], path: str = "/v25.0", **more: Any) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    return await meta.ask("POST", path, headers=headers, data={"batch": json.dumps(parts), **more})


def part(target: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"method": method, "relative_url": target, **more}


async def test_a_batch_answers_each_part_as_if_it_had_come_alone(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    message = f"messaging_product=whatsapp&to={ANA}&type=text&text=%7B%22body%22%3A%22Hola%22%7D"
    for path in ("/", "/v25.0", "/v25.0/"):
        answer = await batch(
            meta, mine.token, part(f"{mine.waba}?fields=id"), part(f"v25.0/{other.waba}"),
            part(f"{mine.number}/messages", "POST", body=message), part("anything", "PUT"), path=path,
        )  # fmt: skip
        assert [row["code"] for row in answer.json] == [200, 400, 200, 400]
        assert json.loads(answer.json[0]["body"]) == {"id": mine.waba}
        assert json.loads(answer.json[1]["body"])["error"]["error_subcode"] == 33
        assert json.loads(answer.json[2]["body"])["contacts"][0]["wa_id"] == ANA
        assert "X-App-Usage" in {header["name"] for header in answer.json[0]["headers"]}


async def test_a_part_may_have_a_token_of_its_own_and_headers_may_be_left_out(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    own = part(f"{other.waba}?access_token={other.token}&fields=id")
    answer = await batch(meta, mine.token, own, include_headers="false")
    assert answer.json == [{"code": 200, "body": json.dumps({"id": other.waba}, separators=(",", ":"))}]


async def test_a_batch_that_is_none_is_refused(meta: Meta) -> None:
    customer = await ready(meta)
    assert (await batch(meta, customer.token)).codes[0] == 100
    assert (await batch(meta, customer.token, *[part("me")] * 51)).codes[0] == 100
    assert (await meta.ask("POST", "/v25.0", data={"batch": json.dumps([part("me")])})).codes[0] == 104
    assert (await meta.ask("POST", "/", data={})).codes[0] == 100


async def by_ids(meta: Meta, customer: Customer, path: str, *ids: str, **more: str) -> Answer:
    headers = {"Authorization": f"Bearer {customer.token}"}
    return await meta.ask("GET", path, headers=headers, params={"ids": ",".join(ids)} | more)


async def test_objects_and_edges_are_read_by_ids_and_one_that_is_missing_fails_all(meta: Meta) -> None:
    customer, other = await meta.connect("several_wabas"), await ready(meta)
    first, second = customer.played["wabaIds"][:2]
    for path in ("/", "/v25.0", "/v25.0/"):
        found = await by_ids(meta, customer, path, first, second, fields="id")
        assert found.json == {first: {"id": first}, second: {"id": second}}
    edges = await by_ids(meta, customer, "/v25.0/phone_numbers", first, second, fields="id")
    assert [len(edges.json[one]["data"]) for one in (first, second)] == [1, 1]
    assert (await by_ids(meta, customer, "/v25.0", first, other.waba)).codes == (100, 33)
    assert (await by_ids(meta, customer, "/v25.0")).codes[0] == 100
    assert (await by_ids(meta, customer, "/v25.0", *[first] * 51)).codes[0] == 100
