"""Messages, templates and media of the Cloud API.

Owns their paths, parameters and which of them may be repeated. Numbers, accounts and tokens stand in `graph`. Every
method raises GraphError and nothing else.
"""

import re
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from setuplinks.meta.calls import Calls, each, shaped
from setuplinks.meta.errors import Call
from setuplinks.meta.lenient import needed_id
from setuplinks.meta.payloads import Media, SentMessage, Template
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Upload

_MESSAGES = Call("/{phone_number_id}/messages", "POST", repeatable=False)
_READ = Call("/{phone_number_id}/messages", "POST")
_TEMPLATES = Call("/{waba_id}/message_templates")
# A repeat would be refused as a second template of the same name.
_CREATE_TEMPLATE = Call("/{waba_id}/message_templates", "POST", repeatable=False)
_DELETE_TEMPLATE = Call("/{waba_id}/message_templates", "DELETE")
# The file is read from a stream, which cannot be read twice.
_UPLOAD = Call("/{phone_number_id}/media", "POST", repeatable=False)
_MEDIA = Call("/{media_id}")
_DELETE_MEDIA = Call("/{media_id}", "DELETE")
_NOT_IN_A_HEADER = re.compile(r"[^\w.+/-]")


class Messaging(Calls):
    """The calls of a connected number. Tokens are given with each call and kept nowhere."""

    async def messages(self, token: Secret, meta_phone_number_id: str, payload: Mapping[str, Any]) -> SentMessage:
        """Sends a message as Meta's page has it. Never repeated by itself: on OutcomeUnknown it may be out already.

        https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
        """
        body = {"messaging_product": "whatsapp", **payload}
        answer = await self.call(_MESSAGES, (meta_phone_number_id,), timeout=self.timeouts.send, token=token, body=body)
        return shaped(_MESSAGES, SentMessage.of, answer)

    async def send_text(self, token: Secret, meta_phone_number_id: str, to: str, text: str) -> SentMessage:
        """Sends plain text to a person who wrote in the last 24 hours. Same page as `messages`."""
        payload = {"recipient_type": "individual", "to": to, "type": "text"}
        return await self.messages(
            token, meta_phone_number_id, {**payload, "text": {"body": text, "preview_url": False}}
        )

    async def mark_read(
        self, token: Secret, meta_phone_number_id: str, message_id: str, *, typing: bool = False
    ) -> None:
        """Marks a message that came (`wamid…`) as read; with `typing` its sender sees that an answer is on its way.

        An unknown id is 131009. https://developers.facebook.com/docs/whatsapp/cloud-api/guides/mark-message-as-read
        """
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        await self.success(_READ, meta_phone_number_id, token, body)

    async def message_templates(self, token: Secret, meta_waba_id: str, *, name: str | None = None) -> list[Template]:
        """The WABA's templates over all pages, or those of one name (one for each language).

        https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/message_templates
        """
        rows = await self.rows(_TEMPLATES, meta_waba_id, token, {"name": name} if name else {})
        return each(Template.of, rows)

    async def create_template(self, token: Secret, meta_waba_id: str, payload: Mapping[str, Any]) -> Template:
        """Makes a template as Meta's page has it (`name`, `language`, `category`, `components`); Meta reviews it.

        Same page as `message_templates`.
        """
        answer = await self.call(
            _CREATE_TEMPLATE, (meta_waba_id,), timeout=self.timeouts.write, token=token, body=payload
        )
        return shaped(_CREATE_TEMPLATE, Template.of, answer)

    async def delete_template(
        self, token: Secret, meta_waba_id: str, name: str, *, template_id: str | None = None
    ) -> None:
        """Deletes a template in all its languages, or the one with this id. Same page as `message_templates`."""
        query = {"name": name} if template_id is None else {"name": name, "hsm_id": template_id}
        await self.success(_DELETE_TEMPLATE, meta_waba_id, token, query=query)

    async def upload_media(
        self, token: Secret, meta_phone_number_id: str, content: AsyncIterable[bytes], length: int, mime_type: str,
        filename: str = "file",
    ) -> str:  # fmt: skip
        """Uploads a file of `length` bytes as it comes; Meta's id of it, good for 30 days.

        A stream of another length breaks the call off. https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
        """
        boundary = secrets.token_hex(16)
        kind = _NOT_IN_A_HEADER.sub("", mime_type)
        parts = [
            _part(boundary, "messaging_product") + b"whatsapp\r\n",
            _part(boundary, "type") + kind.encode() + b"\r\n",
            _part(boundary, "file", _NOT_IN_A_HEADER.sub("_", filename).encode("ascii", "replace").decode(), kind),
        ]
        before, after = b"".join(parts), f"\r\n--{boundary}--\r\n".encode()

        async def whole() -> AsyncIterator[bytes]:
            left = length
            yield before
            async for chunk in content:
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
            if left:
                raise ValueError("the stream has another length than was said")
            yield after

        upload = Upload(whole(), f"multipart/form-data; boundary={boundary}", len(before) + length + len(after))
        answer = await self.call(
            _UPLOAD, (meta_phone_number_id,), timeout=self.timeouts.upload, token=token, upload=upload
        )
        return shaped(_UPLOAD, needed_id, answer)

    async def media(self, token: Secret, media_id: str) -> Media:
        """What Meta knows of a file; its `url` lives for five minutes and wants the token.

        Same page as `upload_media`.
        """
        answer = await self.call(_MEDIA, (media_id,), timeout=self.timeouts.read, token=token)
        return shaped(_MEDIA, Media.of, answer)

    async def delete_media(self, token: Secret, media_id: str) -> None:
        """Deletes a file at Meta. Same page as `upload_media`."""
        await self.success(_DELETE_MEDIA, media_id, token)


def _part(boundary: str, name: str, filename: str | None = None, mime_type: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: {mime_type}'
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
