"""Code for token, and what a token is: `/oauth/access_token` and `/debug_token` (contract 2)."""

from typing import Any

from setuplinks.sandbox.graph_call import Answer, GraphCall, injected_fault
from setuplinks.sandbox.graph_errors import TOKEN_TEXTS, GraphError, bad_parameter, dead_token
from setuplinks.sandbox.world import Code, Token, World

MISMATCH = (
    "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the "
    "OAuth dialog request"
)


async def access_token(call: GraphCall) -> Answer:
    """The exchange. The app is checked first, then the code: known, unused, young, and its redirect_uri."""
    call.name, world = "exchange", call.world
    await injected_fault(call)
    client_id, secret, value = call.text("client_id"), call.text("client_secret"), call.text("code")
    if not client_id or (world.config.app_id and client_id != world.config.app_id):
        raise GraphError(101, "Error validating application. Invalid application ID.")
    if not secret or (world.config.app_secret and secret != world.config.app_secret):
        raise GraphError(1, "Error validating client secret.")
    if not value:
        raise bad_parameter("Missing required parameter: code")
    code = world.codes.get(value)
    if code is None or code.app_id != client_id:
        raise GraphError(100, "Invalid verification code format.")
    world.last_secret = secret
    call.scenario_faults(code.token.scenario.faults, code.faults_left)
    _spend(world, code, call.params.get("redirect_uri"))
    token = code.token
    token.issued = world.clock.now()
    world.tokens[token.value] = token
    token.dead_subcode = token.scenario.dead_subcode
    if not token.scenario.tells_life:
        return {"access_token": token.value}
    answer: Answer = {"access_token": token.value, "token_type": "bearer"}
    if token.expires is not None:
        answer["expires_in"] = max(0, int(token.expires - world.clock.now()))
    return answer


def _spend(world: World, code: Code, redirect_uri: Any) -> None:
    """Marks the code used, or raises 36009, 36007, 36008."""
    now = world.clock.now()
    if code.used:
        raise GraphError(100, "This authorization code has been used.", subcode=36009)
    if code.issued is None:
        code.issued = now  # its last screen was closed by X and word of it has not come yet
    if now - code.issued > world.settings.code_seconds:
        raise GraphError(100, "This authorization code has expired.", subcode=36007)
    expected = code.redirect_uri
    if expected is None and world.settings.popup_redirect_uri == "page":
        expected = code.page_url
    if redirect_uri != expected:
        code.used = world.settings.mismatch_burns_code
        raise GraphError(100, MISMATCH, subcode=36008)
    code.used = True


def check_app_token(call: GraphCall) -> None:
    """`{app_id}|{app_secret}`, which debug_token and the app's own edges want; 190 otherwise."""
    app_id, _, secret = (call.bearer or "").partition("|")
    config = call.world.config
    if not secret or (config.app_id and app_id != config.app_id) or (config.app_secret and secret != config.app_secret):
        raise dead_token(None)
    call.check_proof(call.bearer or "")


async def debug_token(call: GraphCall) -> Answer:
    """What a token may do, in the shape that its scenario asks for (contract 2.5)."""
    call.name, world = "debug_token", call.world
    await injected_fault(call)
    check_app_token(call)
    token = world.tokens.get(call.required("input_token"))
    if token is None:
        return _invalid("The access token could not be decrypted", None)
    if token.dead_subcode is not None:
        return _invalid(TOKEN_TEXTS.get(token.dead_subcode, "Error validating access token."), token.dead_subcode)
    if token.expires is not None and token.expires <= world.clock.now():
        return _invalid(TOKEN_TEXTS[463], 463)
    call.scenario_faults(token.scenario.faults, token.faults_left)
    return {"data": _described(call.world, token)}


def _invalid(message: str, subcode: int | None) -> Answer:
    error: Answer = {"code": 190, "message": message}
    if subcode is not None:
        error["subcode"] = subcode
    return {"data": {"is_valid": False, "error": error, "scopes": []}}


def _described(world: World, token: Token) -> Answer:
    expires = 0 if token.expires is None else int(token.expires)
    described = {
        "app_id": token.app_id,
        "type": "SYSTEM_USER",
        "application": world.config.app_name,
        "data_access_expires_at": expires,
        "expires_at": expires,
        "is_valid": True,
        "issued_at": int(token.issued),
        "scopes": ["business_management", *_whatsapp_scopes(token), "public_profile"],
        "user_id": token.user_id,
    }
    return described | ({"granular_scopes": _granular(token)} if token.scenario.granular else {})


def _whatsapp_scopes(token: Token) -> list[str]:
    if token.scenario.without_management:
        return ["whatsapp_business_messaging"]
    management = (
        "whatsapp_business_manage_events"
        if token.scenario.scope_names == "june_2026"
        else ("whatsapp_business_management")
    )
    return [management, "whatsapp_business_messaging"]


def _granular(token: Token) -> list[Answer]:
    """business_management carries portfolio ids, never WABAs'; a reader that mixes them goes wrong here."""
    portfolio = [token.business.id] if token.business is not None else []
    scopes: list[Answer] = [{"scope": "business_management", "target_ids": portfolio}]
    scopes += [{"scope": name, "target_ids": [waba.id for waba in token.wabas]} for name in _whatsapp_scopes(token)]
    if not token.scenario.target_ids:
        return [{"scope": scope["scope"]} for scope in scopes]
    return scopes
