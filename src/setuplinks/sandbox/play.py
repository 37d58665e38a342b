"""Plays a whole dialog in one call, as a person would click it: no page is drawn."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from setuplinks.sandbox import flow, grants
from setuplinks.sandbox.steps import STEPS
from setuplinks.sandbox.world import Number, Signup, World


class BadChoice(Exception):
    """`choices` names something that does not exist."""


def play(world: World, dialog_url: str, choices: Mapping[str, Any], scenario: str | None, popup: bool | None) -> Signup:
    """The ended signup. DialogRefused where the dialog would not open; BadChoice for a wrong choice."""
    parts = urlsplit(dialog_url)
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    if popup:
        params["display"] = "popup"
        params.pop("redirect_uri", None)
    version = parts.path.strip("/").split("/")[0]
    person = str(choices.get("person", "person"))
    signup = flow.open_signup(world, version, params, scenario=scenario, person=person)
    chosen = _chosen_number(world, signup, choices)
    while signup.outcome is None:
        if choices.get("cancelAt") == signup.step or flow.flow_error(signup) is not None:
            flow.cancel(world, signup)
            break
        try:
            flow.answer(world, signup, _form(world, signup, choices, chosen))
        except flow.AnswerRefused as refused:
            raise BadChoice(f"{signup.step}: {refused}") from None
    return signup


def _chosen_number(world: World, signup: Signup, choices: Mapping[str, Any]) -> Number | None:
    """The existing number that this walk takes: by choice, by scenario, by prefill."""
    if "phoneNumberId" in choices:
        number = world.numbers.get(str(choices["phoneNumberId"]))
        if number is None:
            raise BadChoice("phoneNumberId: this sandbox has no such number")
        signup.person = number.waba.business.person
        return number
    waba = world.wabas.get(str(choices["wabaId"])) if "wabaId" in choices else None
    if "wabaId" in choices and waba is None:
        raise BadChoice("wabaId: this sandbox has no such WABA")
    waba = waba or flow.wanted_waba(world, signup)
    if waba is not None and waba.numbers and choices.get("number") != "new":
        signup.person = waba.business.person
        return waba.numbers[0]
    if signup.scenario.reuse:
        return grants.existing_for(world, signup.person)
    return None


def _form(world: World, signup: Signup, choices: Mapping[str, Any], chosen: Number | None) -> dict[str, str]:
    """What she fills into the present screen."""
    setup = flow.setup_of(signup)
    prefilled = setup.get("business") if isinstance(setup.get("business"), dict) else {}
    profile = setup.get("phone") if isinstance(setup.get("phone"), dict) else {}
    business_name = str(choices.get("businessName") or (prefilled or {}).get("name") or "Sandbox Business")
    match signup.step:
        case "business":
            if chosen is not None:
                return {"business": chosen.waba.business.id}
            return {"business": str(choices.get("businessId", "new")), "business_name": business_name}
        case "number":
            fresh = "new" if flow.offered_number(world, signup) is None else "preverified"
            kind = "none" if signup.scenario.numbers == 0 else str(choices.get("number", fresh))
            return {"number": chosen.id if chosen is not None else kind}
        case "profile":
            name = choices.get("displayName") or (profile or {}).get("displayName") or business_name
            return {"display_name": str(name)}
        case "phone":
            display = chosen.display if chosen is not None else grants.free_display_number(world)
            return {
                "phone_number": str(choices.get("phoneNumber") or display),
                "code_method": str(choices.get("codeMethod", "sms")),
            }
        case "verify":
            return {
                "code": str(choices.get("code", "123456")),
                "share_history": "no" if choices.get("shareHistory") is False else "yes",
            }
        case "permissions":
            return {"consent": "deny" if choices.get("deny") else "grant"}
        case _:
            return {}


def result(signup: Signup) -> dict[str, Any]:
    """The answer of `POST /sandbox/signups`."""
    popup = signup.redirect_uri is None
    results = flow.popup_results(signup) if popup else {"code": None, "message": None, "order": []}
    code = signup.code.value if signup.code is not None and signup.outcome == "finished" else None
    return {
        "signupId": signup.id,
        "transport": "popup" if popup else "page",
        "scenario": signup.scenario.name,
        "outcome": signup.outcome,
        "step": STEPS[signup.step],
        "redirectUrl": flow.redirect_url(signup),
        "code": results["code"] if popup else code,
        "message": results["message"],
        "order": results["order"],
        "businessId": signup.granted[0].business.id if signup.granted else None,
        "wabaIds": [waba.id for waba in signup.granted],
        "phoneNumberIds": [number.id for waba in signup.granted for number in waba.numbers],
    }
