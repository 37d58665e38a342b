"""Meta's caps, counted by the sandbox: new customers in seven days, numbers in one portfolio."""

from typing import Any

from tests.integration.sandbox.calls import Meta


def code_of(played: dict[str, Any]) -> str | None:
    """The error that the dialog ended with."""
    found: str | None = (played["message"] or {"data": {}})["data"].get("error_code")
    return found


async def test_the_eleventh_new_customer_of_seven_days_is_refused_and_the_week_passes(meta: Meta) -> None:
    for number in range(10):
        assert (await meta.play("caps_unverified", popup=True, person=f"p{number}"))["outcome"] == "finished"
    refused = await meta.play("caps_unverified", popup=True, person="late")
    assert (refused["outcome"], code_of(refused)) == ("cancelled", "9990010")
    await meta.advance(7 * 86_400)
    assert (await meta.play("caps_unverified", popup=True, person="late"))["outcome"] == "finished"


async def test_a_customer_who_comes_back_does_not_count(meta: Meta) -> None:
    first = await meta.play("caps_unverified")
    for _ in range(12):
        again = await meta.play("caps_unverified", phoneNumberId=first["phoneNumberIds"][0])
        assert again["wabaIds"] == first["wabaIds"]


async def test_a_verified_business_has_two_hundred(meta: Meta) -> None:
    ends = [(await meta.play("caps_verified", popup=True))["outcome"] for _ in range(201)]
    assert ends == ["finished"] * 200 + ["cancelled"]


async def test_a_portfolio_takes_two_numbers_before_it_is_verified(meta: Meta) -> None:
    first = await meta.play("caps_unverified", popup=True)
    again = {"popup": True, "businessId": first["businessId"]}
    assert (await meta.play("caps_unverified", **again))["outcome"] == "finished"
    refused = await meta.play("caps_unverified", **again)
    assert (refused["outcome"], code_of(refused)) == ("cancelled", "9990002")
    assert (await meta.play("caps_unverified", number="none", **again))["outcome"] == "finished"
    assert (await meta.play("caps_verified", **again))["outcome"] == "finished"


async def test_a_refused_signup_has_made_nothing(meta: Meta) -> None:
    for _ in range(10):
        await meta.play("caps_unverified")
    held = len(meta.world.businesses)
    refused = await meta.play("caps_unverified")
    assert "error=access_denied" in refused["redirectUrl"]
    assert len(meta.world.businesses) == held
