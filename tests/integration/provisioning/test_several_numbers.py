"""Several numbers behind one grant: the customer ticks, all that are ticked are connected, over all their accounts."""

import pytest

from setuplinks.provisioning.questions import AnswerRefused, QuestionClosed
from tests.integration.provisioning.asking import PIN, asked, check, give_pin, is_completed, nothing_is_left, pick
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer


async def test_ticked_numbers_of_several_accounts_are_all_connected(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_wabas")
    options = link["actionRequired"]["options"]
    ids = [option["metaPhoneNumberId"] for option in options]
    assert sorted(ids) == sorted(played["phoneNumberIds"])
    assert [option["taken"] for option in options] == [False, False]
    await pick(desk, link, *ids)
    await is_completed(desk, link)
    numbers = {number["metaPhoneNumberId"]: number for number in await desk.numbers()}
    assert {number["status"] for number in numbers.values()} == {"active"}
    shown = await desk.of(link)
    assert shown["resultingPhoneNumberIds"] == [numbers[number]["id"] for number in ids]
    assert shown["resultingWabaId"] == numbers[ids[0]]["wabaId"]
    types = await desk.types()
    assert types.count("whatsapp.waba.created") == types.count("whatsapp.phone_number.created") == 2
    credentials = await desk.rows("credential")
    assert len({bytes(row["token"]) for row in credentials}) == len({row["waba_id"] for row in credentials}) == 2
    pins = [row["pin"] for row in await desk.rows("phone_number")]
    assert len({bytes(pin) for pin in pins}) == 2
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] != {}
    [completed] = await desk.told("setup_link.completed")
    assert completed["phone_number_ids"] == ids


async def test_a_customer_who_leaves_is_taken_off_every_account(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_wabas")
    await pick(desk, link, *played["phoneNumberIds"])
    assert len(await desk.rows("provisioning_waba")) == 2
    assert (await desk.acme.api.delete(f"/admin/customers/{desk.clinic}")).status == 204
    await desk.service.drain()
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] == {}
    for table in ("credential", "connected_number", "provisioning_waba"):
        assert await desk.rows(table) == []


async def test_what_is_not_ticked_is_kept_as_available(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    ids = [option["metaPhoneNumberId"] for option in link["actionRequired"]["options"]]
    await pick(desk, link, ids[2], ids[0])
    await is_completed(desk, link)
    statuses = {number["metaPhoneNumberId"]: number["status"] for number in await desk.numbers()}
    assert statuses == {ids[0]: "active", ids[1]: "available", ids[2]: "active"}
    assert len(await desk.service.sandbox.calls("register")) == 2
    assert len(await desk.rows("credential")) == 1


async def test_an_answer_that_is_none_is_refused_and_the_question_stays(desk: Desk, customer: Customer) -> None:
    link, _ = await asked(desk, customer, "several_numbers")
    refused = []
    for ids in ([], ["999"], [link["actionRequired"]["options"][0]["metaPhoneNumberId"], "999"]):
        with pytest.raises(AnswerRefused) as caught:
            await pick(desk, link, *ids)
        refused.append(caught.value.why)
    assert refused == ["nothing_chosen", "not_offered", "not_offered"]
    with pytest.raises(QuestionClosed):
        await give_pin(desk, link, PIN)
    with pytest.raises(QuestionClosed):
        await check(desk, link)
    assert await desk.phase(link) == "action_required"


async def test_a_number_that_another_customer_holds_cannot_be_ticked(desk: Desk, customer: Customer) -> None:
    first, _ = await asked(desk, customer, "several_numbers")
    ids = [option["metaPhoneNumberId"] for option in first["actionRequired"]["options"]]
    await pick(desk, first, ids[0])
    other = await desk.another_customer()
    body = {"allowedConnectionTypes": ["dedicated"]}
    link = await desk.acme.api.made(f"/admin/customers/{other}/setup-links", body)
    waba = (await desk.numbers())[0]["metaWabaId"]
    async with a_customer(desk.service.url) as second:
        await second.walk(link["url"], desk.service.sandbox, wabaId=waba)
        await desk.service.drain()
        question = (await desk.of(link))["actionRequired"]
        taken = {option["metaPhoneNumberId"]: option["taken"] for option in question["options"]}
        assert taken == {ids[0]: True, ids[1]: False, ids[2]: False}
        with pytest.raises(AnswerRefused) as caught:
            await pick(desk, link, ids[0], ids[1])
        assert caught.value.why == "taken"
        await pick(desk, link, ids[1])
    assert await desk.phase(link) == "completed"
    holders = {row["meta_phone_number_id"]: row["customer_id"] for row in await desk.rows("connected_number")}
    assert holders == {ids[0]: desk.clinic, ids[1]: other}


async def test_only_numbers_of_a_type_that_the_link_allows_are_offered(desk: Desk, customer: Customer) -> None:
    link, played = await asked(desk, customer, "several_numbers")
    [one, two, three] = played["phoneNumberIds"]
    await desk.service.sandbox.ask(
        "PATCH", f"/sandbox/phone-numbers/{three}", {"isOnBizApp": True, "platformType": "CLOUD_API"}
    )
    await desk.service.db.unit(desk.service.parts.questions.start_over, desk.acme.id, link["id"])
    await customer.look_again()
    await desk.again(customer, wabaId=played["wabaIds"][0])
    options = (await desk.of(link))["actionRequired"]["options"]
    assert sorted(option["metaPhoneNumberId"] for option in options) == sorted([one, two])


async def test_a_dedicated_and_a_coexistence_number_are_connected_side_by_side(desk: Desk, customer: Customer) -> None:
    both = {"allowedConnectionTypes": ["dedicated", "coexistence"]}
    link, played = await asked(desk, customer, "several_numbers", **both)
    [one, two, three] = played["phoneNumberIds"]
    on_app = {"isOnBizApp": True, "platformType": "CLOUD_API", "throughput": "STANDARD", "status": "CONNECTED"}
    await desk.service.sandbox.ask("PATCH", f"/sandbox/phone-numbers/{three}", on_app)
    await desk.service.db.unit(desk.service.parts.questions.start_over, desk.acme.id, link["id"])
    again = await desk.link(**both)
    dialog = await customer.go_to_meta(again["url"])
    back = await desk.service.sandbox.play(dialog, wabaId=played["wabaIds"][0])
    await customer.open(back["redirectUrl"].partition("#")[0])
    await desk.service.drain()
    await pick(desk, again, one, three)
    assert await desk.phase(again) == "completed"
    types = {number["metaPhoneNumberId"]: number["connectionType"] for number in await desk.numbers()}
    assert types == {one: "dedicated", two: "dedicated", three: "coexistence"}
    calls = await desk.service.sandbox.calls()
    registered = {call["path"].split("/")[-2] for call in calls if call["call"] == "register"}
    synced = {call["path"].split("/")[-2] for call in calls if call["call"] == "smb_app_data"}
    assert (registered, synced) == ({one}, {three})


async def test_a_grant_that_fails_late_takes_off_every_subscription_that_it_made(
    desk: Desk, customer: Customer
) -> None:
    link, played = await asked(desk, customer, "several_wabas")
    await desk.service.sandbox.fault("phone", times=None, code=190, subcode=460)
    await pick(desk, link, *played["phoneNumberIds"])
    await desk.service.drain()
    [ended] = await desk.told("setup_link.visit_ended")
    assert ended["code"] == "permission_missing"
    await nothing_is_left(desk, played)
