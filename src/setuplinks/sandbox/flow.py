"""The dialog as moves without pages: open, answer a screen, cancel. `dialog` shows them, `play` makes them at once."""

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from setuplinks.sandbox import caps, grants
from setuplinks.sandbox.graph_partner import is_verified
from setuplinks.sandbox.scenarios import FlowError, Scenario
from setuplinks.sandbox.steps import (
    COEXISTENCE,
    EXISTING,
    FREE_555,
    FRESH,
    PREVERIFIED,
    PREVERIFIED_LATE,
    STEPS,
)
from setuplinks.sandbox.world import PartnerNumber, Signup, Waba, World, digits_of

ARBITER_PATH = "/x/connect/xd_arbiter/"
ORDER = list(STEPS)


class DialogRefused(Exception):
    """The dialog does not open: Facebook's error page with `code` and `message`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class AnswerRefused(Exception):
    """The screen stays, with this sentence."""


def open_signup(
    world: World, version: str, params: Mapping[str, str], *, scenario: str | None = None, person: str = "person"
) -> Signup:
    """A signup for the dialog's query parameters; DialogRefused where Facebook would show an error page."""
    config = world.config
    client_id = params.get("client_id") or params.get("app_id") or ""
    if not client_id or (config.app_id and client_id != config.app_id):
        raise DialogRefused(101, "Invalid App ID: The provided app ID does not look like a valid app ID.")
    config_id = params.get("config_id", "")
    if config.config_id and config_id != config.config_id:
        raise DialogRefused(100, "Invalid configuration: the config_id does not belong to this app.")
    if params.get("response_type", "code") != "code":
        raise DialogRefused(100, "Only response_type=code works with this configuration.")
    redirect_uri = _redirect_uri(world, params)
    extras = _extras(params.get("extras"))
    if redirect_uri is not None and not world.settings.page_extras:
        extras = {}
    chosen = world.scenario_for(params.get("state"), scenario)
    signup = Signup(
        id=secrets.token_urlsafe(18),
        version=version,
        client_id=client_id,
        config_id=config_id,
        redirect_uri=redirect_uri,
        state=params.get("state"),
        extras=extras,
        person=person,
        scenario=chosen,
        opened=world.clock.now(),
        opener_origin=_origin(world, params.get("origin")),
        page_url=params.get("fallback_redirect_uri"),
        channel=params.get("cb", ""),
    )
    wanted = extras.get("featureType") == "whatsapp_business_app_onboarding"
    signup.coexistence = wanted if chosen.coexistence is None else chosen.coexistence
    signup.path = COEXISTENCE if signup.coexistence else FRESH
    world.keep_signup(signup)
    _arrive(world, signup)
    return signup


def _redirect_uri(world: World, params: Mapping[str, str]) -> str | None:
    """The page's address, or None for the SDK's popup."""
    uri = params.get("redirect_uri", "")
    if not uri and params.get("display") == "popup":
        return None
    parts = urlsplit(uri)
    if parts.path == ARBITER_PATH and params.get("sdk"):
        return None
    allowed = world.settings.redirect_uris
    if parts.scheme not in ("http", "https") or not parts.netloc or (allowed and uri not in allowed):
        raise DialogRefused(
            191,
            "URL Blocked: This redirect failed because the redirect URI is not white-listed in the "
            "app's client OAuth settings. Make sure that the client and web OAuth logins are on and add "
            "all your app domains as valid OAuth redirect URIs.",
        )
    return uri


def _origin(world: World, text: str | None) -> str | None:
    """The opener's exact origin, where it may have results at all; never a wildcard."""
    parts = urlsplit(text or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        return None
    origin = f"{parts.scheme}://{parts.netloc}"
    allowed = world.settings.allowed_origins
    return origin if not allowed or origin in allowed else None


def _extras(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        raise DialogRefused(100, "The parameter extras is not valid JSON.") from None
    if not isinstance(value, dict):
        raise DialogRefused(100, "The parameter extras must be a JSON object.")
    return value


def setup_of(signup: Signup) -> dict[str, Any]:
    """`extras.setup`, or nothing."""
    setup = signup.extras.get("setup")
    return setup if isinstance(setup, dict) else {}


def wanted_waba(world: World, signup: Signup) -> Waba | None:
    """The WABA that the prefill names; Meta writes it as `id` list and as `ids` (contract 1.2)."""
    asked = setup_of(signup).get("whatsAppBusinessAccount")
    if not isinstance(asked, dict) or signup.scenario.ignore_prefill:
        return None
    named = asked.get("ids") or asked.get("id") or []
    for waba_id in named if isinstance(named, list) else [named]:
        if str(waba_id) in world.wabas:
            return world.wabas[str(waba_id)]
    return None


def offered_number(world: World, signup: Signup) -> PartnerNumber | None:
    """The partner's number that the prefill offers: only the first id counts, and only until it was taken."""
    asked = setup_of(signup).get("preVerifiedPhone")
    named = asked.get("ids") if isinstance(asked, dict) else None
    first = named[0] if isinstance(named, list) and named else None
    return world.partner_numbers.get(str(first))


def answer(world: World, signup: Signup, form: Mapping[str, str]) -> None:
    """The person submits the present screen; AnswerRefused keeps her on it."""
    if signup.outcome is not None:
        return
    SCREENS[signup.step](world, signup, form)
    if signup.outcome is None and signup.step != "finish":
        signup.step = signup.path[signup.path.index(signup.step) + 1]
        _arrive(world, signup)


def _business(world: World, signup: Signup, form: Mapping[str, str]) -> None:
    chosen = form.get("business", "new")
    if chosen != "new":
        business = world.businesses.get(chosen)
        if business is None or business.person != signup.person:
            raise AnswerRefused("Choose one of the businesses, or create one.")
        signup.business = business
        return
    signup.business = None
    name = form.get("business_name", "").strip()
    if not name:
        raise AnswerRefused("Give the business a name.")
    signup.answers["business_name"] = name[:100]


def _number(world: World, signup: Signup, form: Mapping[str, str]) -> None:
    chosen = form.get("number", "new")
    signup.number = None
    if chosen in ("new", "555", "none"):
        signup.kind = chosen
        signup.path = {"new": FRESH, "555": FREE_555, "none": EXISTING}[chosen]
        return
    if chosen == "preverified" and (offered := offered_number(world, signup)) is not None:
        signup.kind, signup.answers["phone_number"] = chosen, offered.display
        signup.path = PREVERIFIED if is_verified(world, offered) else PREVERIFIED_LATE
        return
    number = world.numbers.get(chosen)
    if number is None or signup.business is None or number.waba.business is not signup.business:
        raise AnswerRefused("Choose one of this business's numbers, or add one.")
    signup.kind, signup.number, signup.path = "existing", number, EXISTING


def _profile(_world: World, signup: Signup, form: Mapping[str, str]) -> None:
    name = form.get("display_name", "").strip()
    if not name:
        raise AnswerRefused("Give the name that people will see.")
    signup.answers["display_name"] = name[:100]
    signup.answers["category"] = form.get("category", "OTHER")


def _phone(world: World, signup: Signup, form: Mapping[str, str]) -> None:
    typed = form.get("phone_number", "").strip()
    if not typed.startswith("+") or not 7 <= len(digits_of(typed)) <= 15:
        raise AnswerRefused("Give the number with its country code, such as +54 9 351 555-0100.")
    signup.answers["phone_number"] = typed
    signup.answers["code_method"] = form.get("code_method", "sms")
    if signup.coexistence:
        number = world.on_app(typed)
        if number is not None and number.waba.business.person == signup.person:
            signup.number, signup.kind = number, "existing"


def _verify(_world: World, signup: Signup, form: Mapping[str, str]) -> None:
    if signup.coexistence:
        signup.answers["share_history"] = form.get("share_history", "no")
        return
    code = form.get("code", "").strip()
    if len(code) != 6 or not code.isdecimal():
        raise AnswerRefused("The code has six digits.")


def _permissions(world: World, signup: Signup, form: Mapping[str, str]) -> None:
    if form.get("consent") == "deny" or signup.scenario.denied:
        deny(signup)
        return
    if not signup.scenario.denied_after_consent:
        grants.settle(world, signup)
        caps.count(world, signup)
        grants.issue_code(world, signup, started=False)
        for waba in signup.granted:
            world.notify(
                "account_update",
                world.config.partner_business_id,
                {
                    "event": "PARTNER_ADDED",
                    "waba_info": {"waba_id": waba.id, "owner_business_id": waba.business.id},
                },
            )


def _finish(world: World, signup: Signup, _form: Mapping[str, str]) -> None:
    finish(world, signup)


SCREENS = {
    "business": _business,
    "number": _number,
    "profile": _profile,
    "phone": _phone,
    "verify": _verify,
    "permissions": _permissions,
    "finish": _finish,
}


def _arrive(world: World, signup: Signup) -> None:
    """What the scenario does to a person who reaches this screen."""
    scenario, here = signup.scenario, ORDER.index(signup.step)
    signup.blocked = caps.reached(world, signup)
    if scenario.cancel_at and here >= ORDER.index(scenario.cancel_at):
        cancel(world, signup)
    elif scenario.vanish_at and here >= ORDER.index(scenario.vanish_at):
        signup.outcome = "vanished"


def flow_error(signup: Signup) -> FlowError | None:
    """The error that stands on the present screen instead of its questions."""
    error = signup.blocked or signup.scenario.flow_error
    return error if error is not None and ORDER.index(signup.step) >= ORDER.index(error.step) else None


def finish(world: World, signup: Signup) -> None:
    """Leaves the last screen: the code's 30 seconds begin. By its button or by X, which counts as finished."""
    if signup.code is None:
        signup.outcome = "denied"
        return
    if signup.code.issued is None:
        signup.code.issued = world.clock.now()
    signup.outcome = "finished"
    signup.message = finish_message(signup)


def cancel(world: World, signup: Signup) -> None:
    """The person closes the dialog, or reports the error that it shows. On the last screen that is finishing."""
    if signup.outcome is not None:
        return
    if signup.step == "finish":
        finish(world, signup)
        return
    signup.outcome, signup.message = "cancelled", cancel_message(world, signup)


def deny(signup: Signup) -> None:
    signup.outcome = "denied"
    signup.message = {
        "type": "WA_EMBEDDED_SIGNUP",
        "event": "CANCEL",
        "data": {"current_step": STEPS["permissions"]},
        "version": 3,
    }


def cancel_message(world: World, signup: Signup) -> dict[str, Any]:
    error = flow_error(signup)
    data: dict[str, str] = (
        {"current_step": STEPS[signup.step]}
        if error is None
        else {
            "error_message": error.message,
            "error_code": error.code,
            "session_id": signup.id,
            "timestamp": str(int(world.clock.now())),
        }
    )
    event = signup.scenario.finish_event if error is not None and signup.scenario.finish_event else "CANCEL"
    return {"type": "WA_EMBEDDED_SIGNUP", "event": event, "data": data, "version": 3}


def finish_message(signup: Signup) -> dict[str, Any]:
    """FINISH and its kinds (contract 1.3); coexistence tells the WABA only."""
    event, data = signup.scenario.finish_event or "FINISH", grants.more_ids(signup)
    waba = signup.granted[0] if signup.granted else None
    if signup.number is not None:
        waba = signup.number.waba
        data["phone_number_id"] = signup.number.id
    elif waba is not None or signup.business is not None:
        event = "FINISH_ONLY_WABA"
    if waba is not None:
        data["waba_id"] = waba.id
    business = waba.business if waba is not None else signup.business
    if business is not None:
        data["business_id"] = business.id
    if signup.coexistence and waba is not None:
        event, data = "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING", {"waba_id": waba.id}
    return {"type": "WA_EMBEDDED_SIGNUP", "event": event, "data": data, "version": 3}


def popup_results(signup: Signup) -> dict[str, Any]:
    """What the opener gets, and in which order; either may be missing."""
    scenario: Scenario = signup.scenario
    finished = signup.outcome == "finished"
    code = signup.code.value if finished and signup.code and scenario.send_code else None
    message = signup.message if scenario.send_message or not finished else None
    return {
        "code": code,
        "message": message,
        "order": ["code", "message"] if scenario.code_first else ["message", "code"],
    }


def redirect_url(signup: Signup) -> str | None:
    """Where the full-page dialog leads; None for a popup and for a person who has gone."""
    if signup.redirect_uri is None or signup.outcome in (None, "vanished"):
        return None
    if signup.outcome == "finished" and signup.code is not None:
        added = {"code": signup.code.value}
    else:
        added = {
            "error": "access_denied",
            "error_code": "200",
            "error_description": "Permissions error",
            "error_reason": "user_denied",
        }
    if signup.state is not None:
        added["state"] = signup.state
    parts = urlsplit(signup.redirect_uri)
    query = "&".join(piece for piece in (parts.query, urlencode(added)) if piece)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, "_=_"))
