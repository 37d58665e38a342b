"""Meta says 190 once: the number is cut off with a way back, nobody asks with that token again, a reconnect heals."""

import asyncio

from starlette.types import Receive, Scope, Send

from setuplinks.core.clock import SECOND
from setuplinks.core.db.unit import Unit
from setuplinks.whatsapp import store as whatsapp
from tests.integration.gateway.line import Line, error_of
from tests.integration.gateway.other_end import Crossing
from tests.integration.provisioning.standing import DISCONNECTED, RECONNECTED
from tests.support.customer import Customer


async def kill(line: Line, subcode: int = 463) -> None:
    await line.standing.service.sandbox.ask("POST", "/sandbox/tokens/kill", {"subcode": subcode})


async def test_the_first_190_is_metas_own_and_the_rest_is_refused_here(line: Line) -> None:
    assert (await line.send()).status == 200
    await kill(line)
    await line.standing.service.sandbox.forget_calls()
    first = await line.send()
    assert error_of(first) == (401, 190, 463)
    assert not first.json["error"]["fbtrace_id"].startswith("sl")
    assert (await line.standing.shown())["status"] == "disconnected"
    assert (await line.standing.shown())["disconnectReason"] == "token_expired"
    later = [await line.send(), await line.api.get(line.path(line.number)), await line.api.get(line.path(line.waba))]
    assert [error_of(reply) for reply in later] == [(401, 190, 463)] * 3
    assert "reconnect" in later[0].json["error"]["message"]
    assert later[0].headers["www-authenticate"].startswith('OAuth "Facebook Platform" "invalid_token"')
    assert [call["call"] for call in await line.met()] == ["messages"]


async def test_the_tenant_is_told_with_a_way_back_and_after_it_all_goes_on_by_itself(
    line: Line, customer: Customer
) -> None:
    await kill(line, 458)
    await line.api.get(line.path(line.waba))
    await line.standing.service.drain()
    [told] = line.standing.inbox.of_type(DISCONNECTED)
    assert (told.data["reason"], told.data["phone_number_id"]) == ("app_removed", line.number)
    await line.send()
    await customer.walk(told.data["reconnect_url"], line.standing.service.sandbox, phoneNumberId=line.number)
    await line.standing.service.drain()
    assert len(line.standing.inbox.of_type(RECONNECTED)) == 1
    assert (await line.send()).status == 200
    assert (await line.api.get(line.path(line.waba))).status == 200


async def test_one_event_is_told_however_many_calls_meet_the_dead_token(line: Line) -> None:
    await kill(line)
    replies = await asyncio.gather(*(line.send() for _ in range(8)))
    assert {reply.status for reply in replies} == {401}
    await line.standing.service.drain()
    assert len(line.standing.inbox.of_type(DISCONNECTED)) == 1


async def test_a_token_that_a_look_at_the_account_finds_well_is_used_again(line: Line) -> None:
    await kill(line)
    await line.send()
    standing = line.standing
    disconnects, waba_id = standing.service.parts.disconnects, (await standing.shown())["wabaId"]
    await standing.service.db.unit(disconnects.bring_back, standing.tenant.id, waba_id, "token_expired")
    await standing.service.sandbox.forget_calls()
    await line.send()
    assert await line.met() == [], "what Meta has just said counts for half a minute"
    standing.service.clock.advance(31 * SECOND)
    await line.send()
    assert [call["call"] for call in await line.met()] == ["messages"]


async def test_a_late_190_of_an_erased_token_buries_no_token_that_came_after_it(crossing: Crossing) -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def slow_meta(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await may_end.wait()
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"error":{"code":190,"error_subcode":463}}'})

    crossing.meta.playing = slow_meta
    path, standing, db = crossing.path(crossing.line.number), crossing.line.standing, crossing.parts.deps.db
    late = asyncio.create_task(crossing.api.get(path))
    await asked.wait()
    [old] = await db.read("SELECT * FROM credential")
    place = (old["tenant_id"], old["waba_id"])

    async def taken_anew(tx: Unit) -> None:
        tx.add(whatsapp.ERASE_CREDENTIAL, *place)
        tx.add(whatsapp.PUT_CREDENTIAL, *place, old["token"], None, old["obtained_at"] + SECOND, old["meta_user_id"])
        tx.wake(whatsapp.CREDENTIALS)

    await db.unit(taken_anew)
    may_end.set()
    assert (await late).status == 401
    assert (await standing.shown())["status"] == "active"
    crossing.parts.gateway.forget()
    crossing.meta.playing = None
    assert (await crossing.api.get(path)).status == 200


async def test_an_error_that_passes_and_one_of_another_kind_cut_nothing_off(line: Line) -> None:
    sandbox = line.standing.service.sandbox
    for code in (2, 100, 131047, 80007, 200):
        await sandbox.fault("messages", times=1, code=code)
        assert (await line.send()).json["error"]["code"] == code
    assert (await line.standing.shown())["status"] == "active"
    assert (await line.send()).status == 200


async def test_ids_for_which_meta_wants_another_token_cut_nothing_off(line: Line) -> None:
    await line.standing.service.sandbox.fault("unknown", times=9, code=190)
    await line.api.get(line.path("106540352242922"))
    await line.api.post(line.path("1234567890", "uploads"), {"file_length": 1, "file_type": "image/png"})
    assert (await line.standing.shown())["status"] == "active"
    assert (await line.send()).status == 200


async def test_a_number_that_was_cut_off_for_another_reason_is_asked_of_meta(line: Line) -> None:
    standing = line.standing
    disconnects, waba_id = standing.service.parts.disconnects, (await standing.shown())["wabaId"]
    await standing.service.db.unit(disconnects.disconnect, standing.tenant.id, waba_id, "account_disabled")
    assert (await standing.shown())["status"] == "disconnected"
    assert (await line.send()).status == 200
