"""Interactive messages: buttons, lists, links, flows, products and requests, as WhatsApp's own limits allow them.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-reply-buttons-messages
"""

from collections.abc import Callable
from typing import Any

from setuplinks.sandbox.graph_errors import GraphError, bad_parameter

Content = dict[str, Any]
BODY_LIMIT, LIST_BODY_LIMIT, SHORT = 1024, 4096, 60
TITLE, ROW_TITLE, ROW_TEXT, ID_LIMIT = 20, 24, 72, 256
NO_BODY = {"product", "catalog_message", "location_request_message"}


def _wrong(details: str) -> GraphError:
    return GraphError(131009, "(#131009) Parameter value is not valid", details=details)


def _missing(path: str) -> GraphError:
    return GraphError(131008, "(#131008) Required parameter is missing", details=f"{path} is required")


def check_interactive(content: Content) -> None:
    """Returns where it can be sent; else raises 100, 131008 or 131009."""
    kind = content.get("type")
    if not kind:
        raise bad_parameter("The parameter interactive['type'] is required.")
    if kind not in ACTIONS:
        raise bad_parameter(
            f"Param interactive['type'] must be one of {{{', '.join(sorted(ACTIONS))}}} - got \"{kind}\"."
        )
    body = content.get("body")
    text = body.get("text") if isinstance(body, dict) else None
    if not text and kind not in NO_BODY:
        raise _missing("interactive['body']['text']")
    if text and len(str(text)) > (LIST_BODY_LIMIT if kind == "list" else BODY_LIMIT):
        raise _wrong("interactive['body']['text'] is too long")
    footer = content.get("footer")
    if isinstance(footer, dict) and len(str(footer.get("text", ""))) > SHORT:
        raise _wrong(f"interactive['footer']['text'] must be at most {SHORT} characters long")
    _header(content.get("header"))
    action = content.get("action")
    if not isinstance(action, dict):
        raise _missing("interactive['action']")
    ACTIONS[kind](action)


def _header(header: Any) -> None:
    if header is None:
        return
    kind = header.get("type") if isinstance(header, dict) else None
    if kind not in ("text", "image", "video", "document"):
        raise _wrong("interactive['header']['type'] must be one of {text, image, video, document}")
    if not header.get(kind):
        raise _missing(f"interactive['header']['{kind}']")
    if kind == "text" and len(str(header["text"])) > SHORT:
        raise _wrong(f"interactive['header']['text'] must be at most {SHORT} characters long")


def _buttons(action: Content) -> None:
    buttons = action.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise _wrong("Buttons count must be between 1 and 3")
    ids: list[str] = []
    for place, button in enumerate(buttons):
        reply = button.get("reply") if isinstance(button, dict) else None
        if not isinstance(reply, dict) or not reply.get("id") or not reply.get("title"):
            raise _missing(f"interactive['action']['buttons'][{place}]['reply'] with id and title")
        if len(str(reply["title"])) > TITLE:
            raise _wrong(f"Button title length invalid. Min length: 1, Max length: {TITLE}")
        ids.append(str(reply["id"]))
    _ids(ids)


def _list(action: Content) -> None:
    if not action.get("button"):
        raise _missing("interactive['action']['button']")
    if len(str(action["button"])) > TITLE:
        raise _wrong(f"interactive['action']['button'] must be at most {TITLE} characters long")
    sections = action.get("sections")
    if not isinstance(sections, list) or not 1 <= len(sections) <= 10:
        raise _wrong("Sections count must be between 1 and 10")
    ids: list[str] = []
    for section in sections:
        rows = section.get("rows") if isinstance(section, dict) else None
        if len(sections) > 1 and not (isinstance(section, dict) and section.get("title")):
            raise _missing("The title of each section, where there are several,")
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, dict) or not row.get("id") or not row.get("title"):
                raise _missing("The id and the title of each row")
            if len(str(row["title"])) > ROW_TITLE or len(str(row.get("description", ""))) > ROW_TEXT:
                raise _wrong(f"A row's title goes up to {ROW_TITLE} characters, its description up to {ROW_TEXT}")
            ids.append(str(row["id"]))
    if not 1 <= len(ids) <= 10:
        raise _wrong("Total row count exceed max allowed count: 10" if ids else "There must be at least one row")
    _ids(ids)


def _ids(ids: list[str]) -> None:
    if any(len(one) > ID_LIMIT for one in ids):
        raise _wrong(f"An id must be at most {ID_LIMIT} characters long")
    if len(set(ids)) < len(ids):
        raise _wrong("Duplicated ids")


def _with_parameters(*names: str) -> Callable[[Content], None]:
    def check(action: Content) -> None:
        given = action.get("parameters")
        for name in names:
            if not isinstance(given, dict) or not given.get(name):
                raise _missing(f"interactive['action']['parameters']['{name}']")

    return check


def _flow(action: Content) -> None:
    _with_parameters("flow_cta")(action)
    given = action["parameters"]
    if not given.get("flow_id") and not given.get("flow_name"):
        raise _missing("interactive['action']['parameters']['flow_id']")
    if len(str(given["flow_cta"])) > 30:
        raise _wrong("flow_cta must be at most 30 characters long")


def _product(action: Content) -> None:
    for name in ("catalog_id", "product_retailer_id"):
        if not action.get(name):
            raise _missing(f"interactive['action']['{name}']")


def _sections(action: Content) -> None:
    if not action.get("catalog_id"):
        raise _missing("interactive['action']['catalog_id']")
    if not isinstance(action.get("sections"), list) or not action["sections"]:
        raise _wrong("Sections count must be between 1 and 10")


def _cards(action: Content) -> None:
    cards = action.get("cards")
    if not isinstance(cards, list) or not 2 <= len(cards) <= 10:
        raise _wrong("Cards count must be between 2 and 10")


def _named(action: Content) -> None:
    if not action.get("name"):
        raise _missing("interactive['action']['name']")


ACTIONS: dict[str, Callable[[Content], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _with_parameters("display_text", "url"),
    "flow": _flow,
    "product": _product,
    "product_list": _sections,
    "catalog_message": _named,
    "location_request_message": _named,
    "address_message": _named,
    "call_permission_request": _named,
    "voice_call": _named,
    "order_details": _named,
    "order_status": _named,
    "carousel": _cards,
}
