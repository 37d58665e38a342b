"""Graph's parameters, wherever they stand: which ones carry a token, which name another object or another call.

Owns the names and the reading of queries, forms and the part names of multipart bodies. Graph reads names as PHP does:
leading spaces are cut, dots and spaces are underscores, brackets begin an index.

https://developers.facebook.com/docs/graph-api/batch-requests
https://developers.facebook.com/docs/graph-api/guides/field-expansion
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import msgspec

TOKEN = "access_token"  # noqa: S105 - a parameter's name
FIELDS = "fields"
PIN = "pin"
CALLBACK = "override_callback_uri"
WEBHOOKS = "webhook_configuration"
OF_NUMBER = "phone_number_id"
# The proof goes with one token: a client's own would be of the key that it has from us.
_PROOFS = frozenset({"appsecret_proof", "appsecret_time"})
ODD = "(odd)"  # stands for a name that readers do not agree on
# Several calls in one, several objects in one, another method than the request's, a token to look into, an answer that
# is a script and not JSON.
ELSEWHERE = frozenset(
    {"batch", "ids", "id", "method", "attached_files", "relative_url", "input_token", "depends_on", "callback", ODD}
)
MOST = 1_000  # parameters of one call; PHP reads no more
LONGEST_NAME, LONGEST_FIELDS = 64, 8_192
# Other objects that a call takes from: a flow that is copied, an account whose templates or flows are.
# https://developers.facebook.com/docs/whatsapp/flows/reference/flowsapi
REFERENCES = frozenset({"clone_flow_id", "source_waba_id"})
# Parts of a form that say what the call is: before its file, while it can still be refused.
MUST_COME_FIRST = ELSEWHERE | REFERENCES | {TOKEN, FIELDS}
# Fields whose expansion shows what belongs to the object itself. Any other leads to objects that were not asked for.
_WITHIN = frozenset(
    {"message_templates", "flows", "assets", "preview", "throughput", "health_status", "webhook_configuration"}
    | {"whatsapp_business_profile", "analytics", "conversation_analytics", "pricing_analytics", "template_analytics"}
    | {"call_analytics", "cursors", "paging", "components", "quality_score", "whatsapp_business_api_data"}
    | {"owner_business_info", "on_behalf_of_business_info", "conversational_automation", "code_verification_status"}
)
# Edges that list other objects even where nothing is expanded.
_LISTS = frozenset(
    {"phone_numbers", "assigned_users", "product_catalogs", "subscribed_apps", "owner_business", "business"}
    | {"client_whatsapp_business_accounts", "owned_whatsapp_business_accounts", "application", "solutions"}
)
_NAME = re.compile(rb"""(?:^|[;\s])name\*?\s*=\s*("[^"]*"|[^;\s"]*)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters taken apart: `rest` as they came without token and proof, `names` normalised, values of a few.

    `refers` are the ids of other objects that the call takes from.
    """

    rest: bytes = b""
    token: str | None = None
    names: frozenset[str] = frozenset()
    fields: tuple[str, ...] = ()
    number: str | None = None
    refers: tuple[str, ...] = ()


NONE = Parameters()


def read_pairs(raw: bytes) -> Parameters:
    """A query or a form body; the pairs that stay are not spelled anew. Raises ValueError for too many."""
    if not raw:
        return NONE
    if raw.count(b"&") >= MOST:
        raise ValueError(f"more than {MOST} parameters")
    kept: list[bytes] = []
    names: set[str] = set()
    fields: list[str] = []
    refers: list[str] = []
    token = number = None
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        name = plain_name(_decoded(key))
        if name == TOKEN:
            token = _decoded(value)
            continue
        if name in _PROOFS:
            continue
        if pair:
            names.add(name)
        if name == FIELDS:
            fields.append(_decoded(value))
        elif name == OF_NUMBER:
            number = _decoded(value)
        elif name in REFERENCES:
            refers.append(_decoded(value))
        kept.append(pair)
    return Parameters(b"&".join(kept), token, frozenset(names), tuple(fields), number, tuple(refers))


def read_json(raw: bytes) -> Parameters:
    """A JSON body. It stays as it came unless it says something that is looked at: then each name stands in it once.

    Raises ValueError where it is no JSON object.
    """
    try:
        value = _object.decode(raw)
    except msgspec.ValidationError:
        raise ValueError("the body has to be a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("the body is not JSON (UTF-8)") from None
    if len(value) > MOST:
        raise ValueError(f"more than {MOST} parameters")
    names = {plain_name(name) for name in value}
    if names.isdisjoint(_READ):
        return Parameters(raw, None, frozenset(names))
    fields: list[str] = []
    refers: list[str] = []
    token = None
    for name, given in value.items():
        match plain_name(name):
            case "fields":
                fields += _texts(given)
            case "access_token":
                token = "".join(_texts(given))
            case other if other in REFERENCES:
                refers += _texts(given)
    raw = msgspec.json.encode({name: given for name, given in value.items() if plain_name(name) not in _OURS})
    return Parameters(raw, token, frozenset(names) - _OURS, tuple(fields), None, tuple(refers))


def _texts(given: msgspec.Raw) -> list[str]:
    """A value as text, or each of a list's. Raises ValueError where it is not UTF-8."""
    try:
        value: Any = msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("the body is not JSON (UTF-8)") from None
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


_OURS = _PROOFS | {TOKEN}
_READ = _OURS | REFERENCES | {FIELDS}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def part_names(head: bytes) -> list[str]:
    """The names that the headers of one part of a multipart body give it, as any reader may see them; usually one."""
    return [_part_name(found.decode("utf-8", "replace")) for found in _NAME.findall(head)]


def _part_name(text: str) -> str:
    name = unquote(text.strip("\"'")).rpartition("'")[2]  # 'method', and UTF-8''method where it is name*=
    return ODD if _ODD.search(name) else plain_name(name)


def plain_name(name: str) -> str:
    """A parameter's name as Graph comes to see it."""
    return _short_name(name) if len(name) <= LONGEST_NAME else _name(name)  # what a stranger may send is not kept


def _name(name: str) -> str:
    if "\0" in name:
        return ODD  # some readers end there
    return name.lstrip().partition("[")[0].translate(_UNDERSCORES).lower()


_short_name = lru_cache(maxsize=4096)(_name)
_UNDERSCORES = str.maketrans({" ": "_", ".": "_"})
_ODD = re.compile(r'[\x00-\x1f\x7f"\\;=]')
_FIELD = re.compile(r"[a-z0-9_]*")


def leads_away(fields: Iterable[str]) -> str | None:
    """The first field that would show other objects than the one asked for; None where all stay with it."""
    for text in fields:
        if len(text) > LONGEST_FIELDS:
            return "…"
        for name, expanded in _fields(text):
            if name in _LISTS or (expanded and name not in _WITHIN):
                return name
    return None


def _fields(text: str) -> list[tuple[str, bool]]:
    """Every field's name on every level, and whether it is expanded: `a,b.limit(5){c}` is a, b (expanded), c.

    A list may be JSON too. What is no name, and the old way to expand (`a.fields(b)`), counts as expanded.
    """
    found: list[tuple[str, bool]] = []
    word, depth = "", 0
    for char in text + ",":
        if depth:  # what a modifier such as `.time_range(…)` is given is no field
            depth += (char == "(") - (char == ")")
        elif char == "(":
            depth = 1
            if "".join(word.split()).lower().endswith(".fields"):
                found.append((".fields", True))
        elif char in ",{}":
            if name := word.strip(_AROUND).partition(".")[0].strip().lower():
                found.append((name, char == "{" or _FIELD.fullmatch(name) is None))
            word = ""
        else:
            word += char
    return found


_AROUND = " \t\r\n[]\"'"


def _decoded(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    return raw.decode("utf-8", "replace")
