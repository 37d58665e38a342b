"""What end users see of a number and may do with it: business profile, blocked users, QR codes, settings.

https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number/whatsapp-business-profile-api
"""

import secrets
import string
from typing import Any
from urllib.parse import quote

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.graph_fields import asked_fields, paged
from setuplinks.sandbox.world import Number, Token, digits_of

LIMITS = {"about": 139, "address": 256, "description": 512, "email": 128}
VERTICALS = ("ALCOHOL", "APPAREL", "AUTO", "BEAUTY", "EDU", "ENTERTAIN", "EVENT_PLAN", "FINANCE", "GOVT", "GROCERY",
             "HEALTH", "HOTEL", "MATRIMONY_SERVICE", "NONPROFIT", "ONLINE_GAMBLING", "OTC_DRUGS", "OTHER",
             "PHYSICAL_GAMBLING", "PROF_SERVICES", "RESTAURANT", "RETAIL", "TRAVEL", "UNDEFINED")  # fmt: skip
SHOWN = (*LIMITS, "messaging_product", "profile_picture_url", "vertical", "websites")
ALPHABET = string.ascii_uppercase + "234567"


async def read(call: GraphCall, _token: Token, number: Number) -> Answer:
    """The profile; only what is asked for, where fields are named."""
    asked = asked_fields(call.text("fields"))
    if unknown := sorted(set(asked) - set(SHOWN)):
        raise bad_parameter(f"Tried accessing nonexisting field ({unknown[0]}) on node type (WhatsAppBusinessProfile)")
    names = [*asked, "messaging_product"] if asked else ["messaging_product"]
    profile = {"vertical": "UNDEFINED", **number.profile, "messaging_product": "whatsapp"}
    return {"data": [{name: profile[name] for name in names if name in profile}]}


async def change(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Sets what is given."""
    if call.text("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    for name, most in LIMITS.items():
        if len(call.text(name)) > most:
            raise bad_parameter(f"Param {name} must be at most {most} characters long.")
    websites: Any = call.params.get("websites", [])
    if not isinstance(websites, list) or len(websites) > 2:
        raise bad_parameter("Param websites must be an array of at most 2 addresses.")
    if call.text("vertical") and call.text("vertical") not in VERTICALS:
        raise bad_parameter(f"Param vertical must be one of {{{', '.join(VERTICALS)}}}")
    number.profile |= {name: call.params[name] for name in (*LIMITS, "vertical", "websites") if name in call.params}
    return {"success": True}


async def blocked(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Whom the business does not want to hear."""
    return paged(call, sorted(number.blocked), lambda wa_id: {"messaging_product": "whatsapp", "wa_id": wa_id})


async def block(call: GraphCall, _token: Token, number: Number) -> Answer:
    """What they write reaches nobody from now on."""
    users = _users(call)
    number.blocked |= {user["wa_id"] for user in users}
    return {"messaging_product": "whatsapp", "block_users": {"added_users": users}}


async def unblock(call: GraphCall, _token: Token, number: Number) -> Answer:
    """They can write again."""
    users = _users(call)
    number.blocked -= {user["wa_id"] for user in users}
    return {"messaging_product": "whatsapp", "block_users": {"removed_users": users}}


def _users(call: GraphCall) -> list[Answer]:
    given: Any = call.params.get("block_users")
    if call.text("messaging_product") != "whatsapp" or not isinstance(given, list) or not given:
        raise bad_parameter("The parameters messaging_product and block_users are required.")
    names = [str(row.get("user", "")) if isinstance(row, dict) else "" for row in given]
    if not all(digits_of(name) for name in names):
        raise bad_parameter("Param block_users[0]['user'] must be a phone number.")
    return [{"input": name, "wa_id": digits_of(name)} for name in names]


async def codes(call: GraphCall, _token: Token, number: Number) -> Answer:
    """The number's QR codes, or with `code` the one."""
    wanted = call.text("code")
    rows = {code: row for code, row in number.qr_codes.items() if wanted in ("", code)}
    return paged(call, list(rows), lambda code: rows[code])


async def make_code(call: GraphCall, _token: Token, number: Number) -> Answer:
    """A new one, or with `code` another text for an old one."""
    text, code = call.required("prefilled_message"), call.text("code")
    if code and code not in number.qr_codes:
        raise GraphError(100, "Invalid parameter", subcode=2388050, user_title="QR code not found")
    code = code or "".join(secrets.choice(ALPHABET) for _ in range(14))
    made = {"code": code, "prefilled_message": text, "deep_link_url": f"https://wa.me/message/{code}"}
    if kind := call.text("generate_qr_image").upper():
        if kind not in ("PNG", "SVG"):
            raise bad_parameter("Param generate_qr_image must be one of {SVG, PNG}")
        made["qr_image_url"] = f"{call.base_url}/sandbox#qr-{quote(code)}"
    number.qr_codes[code] = {name: made[name] for name in ("code", "prefilled_message", "deep_link_url")}
    return dict(made)


async def forget_code(call: GraphCall, _token: Token, number: Number) -> Answer:
    """By `code`."""
    if number.qr_codes.pop(call.required("code"), None) is None:
        raise GraphError(100, "Invalid parameter", subcode=2388050, user_title="QR code not found")
    return {"success": True}


async def settings(_call: GraphCall, _token: Token, number: Number) -> Answer:
    """Of calling and storage; what was set, over what a fresh number has."""
    calling: Answer = {
        "status": "disabled", "call_icon_visibility": "visible", "ip_addresses": {},
        "callback_permission_status": "disabled",
    }  # fmt: skip
    own = number.own_settings
    return {"storage_configuration": {"status": "default"}, **own, "calling": calling | own.get("calling", {})}


async def change_settings(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Objects are taken as they are."""
    number.own_settings |= {
        name: value for name, value in call.params.items() if isinstance(value, dict) and name != "access_token"
    }
    return {"success": True}


async def automate(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Welcome message, commands and prompts of `conversational_automation`."""
    names = ("enable_welcome_message", "commands", "prompts")
    number.automation |= {name: call.params[name] for name in names if name in call.params}
    return {"success": True}


async def commerce(_call: GraphCall, _token: Token, number: Number) -> Answer:
    """Whether the catalogue and the cart are shown."""
    return {"data": [{"is_catalog_visible": False, "is_cart_enabled": True, **number.commerce, "id": number.id}]}


async def change_commerce(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Either of the two, by query or body."""
    for name in ("is_catalog_visible", "is_cart_enabled"):
        if name in call.params:
            number.commerce[name] = call.text(name).lower() == "true"
    return {"success": True}


async def encryption(_call: GraphCall, _token: Token, number: Number) -> Answer:
    """The public key for flows."""
    if number.public_key is None:
        return {"data": []}
    return {"data": [{"business_public_key": number.public_key, "business_public_key_signature_status": "VALID"}]}


async def change_encryption(call: GraphCall, _token: Token, number: Number) -> Answer:
    """Sets it; it is not used."""
    number.public_key = call.required("business_public_key")
    return {"success": True}
