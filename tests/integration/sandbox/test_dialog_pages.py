"""The dialog as a browser without JavaScript sees it: pages, forms, redirects."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.sandbox.calls import CALLBACK, Answer, Meta, query_of

COEXISTENCE = '{"setup":{},"featureType":"whatsapp_business_app_onboarding","sessionInfoVersion":"3"}'


@dataclass
class Person:
    """Somebody who clicks through the forms and follows nothing by herself."""

    meta: Meta
    page: Answer
    step: str = ""
    left: str | None = None

    @classmethod
    async def at(cls, meta: Meta, url: str) -> "Person":
        person = cls(meta, await meta.ask("GET", url.removeprefix(meta.url)))
        person.look()
        return person

    def look(self) -> None:
        found = re.search(r'data-step="(\w+)"', self.page.text)
        self.step = found.group(1) if found else ""

    async def submit(self, **form: str) -> "Person":
        action = re.search(r'<form[^>]*action="([^"]+)"', self.page.text)
        assert action is not None, self.page.text
        data = {"step": self.step, "action": "continue"} | form
        answer = await self.meta.ask("POST", action.group(1), data=data, allow_redirects=False)
        if answer.status != 303:
            self.page = answer
        elif (target := answer.headers["Location"]).startswith("/dialog/"):
            self.page = await self.meta.ask("GET", target)
        else:
            self.left = target
            return self
        self.look()
        return self


async def test_a_person_goes_through_every_screen_and_comes_back_with_a_code(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url())
    seen = [person.step]
    forms: list[dict[str, str]] = [
        {"business": "new", "business_name": "Clínica San Lucas"},
        {"number": "new"},
        {"display_name": "San Lucas"},
        {"phone_number": "+54 9 351 555-0100", "code_method": "voice"},
        {"code": "123456"},
        {"consent": "grant"},
        {},
    ]
    for form in forms:
        if person.step == "verify":
            assert "Sandbox call: <strong>123456</strong>" in person.page.text
        seen.append((await person.submit(**form)).step)
    assert seen[:7] == ["business", "number", "profile", "phone", "verify", "permissions", "finish"]
    assert person.left is not None
    assert person.left.startswith(CALLBACK + "&code=")
    assert person.left.endswith("#_=_")
    assert query_of(person.left)["state"] == "the-state"
    number = next(iter(meta.world.numbers.values()))
    assert (number.display, number.verified_name) == ("+54 9 351 555-0100", "San Lucas")
    assert number.waba.business.name == "Clínica San Lucas"


async def test_the_dialog_says_that_it_is_not_facebook_and_cuts_no_opener(meta: Meta) -> None:
    page = await meta.ask("GET", meta.dialog_url().removeprefix(meta.url))
    assert "Sandbox: not Facebook" in page.text
    assert "Cross-Origin-Opener-Policy" not in page.headers


@pytest.mark.parametrize("screens", range(6))
async def test_cancel_on_any_screen_comes_back_as_denied(meta: Meta, screens: int) -> None:
    person = await Person.at(meta, meta.dialog_url())
    forms: list[dict[str, str]] = [
        {"business": "new", "business_name": "B"},
        {"number": "new"},
        {"display_name": "B"},
        {"phone_number": "+5493515550100"},
        {"code": "123456"},
    ]
    for form in forms[:screens]:
        await person.submit(**form)
    await person.submit(action="cancel")
    assert person.left == (
        CALLBACK + "&error=access_denied&error_code=200&error_description=Permissions+error"
        "&error_reason=user_denied&state=the-state#_=_"
    )
    assert not meta.world.tokens


async def test_declining_the_permissions_comes_back_as_denied(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url())
    for form in ({"business": "new", "business_name": "B"}, {"number": "none"}, {"consent": "deny"}):
        await person.submit(**form)
    assert query_of(person.left or "")["error_reason"] == "user_denied"


async def test_an_answer_that_cannot_be_keeps_the_screen_and_says_why(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url())
    assert (await person.submit(business="new", business_name=" ")).step == "business"
    assert "Give the business a name" in person.page.text
    assert (await person.submit(business="999")).page.status == 400
    await person.submit(business="new", business_name="<b>B</b>")
    await person.submit(number="new")
    assert "<b>B</b>" not in person.page.text
    await person.submit(display_name="B")
    assert (await person.submit(phone_number="5550100")).step == "phone"
    await person.submit(phone_number="+5493515550100")
    assert (await person.submit(code="12345")).step == "verify"
    assert "six digits" in person.page.text


async def test_an_old_tabs_screen_changes_nothing(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url())
    await person.submit(business="new", business_name="B")
    assert (await person.submit(step="business", business="new", business_name="Other")).step == "number"
    assert next(iter(meta.world.signups.values())).answers["business_name"] == "B"


async def test_a_555_number_needs_no_code(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url())
    await person.submit(business="new", business_name="B")
    await person.submit(number="555")
    assert (await person.submit(display_name="B")).step == "permissions"
    await person.submit(consent="grant")
    await person.submit()
    assert next(iter(meta.world.numbers.values())).display.startswith("+1 555-")


async def test_coexistence_scans_a_code_with_the_app(meta: Meta) -> None:
    person = await Person.at(meta, meta.dialog_url(extras=COEXISTENCE))
    await person.submit(business="new", business_name="B")
    assert person.step == "phone"
    await person.submit(phone_number="+5493515550100")
    assert "<svg" in person.page.text
    await person.submit(share_history="yes")
    await person.submit(consent="grant")
    await person.submit()
    number = next(iter(meta.world.numbers.values()))
    assert (number.on_biz_app, number.history) == (True, "shared")


async def test_extras_do_nothing_on_the_full_page_where_the_setting_says_so(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/settings", json={"pageExtras": False})
    person = await Person.at(meta, meta.dialog_url(extras=COEXISTENCE))
    assert (await person.submit(business="new", business_name="B")).step == "number"


async def test_prefill_stands_in_the_form_and_may_be_changed(meta: Meta) -> None:
    extras = '{"setup":{"business":{"name":"Demo Bakery"},"phone":{"displayName":"Bakery"}}}'
    person = await Person.at(meta, meta.dialog_url(extras=extras))
    assert 'value="Demo Bakery"' in person.page.text
    await person.submit(business="new", business_name="Other Bakery")
    await person.submit(number="new")
    assert 'value="Bakery"' in person.page.text


async def test_a_person_finds_her_businesses_and_numbers_again(meta: Meta) -> None:
    customer = await meta.connect(businessName="Old Bakery")
    person = await Person.at(meta, meta.dialog_url())
    assert "Old Bakery" in person.page.text
    await person.submit(business=customer.played["businessId"])
    assert f'value="{customer.number}"' in person.page.text
    await person.submit(number=customer.number)
    await person.submit(consent="grant")
    await person.submit()
    assert list(meta.world.numbers) == [customer.number]
    token = (await meta.exchange(query_of(person.left or "")["code"])).json["access_token"]
    assert (await meta.graph("GET", customer.waba, token)).status == 200


async def test_another_person_does_not_see_them(meta: Meta) -> None:
    customer = await meta.connect(businessName="Old Bakery")
    person = await Person.at(meta, meta.dialog_url() + "&sandbox_person=stranger")
    assert "Old Bakery" not in person.page.text
    assert (await person.submit(business=customer.played["businessId"])).page.status == 400


async def test_the_reconnect_prefill_is_chosen_beforehand(meta: Meta) -> None:
    customer = await meta.connect()
    await meta.connect()
    extras = f'{{"setup":{{"whatsAppBusinessAccount":{{"id":["{customer.waba}"]}}}}}}'
    person = await Person.at(meta, meta.dialog_url(extras=extras))
    assert re.search(rf'value="{customer.played["businessId"]}"\s+checked', person.page.text)
    await person.submit(business=customer.played["businessId"])
    assert re.search(rf'value="{customer.number}"\s+checked', person.page.text)


async def test_an_error_of_the_flow_is_shown_and_can_be_reported(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/scenario", json={"next": "waba_cap"})
    person = await Person.at(meta, meta.dialog_url())
    await person.submit(business="new", business_name="B")
    assert "2388098" in person.page.text
    await person.submit(action="cancel")
    assert query_of(person.left or "")["error"] == "access_denied"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"redirect_uri": "javascript:alert(1)"}, "191"),
    ({"redirect_uri": None}, "191"),
    ({"client_id": "9"}, "101"),
    ({"config_id": "9"}, "100"),
    ({"extras": "{"}, "100"),
    ({"response_type": "token"}, "100"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
async def test_a_dialog_that_facebook_would_refuse_shows_its_error_page(
    meta: Meta, changes: dict[str, Any], code: str
) -> None:
    page = await meta.ask("GET", meta.dialog_url(**changes).removeprefix(meta.url))
    assert page.status == 400
    assert f"Error code {code}" in page.text


async def test_the_allow_list_of_redirect_addresses_is_exact(meta: Meta) -> None:
    await meta.ask("PUT", "/sandbox/settings", json={"redirectUris": [CALLBACK]})
    for uri, status in ((CALLBACK, 200), (CALLBACK + "2", 400), ("http://other.test/", 400)):
        page = await meta.ask("GET", meta.dialog_url(redirect_uri=uri).removeprefix(meta.url))
        assert page.status == status


async def test_a_head_request_opens_no_dialog(meta: Meta) -> None:
    answer = await meta.ask("HEAD", meta.dialog_url().removeprefix(meta.url))
    assert answer.status == 200
    assert not meta.world.signups


async def test_an_ended_or_unknown_sign_in_says_so(meta: Meta) -> None:
    assert (await meta.ask("GET", "/dialog/none")).status == 404
    assert (await meta.ask("POST", "/dialog/none", data={})).status == 404
