"""A client changes its base URL and its token: the answer is Meta's."""

from tests.integration.gateway.line import Line, error_of


async def test_a_message_goes_out_with_a_key_of_the_waba(line: Line) -> None:
    reply = await line.send()
    assert reply.status == 200, reply.body
    assert reply.json["messages"][0]["id"].startswith("wamid.")
    [call] = await line.met()
    assert (call["call"], call["path"], call["status"]) == ("messages", f"/v25.0/{line.number}/messages", 200)


async def test_a_key_of_the_tenant_needs_the_scope_gateway_by_name(line: Line) -> None:
    gateway, admin = await line.tenant_key("gateway"), await line.tenant_key("admin", "read")
    path = line.path(line.number)
    assert (await gateway.get(path)).json["id"] == line.number
    assert error_of(await admin.get(path)) == (403, 200, None)
    assert error_of(await line.standing.service.operator.get(path)) == (401, 190, None)
