"""A WABA and its edges: numbers, our app's subscription with its override (contract 3.1 to 3.3)."""

import secrets

import aiohttp

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter
from setuplinks.sandbox.graph_fields import (
    NUMBER_DEFAULT,
    WABA_DEFAULT,
    app_row,
    number_fields,
    paged,
    shown,
    waba_fields,
)
from setuplinks.sandbox.world import Token, Waba

LISTED_STATUS = {"PENDING": "PENDING", "CONNECTED": "LINKED", "DISCONNECTED": "UNLINKED", "BANNED": "BANNED"}
OVERRIDE_LIMIT = 200  # characters of an override address


async def read(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    return shown(
        waba_fields(waba, call.world.config.app_name), WABA_DEFAULT, call.text("fields"), "WhatsAppBusinessAccount"
    )


async def phone_numbers(call: GraphCall, token: Token, waba: Waba) -> Answer:
    callback = call.world.config.notification_url or ""
    rows = {number.id: number for number in waba.numbers}
    ids = list(rows)
    if call.text("sort").endswith(".desc"):
        ids.reverse()

    def row(number_id: str) -> Answer:
        fields = number_fields(rows[number_id], token.app_id, callback)
        asked = call.text("fields")
        listed = shown(fields, NUMBER_DEFAULT, asked, "WhatsAppBusinessPhoneNumber")
        # Meta's OpenAPI gives a list's default row a status of another enumeration than the field that is asked for.
        return listed if asked else listed | {"status": LISTED_STATUS.get(rows[number_id].status, "RESTRICTED")}

    return paged(call, ids, row)


async def subscriptions(call: GraphCall, _token: Token, waba: Waba) -> Answer:
    rows: list[Answer] = []
    for app_id, override in waba.subscriptions.items():
        data = app_row(app_id, call.world.config.app_name)
        rows.append(
            {"whatsapp_business_api_data": data}
            | ({"override_callback_uri": override["override_callback_uri"]} if override else {})
        )
    return {"data": rows}


async def subscribe(call: GraphCall, token: Token, waba: Waba) -> Answer:
    """Without a body: subscribes, and removes an override. With one: sets it, after a challenge."""
    uri = call.text("override_callback_uri")
    if not uri:
        waba.subscriptions[token.app_id] = {}
        return {"success": True}
    if token.app_id not in waba.subscriptions:
        raise bad_parameter(
            "Before override the current callback uri, your app must be subscribed to receive messages "
            "for WhatsApp Business Account"
        )
    await challenge(uri, call.text("verify_token"))
    waba.subscriptions[token.app_id] = {"override_callback_uri": uri, "verify_token": call.text("verify_token")}
    return {"success": True}


async def unsubscribe(_call: GraphCall, token: Token, waba: Waba) -> Answer:
    waba.subscriptions.pop(token.app_id, None)
    return {"success": True}


async def challenge(uri: str, verify_token: str) -> None:
    """Meta's GET with hub.challenge before an address is taken; the answer must be the raw challenge."""
    if len(uri) > OVERRIDE_LIMIT:
        raise bad_parameter(f"Param override_callback_uri must be at most {OVERRIDE_LIMIT} characters")
    if not verify_token:
        raise bad_parameter("The parameter verify_token is required.")
    expected = str(secrets.randbelow(9_000_000_000) + 1_000_000_000)
    query = {"hub.mode": "subscribe", "hub.challenge": expected, "hub.verify_token": verify_token}
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(uri, params=query) as answer:
            status, text = answer.status, (await answer.content.read(1000)).decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise _unverified("The URL couldn't be validated. Connection failed.") from None
    if status != 200 or text != expected:
        raise _unverified(f"Callback verification failed with the following errors: HTTP Status Code = {status}")


def _unverified(text: str) -> GraphError:
    return GraphError(2200, f"(#2200) {text}")
