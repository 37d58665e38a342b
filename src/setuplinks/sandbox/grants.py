"""What a finished signup leaves behind: business, WABA, numbers, code and token, as the scenario says."""

import secrets
from typing import Any

from setuplinks.sandbox.graph_partner import claim
from setuplinks.sandbox.world import Business, Code, Number, Signup, Token, Waba, World, digits_of

REGISTERED = {"platform_type": "CLOUD_API", "throughput": "STANDARD", "status": "CONNECTED"}


def hello_world(world: World) -> dict[str, Any]:
    """The template that every new WABA has."""
    return {
        "name": "hello_world",
        "language": "en_US",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
            {
                "type": "BODY",
                "text": "Welcome and congratulations!! This message demonstrates your ability to send a "
                "WhatsApp message notification from the Cloud API, hosted by Meta.",
            },
            {"type": "FOOTER", "text": "WhatsApp Business Platform sample message"},
        ],
        "id": world.next_id("16"),
    }


def new_business(world: World, name: str, person: str) -> Business:
    business = Business(world.next_id("27"), name, person, world.clock.now())
    world.businesses[business.id] = business
    world.by_person.setdefault(person, []).append(business)
    return business


def new_waba(world: World, business: Business, name: str) -> Waba:
    spaced = secrets.token_hex(16)
    namespace = "_".join((spaced[:8], spaced[8:12], spaced[12:16], spaced[16:20], spaced[20:]))
    waba = Waba(world.next_id("52"), name, business, world.clock.now(), namespace, templates=[hello_world(world)])
    world.wabas[waba.id] = waba
    business.wabas.append(waba)
    return waba


def new_number(world: World, waba: Waba, display: str, verified_name: str) -> Number:
    number = Number(world.next_id("10"), waba, display, verified_name, world.clock.now())
    number.last_onboarded = number.created
    world.numbers[number.id] = number
    waba.numbers.append(number)
    return number


def free_display_number(world: World, us_555: bool = False) -> str:
    """A number that nobody has here, printed as Graph prints it."""
    digits = f"{world.next_local_number():07d}"
    return f"+1 555-{digits[:3]}-{digits[3:]}" if us_555 else f"+54 9 351 {digits[:3]}-{digits[3:]}"


def _fresh_number(world: World, signup: Signup, waba: Waba, display: str) -> Number:
    scenario = signup.scenario
    number = new_number(world, waba, display, signup.answers.get("display_name") or waba.name)
    number.name_status, number.name_blocks_register = scenario.name_status, scenario.name_blocks_register
    number.pin, number.pin_gap, number.left_behind = scenario.pin, scenario.pin_gap, scenario.left_behind
    if not scenario.verified:
        number.code_verification_status = "NOT_VERIFIED"
    if signup.coexistence:
        world.app_numbers[digits_of(display)] = number
        number.on_biz_app, number.history = True, scenario.history
        if signup.answers.get("share_history") == "no":
            number.history = "declined"
        number.platform_type, number.throughput, number.status = "CLOUD_API", "STANDARD", "CONNECTED"
    return number


def settle(world: World, signup: Signup) -> None:
    """Makes what the person chose: sets the signup's `granted` WABAs, and its `number` where it has one."""
    scenario = signup.scenario
    if signup.number is not None:
        signup.granted = [signup.number.waba]
        signup.number.last_onboarded = world.clock.now()
        if signup.coexistence:
            signup.number.synced.clear()
        return
    name = signup.answers.get("business_name") or "Sandbox Business"
    if signup.business is None:
        signup.business = new_business(world, name, signup.person)
    for position in range(scenario.wabas):
        suffix = f" {position + 1}" if position else ""
        waba = new_waba(world, signup.business, signup.business.name + suffix)
        signup.granted.insert(0, waba)  # newest first, as debug_token lists them
        wanted = 0 if signup.kind == "none" else scenario.numbers
        for place in range(wanted):
            typed = signup.answers.get("phone_number") if position == place == 0 else None
            display = typed or free_display_number(world, us_555=signup.kind == "555")
            number = _fresh_number(world, signup, waba, display)
            if signup.kind == "preverified" and position == place == 0:
                number.preverified = True
                claim(world, display)
            if signup.number is None:
                signup.number = number


def existing_for(world: World, person: str) -> Number:
    """The person's newest number; made as if it had been there for long where she has none."""
    for business in world.business_of(person):
        for waba in reversed(business.wabas):
            if waba.numbers:
                return waba.numbers[-1]
    business = new_business(world, "Sandbox Business", person)
    waba = new_waba(world, business, business.name)
    return new_number(world, waba, free_display_number(world), business.name)


def more_ids(signup: Signup) -> dict[str, Any]:
    """Ids that a FINISH message may name beside the usual three."""
    if not signup.scenario.more_ids:
        return {}
    kinds = ("ad_account_ids", "page_ids", "dataset_ids", "catalog_ids", "instagram_account_ids")
    return {kind: [f"77{number}000000001"] for number, kind in enumerate(kinds)} | {
        "waba_ids": [waba.id for waba in signup.granted]
    }


def issue_code(world: World, signup: Signup, *, started: bool) -> Code:
    """A code and the token behind it. Not `started`: its life begins when the person leaves the last screen."""
    scenario, now = signup.scenario, world.clock.now()
    token = Token(
        value="EAAS" + secrets.token_urlsafe(96),
        app_id=scenario.token_app or signup.client_id,
        user_id=world.next_id("12"),
        business=signup.business or (signup.granted[0].business if signup.granted else None),
        wabas=list(signup.granted),
        scenario=scenario,
        issued=now,
        expires=None if scenario.expires_in is None else now + scenario.expires_in,
        dies_at=scenario.dies_at,
        faults_left={i: fault.times for i, fault in enumerate(scenario.faults) if fault.times is not None},
    )
    code = Code(
        value="AQ" + secrets.token_urlsafe(120),
        app_id=signup.client_id,
        redirect_uri=signup.redirect_uri,
        page_url=signup.page_url,
        token=token,
        issued=now if started else None,
        used=scenario.code_state == "used",
        faults_left=token.faults_left,
    )
    if scenario.code_state == "expired":
        code.issued = now - 3600
    world.codes[code.value] = code
    signup.code = code
    return code
