"""What Meta would tell of a number or an account, and where it goes; account updates (contract 4.3).

Composes the values and chooses the address: the number's override, else the WABA's, else the app's own (contract 3.3).
"""

import secrets
from typing import Any

from setuplinks.sandbox.sender import Sender
from setuplinks.sandbox.world import Number, Waba, World, digits_of

Value = dict[str, Any]

OF_PARTNER = ("PARTNER_ADDED", "PARTNER_APP_INSTALLED", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED")
OF_ACCOUNT = (
    "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED", "ACCOUNT_RECONNECTED", "ACCOUNT_RESTRICTION", "ACCOUNT_VIOLATION",
    "DISABLED_UPDATE",
)  # fmt: skip
EVENTS = (*OF_PARTNER, *OF_ACCOUNT)
DEAUTHORIZED = 458
# Only these go to an override; every other field goes to the app's own address (contract 3.3).
OVERRIDDEN = {"messages", "smb_message_echoes", "smb_app_state_sync", "history"}


class Teller:
    """Sends what happens to a number to every app that is subscribed to its WABA."""

    def __init__(self, world: World, sender: Sender) -> None:
        self.world, self.sender = world, sender

    def of_number(self, number: Number, field: str, value: Value) -> int:
        """How many apps were told; an account that no app is subscribed to is told to nobody."""
        metadata = {"display_phone_number": digits_of(number.display), "phone_number_id": number.id}
        whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
        entry: Value = {"id": number.waba.id, "changes": [{"field": field, "value": whole}]}
        if field != "messages":  # Meta's samples of messages have no time
            entry["time"] = int(self.world.clock.now())
        for override in number.waba.subscriptions.values():
            url = (number.override or {}).get("override_callback_uri") or override.get("override_callback_uri")
            self.sender.send([entry], field, url if field in OVERRIDDEN else None)
        return len(number.waba.subscriptions)


def message_id() -> str:
    return "wamid." + secrets.token_urlsafe(36)


def tell_account_update(world: World, waba: Waba, event: str, more: Value, *, with_waba_info: bool) -> None:
    """`account_update` to the app's own address, with what the event does at Meta. PARTNER_* carry the partner's
    portfolio as entry id; without `waba_info` a PARTNER_REMOVED names the number (contract 8.8)."""
    value: Value = {"event": event}
    if event in OF_PARTNER and with_waba_info:
        value["waba_info"] = {"waba_id": waba.id, "owner_business_id": waba.business.id}
        if "APP" in event and world.config.app_id:
            value["waba_info"]["partner_app_id"] = world.config.app_id
    elif event == "PARTNER_REMOVED" and waba.numbers:
        value["phone_number"] = digits_of(waba.numbers[0].display)
    if event == "PARTNER_REMOVED" and any(number.on_biz_app for number in waba.numbers):
        value["disconnection_info"] = {"reason": "ACCOUNT_DISCONNECTED", "initiated_by": "USER"}
    if event == "DISABLED_UPDATE":
        value["ban_info"] = {"waba_ban_state": "DISABLE", "waba_ban_date": "May 18, 2026"}
    value |= more
    _happen(world, waba, value)
    world.notify("account_update", world.config.partner_business_id if event in OF_PARTNER else waba.id, value)


def _happen(world: World, waba: Waba, value: Value) -> None:
    ban = value.get("ban_info")
    match value["event"], ban.get("waba_ban_state") if isinstance(ban, dict) else None:
        case "PARTNER_REMOVED", _:
            waba.subscriptions.clear()
            for token in world.tokens_of([waba.id]):
                token.wabas.remove(waba)  # the account is out of its reach: 100/33
        case "PARTNER_APP_UNINSTALLED", _:
            waba.subscriptions.clear()
            for token in world.tokens_of([waba.id]):
                token.dead_subcode = DEAUTHORIZED
        case "ACCOUNT_OFFBOARDED", _:
            _move(waba, "CONNECTED", "DISCONNECTED")
        case "ACCOUNT_RECONNECTED", _:
            _move(waba, "DISCONNECTED", "CONNECTED")
        case "DISABLED_UPDATE", "DISABLE":
            _move(waba, "CONNECTED", "RESTRICTED")
        case "DISABLED_UPDATE", "REINSTATE":
            _move(waba, "RESTRICTED", "CONNECTED")


def _move(waba: Waba, old: str, new: str) -> None:
    for number in waba.numbers:
        if number.status == old:
            number.status = new
