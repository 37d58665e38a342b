"""The operator's own portfolio: our calls against the sandbox's reading, and on the wire."""

import json

import pytest

from setuplinks.core.clock import DAY, SECOND
from setuplinks.meta.errors import OutcomeUnknown
from setuplinks.meta.graph import Graph
from setuplinks.meta.partner import Partner, PreverifiedNumber
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import appsecret_proof
from tests.integration.meta.play import BUSINESS, SYSTEM_TOKEN, Play, failure
from tests.integration.meta.scripted_meta import HANG_UP, ScriptedMeta, answer

NUMBER, DAY_S = "+5493515550100", 86_400
DONE = answer(200, {"success": True})


async def wait_days(play: Play, days: float) -> None:
    await play.control("POST", "/sandbox/clock", {"advanceSeconds": days * DAY_S})


async def test_a_number_is_added_verified_and_seen_with_its_end(play: Play) -> None:
    partner = play.partner
    number_id = await partner.add_number(NUMBER)
    [fresh] = await partner.preverified_numbers()
    assert fresh == PreverifiedNumber(number_id, NUMBER, "NOT_VERIFIED")
    await partner.request_code(number_id, "SMS", "en_US")
    wrong = await failure(partner.verify_code(number_id, "000000"))
    assert (wrong.code, wrong.kind, wrong.retryable) == (136025, "registration", False)
    await partner.verify_code(number_id, "123456")
    [verified] = await partner.preverified_numbers()
    assert verified.status == "VERIFIED"
    assert verified.verified_at is not None
    assert verified.expires_at == verified.verified_at + 90 * DAY


async def test_a_number_is_verified_for_ninety_days_and_again_in_the_last_half_of_them(play: Play) -> None:
    partner = play.partner
    number_id = await partner.add_number(NUMBER)
    await partner.request_code(number_id, "VOICE", "es")
    await partner.verify_code(number_id, "123-456")
    await wait_days(play, 44)
    early = await failure(partner.request_code(number_id, "SMS", "es"))
    assert (early.code, early.retryable) == (136024, False)
    await wait_days(play, 2)
    await partner.request_code(number_id, "SMS", "es")
    await wait_days(play, 45)
    assert [number.status for number in await partner.preverified_numbers()] == ["EXPIRED"]
    await partner.verify_code(number_id, "123456")
    assert [number.status for number in await partner.preverified_numbers()] == ["VERIFIED"]


async def test_a_customer_who_takes_the_number_gets_it_under_a_new_id(play: Play) -> None:
    partner = play.partner
    number_id = await partner.add_number(NUMBER)
    await partner.request_code(number_id, "SMS", "es")
    await partner.verify_code(number_id, "123456")
    signup = await play.signup(offered=number_id)
    token = (await play.graph.exchange_code(signup.code)).access_token
    [taken] = await play.graph.phone_numbers(token, signup.waba_ids[0])
    assert (taken.display_phone_number, taken.is_preverified_number) == (NUMBER, True)
    assert taken.id != number_id
    assert await partner.preverified_numbers() == []
    await play.graph.register(token, taken.id, Secret("123456"))


async def test_a_number_that_meta_does_not_take_is_refused(play: Play) -> None:
    await play.partner.add_number(NUMBER)
    for bad in (NUMBER, "+12"):
        error = await failure(play.partner.add_number(bad))
        assert (error.code, error.kind, error.retryable) == (100, "fix_request", False)


async def test_the_partner_gets_a_customers_token_though_its_code_never_came(play: Play) -> None:
    signup = await play.signup()
    assert signup.business_id is not None
    grant = await play.partner.customer_token(signup.business_id)
    [number] = await play.graph.phone_numbers(grant.access_token, signup.waba_ids[0])
    assert [number.id] == signup.number_ids


async def test_a_dead_token_is_replaced_until_the_customer_takes_the_app_off(play: Play) -> None:
    token, signup = await play.connected()
    assert signup.business_id is not None
    assert (await play.partner.customer_token(signup.business_id)).access_token == token
    await play.control("POST", "/sandbox/tokens/kill", {"wabaId": signup.waba_ids[0], "subcode": 463})
    grant = await play.partner.customer_token(signup.business_id)
    assert grant.access_token != token
    assert await play.graph.phone_numbers(grant.access_token, signup.waba_ids[0])
    await play.control("POST", "/sandbox/tokens/kill", {"wabaId": signup.waba_ids[0], "subcode": 458})
    gone = await failure(play.partner.customer_token(signup.business_id))
    assert (gone.code, gone.kind) == (200, "permission")


@pytest.mark.parametrize(("code", "kind"), [(3962, "permission"), (452, "relogin"), (200, "permission")])
async def test_a_refused_customer_token_says_why(play: Play, code: int, kind: str) -> None:
    _, signup = await play.connected()
    assert signup.business_id is not None
    await play.control("POST", "/sandbox/faults", {"call": "system_user_access_tokens", "code": code})
    error = await failure(play.partner.customer_token(signup.business_id))
    assert (error.code, error.kind, error.retryable) == (code, kind, False)


async def test_nobody_but_the_system_user_acts_for_the_portfolio(play: Play) -> None:
    await play.control("PUT", "/sandbox/settings", {"requireAppsecretProof": True})
    customers, _ = await play.connected()
    for token, code in ((customers, 200), (Secret("EAAanother0123456789"), 190)):
        error = await failure(Partner(play.graph, BUSINESS, token).preverified_numbers())
        assert error.code == code
    assert await play.partner.preverified_numbers() == []
    async with Graph(play.url, "v25.0", "4711", Secret("another-secret")) as other:
        unproven = await failure(Partner(other, BUSINESS, Secret(SYSTEM_TOKEN)).preverified_numbers())
    assert (unproven.kind, unproven.who) == ("configuration", "operator")


async def test_a_portfolio_that_nobody_knows_gives_no_token(play: Play) -> None:
    error = await failure(play.partner.customer_token("999999999999999"))
    assert (error.kind, error.subcode) == ("not_found", 33)


async def test_partner_calls_leave_as_metas_pages_print_them(graph: Graph, meta: ScriptedMeta) -> None:
    partner = Partner(graph, BUSINESS, Secret(SYSTEM_TOKEN))
    meta.plan(answer(200, {"access_token": "EAAx"}), answer(200, {"id": 7}), answer(200, {"data": []}), DONE, DONE)
    await partner.customer_token("27")
    assert await partner.add_number(NUMBER) == "7"
    await partner.preverified_numbers()
    await partner.request_code("7", "SMS", "en_US")
    await partner.verify_code("7", "123456")
    assert [f"{request.method} {request.path.removeprefix('/v25.0')}" for request in meta.requests] == [
        "POST /27/system_user_access_tokens",
        f"POST /{BUSINESS}/add_phone_numbers",
        f"GET /{BUSINESS}/preverified_numbers",
        "POST /7/request_code",
        "POST /7/verify_code",
    ]
    token, add, _, ask, verify = meta.requests
    assert token.form == {"fetch_only": "true"}
    assert [json.loads(request.body) for request in (add, ask, verify)] == [
        {"phone_number": NUMBER},
        {"code_method": "SMS", "language": "en_US"},
        {"code": "123456"},
    ]
    proof = appsecret_proof(Secret("app-secret"), Secret(SYSTEM_TOKEN))
    assert {request.query["appsecret_proof"] for request in meta.requests} == {proof}
    assert {request.headers["authorization"] for request in meta.requests} == {f"Bearer {SYSTEM_TOKEN}"}


async def test_a_number_or_a_code_that_may_be_on_its_way_is_not_asked_for_twice(
    graph: Graph, meta: ScriptedMeta
) -> None:
    partner = Partner(graph, BUSINESS, Secret(SYSTEM_TOKEN))
    meta.plan(HANG_UP, HANG_UP, HANG_UP)
    for call in (partner.add_number(NUMBER), partner.request_code("7", "SMS", "es"), partner.verify_code("7", "1")):
        error = await failure(call)
        assert (type(error), error.retryable) == (OutcomeUnknown, False)
    assert len(meta.requests) == 3


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            {"id": 7, "phone_number": 54935155, "code_verification_time": 1790000000, "verification_expiry_time": "9"},
            PreverifiedNumber("7", "54935155", None, 1790000000 * SECOND, 9 * SECOND),
            id="unix seconds",
        ),
        pytest.param(
            {"id": "7", "display_phone_number": "+1 (555) 123-4567", "verification_status": "PENDING"},
            PreverifiedNumber("7", "+1 (555) 123-4567", "PENDING"),
            id="the names of Meta's OpenAPI",
        ),
        pytest.param(
            {"id": "7", "code_verification_time": "2026-09-01", "verification_expiry_time": {"a": 1}},
            PreverifiedNumber("7"),
            id="times that are none",
        ),
    ],
)
async def test_every_shape_of_a_pool_number_is_read(
    graph: Graph, meta: ScriptedMeta, row: dict[str, object], expected: PreverifiedNumber
) -> None:
    meta.plan(answer(200, {"data": [row, {"no": "id"}]}))
    assert await Partner(graph, BUSINESS, Secret(SYSTEM_TOKEN)).preverified_numbers() == [expected]
