"""What Meta's own Test button sends: a message to nobody's number, for those who try their handler.

Owns the one sample. Its ids are Meta's documented ones and belong to nobody.
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from setuplinks.meta.notices import Change, body_of

_VALUE = {
    "messaging_product": "whatsapp",
    "metadata": {"display_phone_number": "16505551111", "phone_number_id": "123456123"},
    "contacts": [{"profile": {"name": "test user name"}, "wa_id": "16315551181"}],
    "messages": [
        {
            "from": "16315551181",
            "id": "ABGGFlA5Fpa",
            "timestamp": "1504902988",
            "type": "text",
            "text": {"body": "this is a text message"},
        }
    ],
}


def button_notification() -> bytes:
    """A notification with one message."""
    return body_of([Change("messages", "0", None, _VALUE)])
