"""What the demo shows in the terminal: where to click, and each thing that happens, as it happens.

Owns the words and the look. It watches from outside: the link's timeline, the log of the provisioning's steps, and what
the tenant's inbox received.
"""

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import aiohttp
import segno
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from setuplinks.commands.demo import COMPANY, CUSTOMER, Stage
from setuplinks.commands.demo_messages import MESSAGE, STATUS, Connected, talk
from setuplinks.commands.faults import Refused
from setuplinks.commands.serving import until_asked
from setuplinks.core.logs import FIELDS
from setuplinks.setup_links.store import FIND_STEPS
from setuplinks.walk import WalkStopped, Wishes, walk

if TYPE_CHECKING:
    from setuplinks.sandbox.inbox import Received

LOOK_SECONDS = 0.1
AUTO_SECONDS = 30.0
FOREVER_SECONDS = 10 * 86_400.0
CREATED = "whatsapp.phone_number.created"

_HAPPENED = {
    "opened": "The customer opened the link",
    "continued": "The customer pressed Continue with Facebook",
    "joined": "A second browser joined",
    "at_facebook": "The customer is at Facebook",
    "permission_granted": "Permission granted; the code became a token",
    "permission_recovered": "Meta told of the permission, no browser did; the token was fetched",
    "connected": "Connected",
    "visit_ended": "The visit ended; the link still works",
    "abandoned": "The customer stayed away; the link still works",
    "not_mine": "The customer said that this is not theirs; the number was let go",
    "key_shown": "The customer was shown its own key",
    "failed": "The link failed",
    "expired": "The link expired",
    "revoked": "The link was revoked",
    "renewal_requested": "The customer asked for a new link",
    "grant_dropped": "A permission came too late and was dropped",
}
_STEPS = {
    "inspect_token": "Checked what the token may do",
    "find_wabas": "Found the WhatsApp Business Account",
    "list_numbers": "Listed its numbers",
    "choose_number": "Chose the number",
    "note_subscription": "Looked who is subscribed already",
    "subscribe_app": "Subscribed the app to its notifications",
    "register_number": "Registered the number for the Cloud API",
    "sync_contacts": "Asked for the app's contacts",
    "sync_history": "Asked for the chats of the last months",
    "read_metadata": "Read name, quality and limits",
}


class Watch(logging.Handler):
    """Collects what happens, and prints each line once, with the seconds since the customer's first act."""

    def __init__(self, stage: Stage, console: Console) -> None:
        super().__init__(logging.INFO)
        self._stage, self._console = stage, console
        self._seen_steps: set[bytes | str | int] = set()
        self._seen_hooks, self._seen_landings = 0, 0
        self._steps: list[tuple[float, dict[str, Any]]] = []
        self._said: list[tuple[float, str, str, str]] = []
        self._begun: float | None = None
        self._log = logging.getLogger("setuplinks.provisioning")

    def __enter__(self) -> "Watch":
        self._log.addHandler(self)
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a step of the provisioning for the next look."""
        if record.getMessage() == "provisioning.step":
            self._steps.append((record.created, getattr(record, FIELDS)))

    def say(self, text: str, detail: str) -> None:
        """Something that the demo itself does."""
        self._said.append((time.time(), _SPEECH, text, detail))

    async def look(self) -> None:
        """Prints what is new, in the order in which it happened."""
        found = [*await self._timeline(), *self._provisioned(), *self._delivered(), *self._landed(), *self._said]
        self._said.clear()
        for at, mark, text, detail in sorted(found, key=lambda line: line[0]):
            if self._begun is None:
                self._begun = at
            since = f"{at - self._begun:6.1f} s"
            more = f"  [dim]{escape(detail)}[/dim]" if detail else ""
            self._console.print(f"  [dim]{since}[/dim]  {mark} {escape(text)}{more}", highlight=False, soft_wrap=True)

    async def _timeline(self) -> list[tuple[float, str, str, str]]:
        link = self._stage.link
        rows = await self._stage.service.db.read(FIND_STEPS, link["tenantId"], link["id"])
        lines = []
        for row in rows:
            if row["id"] in self._seen_steps:
                continue
            self._seen_steps.add(row["id"])
            kind, detail = row["kind"], json.loads(row["detail"])
            mark = _DONE if kind == "connected" else _BAD if kind in {"failed", "expired", "revoked"} else _MARK
            told = ", ".join(str(value) for value in detail.values() if value not in (None, "", "unknown"))
            lines.append((row["at"] / 1_000_000, mark, _HAPPENED.get(kind, kind.replace("_", " ")), told))
        return lines

    def _provisioned(self) -> Iterator[tuple[float, str, str, str]]:
        steps, self._steps = self._steps, []
        for at, fields in steps:
            name, outcome = str(fields["step"]), str(fields["outcome"])
            took = f"{fields['duration_ms']:.0f} ms"
            if fields.get("code"):
                yield at, _BAD, f"{name}: {outcome}", str(fields["code"])
            else:
                yield at, _MARK, "  " + _STEPS.get(name, name.replace("_", " ")), took

    def _delivered(self) -> Iterator[tuple[float, str, str, str]]:
        hooks = list(self._stage.inbox.received)[self._seen_hooks :]
        self._seen_hooks += len(hooks)
        for hook in hooks:
            # The link's own creation is told before anybody is here to watch.
            if hook.type != "setup_link.created":
                detail = "signature verified" if hook.verified else hook.verdict
                mark = _DONE if hook.verified else _BAD
                yield hook.at, mark, f"Webhook {hook.type}", f"{_gist(hook)}{detail}"

    def _landed(self) -> Iterator[tuple[float, str, str, str]]:
        landings = list(self._stage.inbox.landings)[self._seen_landings :]
        self._seen_landings += len(landings)
        for landing in landings:
            text = f"The browser is back at the tenant: /onboarding/{landing.page}"
            verified = landing.verdict == "verified"
            yield landing.at, _DONE if verified else _BAD, text, "signature verified" if verified else landing.verdict


def _gist(hook: "Received") -> str:
    """What a message's webhook is about, in a word."""
    data = hook.envelope.get("data") or {}
    if hook.type == MESSAGE:
        return f"“{(data['message'].get('text') or {}).get('body', data['message']['type'])}”, "
    return f"{data['status']['status']}, " if hook.type == STATUS else ""


_MARK, _DONE, _BAD, _SPEECH = "[dim]·[/dim]", "[green]✓[/green]", "[red]✗[/red]", "[cyan]→[/cyan]"


async def follow(stage: Stage) -> int:
    """Prints the link and what comes of it until Ctrl-C; the first number that is connected sends and receives."""
    console = Console(highlight=False)
    _introduce(console, stage)
    async with until_asked() as asked:
        console.print("[dim]Waiting for the customer. Ctrl-C ends the demo and removes its data.[/dim]\n")
        with Watch(stage, console) as watch:
            talking = asyncio.create_task(_talk_once_connected(stage, watch))
            while not asked.is_set():
                await watch.look()
                await _pause(asked)
            talking.cancel()
            await asyncio.wait({talking})
    console.print("\nThe demo has ended.")
    return 0


async def _talk_once_connected(stage: Stage, watch: Watch) -> None:
    """What goes wrong is said and ends nothing: the customer may have chosen a number that cannot send yet."""
    hook = await stage.inbox.wait_for(_connected, FOREVER_SECONDS)
    try:
        await talk(stage, Connected.of(hook), watch.say)
    except Refused as refused:
        watch.say(str(refused), "")
    watch.say("Write to the number yourself", f"{stage.sandbox_url}/sandbox/chats")


def _connected(hook: "Received") -> bool:
    return hook.type == CREATED and hook.verified


async def play(stage: Stage) -> int:
    """Plays the customer and the messages, shows what the tenant got. Raises Refused where something does not come."""
    console = Console(highlight=False)
    begun = time.monotonic()
    _introduce(console, stage, code=False)
    console.print("[dim]The customer is played over HTTP, without a browser.[/dim]\n")
    with Watch(stage, console) as watch:
        playing = asyncio.create_task(_played(stage, watch))
        while not playing.done():
            await watch.look()
            await asyncio.wait({playing}, timeout=LOOK_SECONDS)
        await watch.look()
        final_url, hook, message = await playing
    console.print()
    console.print(Rule("The webhook that the tenant received and verified", align="left", style="dim"))
    _plainly(console, json.dumps(hook.envelope, indent=2, ensure_ascii=False))
    console.print(Rule("Where the customer's browser went; the signature is verified", align="left", style="dim"))
    _plainly(console, final_url)
    console.print(Rule("The message that the tenant received and verified", align="left", style="dim"))
    _plainly(console, json.dumps(message.envelope, indent=2, ensure_ascii=False))
    console.print(f"\n[green]✓[/green] Done in {time.monotonic() - begun:.1f} s.")
    return 0


async def _played(stage: Stage, watch: Watch) -> tuple[str, "Received", "Received"]:
    try:
        async with asyncio.timeout(AUTO_SECONDS):
            walked = await walk(stage.link["url"], Wishes())
            if walked.final_url is None:
                raise Refused(f"The customer ended on the page {walked.page}; no redirect came.")
            await _land(stage, walked.final_url)
            hook = await stage.inbox.wait_for(_connected, AUTO_SECONDS)
    except WalkStopped as stopped:
        raise Refused(f"The customer could not go on: {stopped}.") from None
    except TimeoutError:
        raise Refused(f"No verified {CREATED} came within {AUTO_SECONDS:.0f} s.") from None
    return walked.final_url, hook, await talk(stage, Connected.of(hook), watch.say)


async def _land(stage: Stage, final_url: str) -> None:
    """The browser's last step, to the tenant's own page, which verifies what the redirect carries."""
    async with aiohttp.ClientSession() as session, session.get(final_url) as answer:
        await answer.read()
    if not stage.inbox.landings or stage.inbox.landings[-1].verdict != "verified":
        raise Refused(f"The redirect's signature does not fit: {final_url}")


def _introduce(console: Console, stage: Stage, *, code: bool = True) -> None:
    console.print(f"\n[bold]{COMPANY}[/bold] asks [bold]{CUSTOMER['name']}[/bold] to connect its WhatsApp number.\n")
    if code and console.is_terminal:
        _show_code(console, stage.link["url"])
    console.print("The setup link. Open it in a browser, as the customer would:\n")
    console.print(f"  [bold green]{escape(stage.link['url'])}[/bold green]\n", soft_wrap=True)
    rows = [
        ("Tenant's inbox", stage.inbox_url, "what the tenant's server receives"),
        ("Meta's stand-in", f"{stage.sandbox_url}/sandbox", "its scenarios and its state"),
        ("Dashboard", f"{stage.service_url}/dashboard", "links and deliveries; sign in with the key below"),
        ("API", f"{stage.service_url}/docs", "every route, with the key below"),
        ("Tenant's key", stage.tenant_key, ""),
    ]
    for name, value, note in rows:
        more = f"  [dim]{escape(note)}[/dim]" if note else ""
        console.print(f"  [dim]{name:15}[/dim]  {escape(value)}{more}", soft_wrap=True)
    console.print()


def _show_code(console: Console, url: str) -> None:
    out = io.StringIO()
    segno.make(url, error="l").terminal(out=out, compact=True, border=2)
    for line in out.getvalue().splitlines():
        _plainly(console, "  " + line)
    console.print()


def _plainly(console: Console, text: str) -> None:
    """As it is: no wrapping, no markup, so that it can be copied."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


async def _pause(asked: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await asked.wait()
    except TimeoutError:
        return
