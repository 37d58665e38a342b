"""A phone number and its edges: register with PIN memory, codes, coexistence sync (contract 3.2 to 3.5)."""

import secrets

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, error_of
from setuplinks.sandbox.graph_fields import NUMBER_DEFAULT, number_fields, shown
from setuplinks.sandbox.graph_wabas import challenge
from setuplinks.sandbox.telling_sync import tell_sync
from setuplinks.sandbox.world import Number, Token

REGISTER_TRIES = 10  # register and deregister together, in 72 h
REGISTER_WINDOW = 72 * 3600.0
PIN_GUESSES = 5  # the real limit is not documented
PIN_LOCK = 12 * 3600.0  # nor is this
SYNC_WINDOW = 24 * 3600.0
SYNC_TYPES = {"smb_app_state_sync", "history"}


async def read(call: GraphCall, token: Token, number: Number) -> Answer:
    fields = number_fields(number, token.app_id, call.world.callback_url or "")
    return shown(fields, NUMBER_DEFAULT, call.text("fields"), "WhatsAppBusinessPhoneNumber")


async def change(call: GraphCall, _token: Token, number: Number) -> Answer:
    """`pin` sets the two-step PIN; `webhook_configuration` sets or (empty) removes the number's own callback."""
    if pin := call.text("pin"):
        number.pin, number.pin_misses = _six_digits(pin), 0
        return {"success": True}
    configuration = call.params.get("webhook_configuration")
    if not isinstance(configuration, dict):
        raise bad_parameter("The parameter pin or webhook_configuration is required.")
    uri, verify = str(configuration.get("override_callback_uri") or ""), str(configuration.get("verify_token") or "")
    if uri:
        await challenge(uri, verify)
    number.override = {"override_callback_uri": uri, "verify_token": verify} if uri else None
    return {"success": True}


def _six_digits(pin: str) -> str:
    if len(pin) != 6 or not (pin.isascii() and pin.isdecimal()):
        raise bad_parameter("Param pin must be 6 digits long")
    return pin


def _count_try(call: GraphCall, number: Number) -> None:
    now = call.world.clock.now()
    number.register_tries = [at for at in number.register_tries if now - at < REGISTER_WINDOW]
    if len(number.register_tries) >= REGISTER_TRIES:
        raise error_of(133016)
    number.register_tries.append(now)


async def register(call: GraphCall, _token: Token, number: Number) -> Answer:
    """The PIN becomes the number's, or must equal the one that it has. Coexistence numbers are never registered."""
    if call.text("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    pin = _six_digits(call.required("pin"))
    if number.on_biz_app:
        raise GraphError(100, "Register endpoint is not available for API solution for SMB businesses.")
    _count_try(call, number)
    if number.name_blocks_register and number.name_status == "PENDING_REVIEW":
        raise error_of(131045, "(#131045) The display name of this phone number is still in review")
    if number.code_verification_status != "VERIFIED":
        raise error_of(133006)
    if number.left_behind:
        raise error_of(133000)
    _guess(number, pin, call.world.clock.now())
    number.platform_type, number.throughput, number.status = "CLOUD_API", "STANDARD", "CONNECTED"
    return {"success": True}


def _guess(number: Number, pin: str, now: float) -> None:
    """133005 for a wrong PIN; too many are locked out for a time (133008), too fast ones for a moment (133009)."""
    if number.pin_locked_until is not None and now >= number.pin_locked_until:
        number.pin_locked_until, number.pin_misses = None, 0
    if number.pin_locked_until is not None:
        hours = max(1, round((number.pin_locked_until - now) / 3600))
        raise error_of(133008, details=f"Too many wrong PINs. Wait {hours} hours and try again.")
    if number.pin is not None and number.pin_guessed_at is not None and now - number.pin_guessed_at < number.pin_gap:
        raise error_of(133009, details="PINs were guessed too fast. Wait 1 minute and try again.")
    number.pin_guessed_at = now
    if number.pin is not None and number.pin != pin:
        number.pin_misses += 1
        if number.pin_misses >= PIN_GUESSES:
            number.pin_locked_until = now + PIN_LOCK
            raise error_of(133008, details="Too many wrong PINs. Wait 12 hours and try again.")
        raise error_of(133005)
    number.pin, number.pin_misses = pin, 0


async def deregister(call: GraphCall, _token: Token, number: Number) -> Answer:
    if number.on_biz_app:
        raise GraphError(100, "Deregister endpoint is not available for API solution for SMB businesses.")
    _count_try(call, number)
    if number.left_behind:
        number.left_behind = False
        return {"success": True}
    if number.platform_type != "CLOUD_API":
        raise error_of(133010)
    number.platform_type, number.throughput, number.status = "NOT_APPLICABLE", "NOT_APPLICABLE", "DISCONNECTED"
    return {"success": True}


async def request_code(call: GraphCall, _token: Token, number: Number) -> Answer:
    if call.required("code_method").upper() not in ("SMS", "VOICE"):
        raise bad_parameter("Param code_method must be one of {SMS, VOICE}")
    call.required("language")
    number.sent_code = "123456"
    return {"success": True}


async def verify_code(call: GraphCall, _token: Token, number: Number) -> Answer:
    code = call.required("code").replace("-", "")
    if number.sent_code is None:
        raise GraphError(136025, "(#136025) Verify code error", details="Request a code first.")
    if code != number.sent_code:
        raise GraphError(136025, "(#136025) Verify code error", details="The code is not correct.")
    number.sent_code, number.code_verification_status = None, "VERIFIED"
    return {"success": True, "id": number.id}


async def smb_app_data(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Each type once, within a day of the onboarding."""
    kind = call.required("sync_type")
    if kind not in SYNC_TYPES:
        raise bad_parameter("Param sync_type must be one of {smb_app_state_sync, history}")
    if not number.on_biz_app:
        raise bad_parameter("The phone number is not a WhatsApp Business app number.")
    if call.world.clock.now() - (number.last_onboarded or number.created) > SYNC_WINDOW:
        raise error_of(2593108)
    if kind in number.synced:
        raise error_of(2593107)
    number.synced.add(kind)
    tell_sync(call.world, number, kind)
    return {"messaging_product": "whatsapp", "request_id": secrets.token_hex(12)}
