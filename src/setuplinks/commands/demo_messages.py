"""The demo's second half: the number that was just connected sends and receives, with the client that one has already.

Owns what is said and by whom. The business's side is pywa where it is installed, else the same calls by plain HTTP;
either is told a base URL and a key, and nothing else of us. The end user is the sandbox's.
"""

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from setuplinks.commands.demo import Api, Stage
from setuplinks.commands.faults import Refused

if TYPE_CHECKING:
    import httpx

    from setuplinks.sandbox.inbox import Received

ANA, ANAS_NUMBER = "Ana", "+54 9 351 555-0100"
QUESTION = "Hola, ¿tienen turno mañana?"
ANSWER = "Sí, a las 10:30. ¡Te esperamos!"
TEMPLATE, LANGUAGE = "hello_world", "en_US"
MESSAGE, STATUS = "whatsapp.message.received", "whatsapp.message.status"
VERSION = "v23.0"
SECONDS = 20.0

Say = Callable[[str, str], None]
"""What happens, and a detail of it."""


class Client(Protocol):
    """A WhatsApp client; both verbs answer Meta's id of the message."""

    name: str

    async def send_template(self, to: str) -> str:
        """The template, which may begin a conversation."""

    async def send_text(self, to: str, text: str) -> str:
        """A text, within the 24 hours after the end user wrote."""


@dataclass(frozen=True)
class Connected:
    """What the webhook of a connected number told its tenant."""

    waba_id: int
    meta_phone_number_id: str

    @classmethod
    def of(cls, hook: "Received") -> "Connected":
        """Read from `whatsapp.phone_number.created`."""
        data = hook.envelope["data"]
        return cls(data["internal_waba_id"], data["phone_number_id"])


async def talk(stage: Stage, number: Connected, say: Say) -> "Received":
    """A template goes out, the end user answers, a text goes back; the end user's message as the tenant got it.

    Raises Refused where one of them does not come through.
    """
    base = f"{stage.service_url}/graph"
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with asyncio.timeout(SECONDS), aiohttp.ClientSession(timeout=timeout) as session:
            made = await Api(session, stage.service_url, stage.tenant_key).ask(
                "POST", f"/admin/wabas/{number.waba_id}/api-keys", {"name": "demo", "scopes": ["send"]}
            )
            key = str(made["key"])
            with client(base, key, number.meta_phone_number_id, session) as whatsapp:
                say(f"{whatsapp.name} sends the template {TEMPLATE} to {ANA}", f"base URL {base}, token {key[:12]}…")
                sent = await whatsapp.send_template(ANAS_NUMBER)
                await _told(stage, sent, "delivered")
                say(f"{ANA} answers: {QUESTION}", ANAS_NUMBER)
                wrote = await _ana_writes(stage, session, number)
                heard = await stage.inbox.wait_for(lambda one: _message(one).get("id") == wrote, SECONDS)
                say(f"{whatsapp.name} sends: {ANSWER}", "")
                sent = await whatsapp.send_text(ANAS_NUMBER, ANSWER)
                await _told(stage, sent, "delivered")
    except TimeoutError:
        raise Refused(f"The message and its statuses did not come within {SECONDS:.0f} s.") from None
    except aiohttp.ClientError as error:
        raise Refused(f"The message did not go through: {error or type(error).__name__}") from None
    return heard


def _message(hook: "Received") -> dict[str, Any]:
    """Meta's item of a message's or status's event that was verified, else nothing."""
    name = {MESSAGE: "message", STATUS: "status"}.get(hook.type)
    found: dict[str, Any] = hook.envelope["data"][name] if name is not None and hook.verified else {}
    return found


async def _told(stage: Stage, wamid: str, status: str) -> None:
    """Waits until the tenant was told that the message came so far."""
    await stage.inbox.wait_for(
        lambda one: (_message(one).get("id"), _message(one).get("status")) == (wamid, status), SECONDS
    )


async def _ana_writes(stage: Stage, session: aiohttp.ClientSession, number: Connected) -> str:
    path = f"{stage.sandbox_url}/sandbox/phone-numbers/{number.meta_phone_number_id}/inbound"
    async with session.post(path, json={"from": ANAS_NUMBER, "name": ANA, "text": QUESTION}) as answer:
        written: dict[str, Any] = await answer.json()
    return str(written.get("id"))


@contextlib.contextmanager
def client(base: str, key: str, number: str, session: aiohttp.ClientSession) -> Iterator[Client]:
    """pywa where it is there, else plain HTTP; for the length of the block."""
    if importlib.util.find_spec("pywa") is None:
        yield _Plain(session, f"{base}/{VERSION}/{number}/messages", key)
        return
    with _gateway_session(base) as http:
        yield _Pywa(number, key, http)


class _Pywa:
    """pywa as its users write it; it waits for each answer, so it is called in a thread."""

    name = "pywa"

    def __init__(self, number: str, key: str, session: "httpx.Client") -> None:
        from pywa.client import WhatsApp  # noqa: PLC0415 - the demo alone uses it, where it is installed

        self._whatsapp = WhatsApp(phone_id=number, token=key, session=session)

    async def send_template(self, to: str) -> str:
        """The template."""
        from pywa.types.templates import TemplateLanguage  # noqa: PLC0415 - as above

        return await self._sent(self._whatsapp.send_template, to, TEMPLATE, TemplateLanguage(LANGUAGE), [])

    async def send_text(self, to: str, text: str) -> str:
        """The text."""
        return await self._sent(self._whatsapp.send_message, to, text)

    async def _sent(self, verb: Callable[..., Any], *arguments: Any) -> str:
        import httpx  # noqa: PLC0415 - as above
        from pywa.errors import WhatsAppError  # noqa: PLC0415 - as above

        try:
            return str((await asyncio.to_thread(verb, *arguments)).id)
        except WhatsAppError as refused:
            raise Refused(f"The message was refused: {refused.message}") from None
        except httpx.HTTPError as error:
            raise Refused(f"The message did not go through: {error}") from None


def _gateway_session(base: str) -> "httpx.Client":
    """pywa has no setting for Meta's address: a hook of its HTTP client changes it."""
    import httpx  # noqa: PLC0415 - comes with pywa

    ours = httpx.URL(base)

    def to_the_gateway(request: httpx.Request) -> None:
        if request.url.host == "graph.facebook.com":
            request.url = ours.copy_with(raw_path=ours.raw_path + request.url.raw_path)
            request.headers["Host"] = ours.netloc.decode()

    return httpx.Client(event_hooks={"request": [to_the_gateway]}, timeout=SECONDS)


class _Plain:
    """The same two calls, without a client."""

    name = "The business"

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session, self._url, self._key = session, url, key

    async def send_template(self, to: str) -> str:
        """The template."""
        return await self._send(to, "template", {"name": TEMPLATE, "language": {"code": LANGUAGE}})

    async def send_text(self, to: str, text: str) -> str:
        """The text."""
        return await self._send(to, "text", {"body": text})

    async def _send(self, to: str, kind: str, content: dict[str, Any]) -> str:
        body = {"messaging_product": "whatsapp", "to": to, "type": kind, kind: content}
        headers = {"Authorization": f"Bearer {self._key}"}
        async with self._session.post(self._url, json=body, headers=headers) as answer:
            said: dict[str, Any] = await answer.json(content_type=None)
        if answer.status >= 400:
            raise Refused(f"The message was refused: {said['error']['message']}")
        return str(said["messages"][0]["id"])
