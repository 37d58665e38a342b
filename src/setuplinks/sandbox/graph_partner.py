"""The partner's own portfolio: tokens of its customers, and numbers that it has ready for them (contract 2.6, 3.7)."""

import secrets
from collections.abc import Awaitable, Callable

from setuplinks.sandbox.clock import graph_time
from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, dead_token, error_of, missing_object
from setuplinks.sandbox.graph_fields import Fields, paged, shown
from setuplinks.sandbox.world import Business, PartnerNumber, Token, World, digits_of

DAY = 86_400.0
VERIFIED_DAYS, AGAIN_DAYS = 90, 45
CODE = "123456"
REMOVED = 458  # the customer took the app off: the partner gets no token any more
NUMBER_DEFAULT = ("id", "display_phone_number", "verification_status")  # as in Meta's OpenAPI

Edge = Callable[[GraphCall], Awaitable[Answer]]


def edge(call: GraphCall, name: str) -> Edge | None:
    """The handler: for the partner's portfolio, for one of its numbers, or for a customer's portfolio and its token."""
    world, object_id, asked = call.world, call.parts[0], (call.method, name)
    if asked == ("POST", "system_user_access_tokens"):
        return customer_token
    if object_id == world.config.partner_business_id:
        edges = {("POST", "add_phone_numbers"): add_number, ("GET", "preverified_numbers"): numbers}
        return {**edges, ("GET", ""): portfolio}.get(asked)
    if object_id in world.partner_numbers:
        own = {("GET", ""): read, ("POST", "request_code"): request_code, ("POST", "verify_code"): verify_code}
        return own.get(asked)
    return None


def is_verified(world: World, number: PartnerNumber) -> bool:
    return number.verified is not None and world.clock.now() < number.verified + VERIFIED_DAYS * DAY


def claim(world: World, display: str) -> None:
    """A customer took it: from now on it is an ordinary number with an id of its own."""
    for number in list(world.partner_numbers.values()):
        if digits_of(number.display) == digits_of(display):
            del world.partner_numbers[number.id]


def is_system_user(call: GraphCall) -> bool:
    """Whether the call carries the token that the sandbox was told of."""
    known = call.world.config.system_token
    return known is not None and call.bearer == known


def _as_system_user(call: GraphCall) -> None:
    """The partner's system user; a customer's token may not act for the partner."""
    if not call.bearer:
        raise GraphError(104, "An access token is required to request this resource.")
    if call.bearer in call.world.tokens:
        raise error_of(200, "(#200) Requires business_management permission to manage the object")
    known = call.world.config.system_token
    if known is not None and call.bearer != known:
        raise dead_token(None)
    call.check_proof(call.bearer)


async def portfolio(call: GraphCall) -> Answer:
    """The partner's portfolio itself."""
    _as_system_user(call)
    fields: Fields = {"id": lambda: call.parts[0], "name": lambda: f"{call.world.config.app_name} portfolio"}
    return shown(fields, ("id", "name"), call.text("fields"), "Business")


async def customer_token(call: GraphCall) -> Answer:
    """`fetch_only=true`: the token that the customer's portfolio has granted, made anew where the old one is dead."""
    _as_system_user(call)
    if call.text("fetch_only").lower() != "true":
        raise error_of(3962)
    business = call.world.businesses.get(call.parts[0])
    if business is None:
        raise missing_object(call.parts[0], call.method)
    return {"access_token": _granted(call.world, business).value}


def _granted(world: World, business: Business) -> Token:
    held = [token for token in world.tokens.values() if token.business is business]
    # A grant whose code nobody has exchanged yet counts too: the browser may never have come back.
    held += [code.token for code in world.codes.values() if code.token.business is business and code.token not in held]
    newest = max(held, key=lambda token: token.issued, default=None)
    if newest is None or newest.dead_subcode == REMOVED:
        raise error_of(200, "(#200) The business has not granted this app access to its assets")
    now = world.clock.now()
    if newest.dead_subcode is None and (newest.expires is None or now < newest.expires):
        world.tokens[newest.value] = newest
        return newest
    wabas = {waba.id: waba for token in held for waba in token.wabas}
    life = newest.scenario.expires_in
    fresh = Token(
        value="EAAS" + secrets.token_urlsafe(96), app_id=newest.app_id, user_id=newest.user_id, business=business,
        wabas=list(wabas.values()), scenario=newest.scenario, issued=now, expires=None if life is None else now + life,
    )  # fmt: skip
    world.tokens[fresh.value] = fresh
    return fresh


async def add_number(call: GraphCall) -> Answer:
    _as_system_user(call)
    digits = digits_of(call.required("phone_number"))
    if not 7 <= len(digits) <= 15:
        raise GraphError(100, "Invalid phone number")
    world = call.world
    taken = [number.display for number in world.partner_numbers.values()] + [n.display for n in world.numbers.values()]
    if digits in {digits_of(display) for display in taken}:
        raise bad_parameter("The phone number is already registered.")
    number = PartnerNumber(world.next_id("14"), f"+{digits}")
    world.partner_numbers[number.id] = number
    return {"id": number.id}


async def numbers(call: GraphCall) -> Answer:
    _as_system_user(call)
    world, wanted = call.world, call.text("code_verification_status").upper()
    rows = {n.id: n for n in world.partner_numbers.values() if wanted in ("", _status(world, n))}
    return paged(call, list(rows), lambda row_id: _shown(call, rows[row_id]))


async def read(call: GraphCall) -> Answer:
    _as_system_user(call)
    return _shown(call, call.world.partner_numbers[call.parts[0]])


def _shown(call: GraphCall, number: PartnerNumber) -> Answer:
    return shown(_fields(call.world, number), NUMBER_DEFAULT, call.text("fields"), "WhatsAppBusinessPreVerifiedNumber")


def _status(world: World, number: PartnerNumber) -> str:
    if number.verified is None:
        return "NOT_VERIFIED"
    return "VERIFIED" if is_verified(world, number) else "EXPIRED"


def _fields(world: World, number: PartnerNumber) -> Fields:
    verified = number.verified
    return {
        "id": lambda: number.id,
        "phone_number": lambda: number.display,
        "display_phone_number": lambda: number.display,
        "code_verification_status": lambda: _status(world, number),
        "verification_status": lambda: {"NOT_VERIFIED": "PENDING"}.get(_status(world, number), _status(world, number)),
        "availability_status": lambda: "AVAILABLE",
        "code_verification_time": lambda: None if verified is None else graph_time(verified),
        "verification_expiry_time": lambda: None if verified is None else graph_time(verified + VERIFIED_DAYS * DAY),
    }


async def request_code(call: GraphCall) -> Answer:
    """A number that is verified may be verified again in the last 45 of its 90 days."""
    _as_system_user(call)
    number = call.world.partner_numbers[call.parts[0]]
    if call.required("code_method").upper() not in ("SMS", "VOICE"):
        raise bad_parameter("Param code_method must be one of {SMS, VOICE}")
    call.required("language")
    if number.verified is not None and call.world.clock.now() < number.verified + (VERIFIED_DAYS - AGAIN_DAYS) * DAY:
        raise GraphError(
            136024, "(#136024) Request code error", details="The number is verified; ask in its last 45 days."
        )
    number.sent_code = CODE
    return {"success": True}


async def verify_code(call: GraphCall) -> Answer:
    _as_system_user(call)
    number = call.world.partner_numbers[call.parts[0]]
    code = call.required("code").replace("-", "")
    if number.sent_code is None or code != number.sent_code:
        said = "Request a code first." if number.sent_code is None else "The code is not correct."
        raise GraphError(136025, "(#136025) Verify code error", details=said)
    number.sent_code, number.verified = None, call.world.clock.now()
    return {"success": True, "id": number.id}
