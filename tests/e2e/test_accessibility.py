"""Every hosted page, and the sandbox's, as axe-core judges it: names, roles, order of headings, contrast.

Owns no flow: the hosted pages are the gallery's, drawn from samples and answered from memory. Sizes to touch are
measured here by themselves, since axe asks for 24 pixels only.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.server import listening
from setuplinks.signup.rendering import Renderer
from tests.e2e.conftest import PHONE
from tests.e2e.person import READS_ON
from tests.integration.sandbox.calls import running_meta
from tests.integration.sandbox.phones import ANA, ready
from tests.support.node import JAVASCRIPT
from tests.support.page_gallery import every_page, show

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGES = every_page()
MISSING = "axe-core is not here; `make setup` brings it"
# What is folded away is judged too.
UNFOLD = "() => { for (const part of document.querySelectorAll('details')) part.open = true; }"
JUDGE = """async rules => {
  const how = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const {violations} = await axe.run(document, {...how, resultTypes: ["violations"]});
  return violations.flatMap(({id, nodes}) => nodes.map(({target, failureSummary}) =>
    `${id}: ${target.join(" ")}: ${failureSummary}`));
}"""
# A link within a sentence is as high as its line; of a radio button or box the whole card is the label.
TOO_SMALL = """() => [...document.querySelectorAll("a, button, summary, input, select, textarea")]
  .filter(one => one.checkVisibility() && getComputedStyle(one).display !== "inline")
  .filter(one => !["radio", "checkbox", "hidden"].includes(one.type))
  .filter(one => one.getBoundingClientRect().height < 44 || one.getBoundingClientRect().width < 44)
  .map(one => `${one.tagName} “${one.innerText}”`)"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that judges, as text: the pages' policy lets no file of another's in."""
    program = JAVASCRIPT / "node_modules" / "axe-core" / "axe.min.js"
    assert program.is_file(), MISSING
    return program.read_text(encoding="utf-8")


@pytest_asyncio.fixture(loop_scope="session")
async def phone(chromium: Browser) -> AsyncIterator[Page]:
    """A tab on a phone."""
    how: dict[str, Any] = {**PHONE, "color_scheme": "light", "reduced_motion": "reduce"}
    context = await chromium.new_context(**how)
    await context.add_init_script(READS_ON)
    yield await context.new_page()
    await context.close()


async def test_axe_finds_nothing_to_object_to_on_any_page_by_day_or_night(axe: str, phone: Page) -> None:
    renderer, found = Renderer(), {}
    for name, page in PAGES.items():
        await phone.emulate_media(color_scheme="light")
        await show(phone, renderer, name, page)
        await phone.evaluate(UNFOLD)
        await phone.evaluate(axe)
        found[name] = await phone.evaluate(JUDGE, None) + await phone.evaluate(TOO_SMALL)
        await phone.emulate_media(color_scheme="dark")
        found[name] += await phone.evaluate(JUDGE, ["color-contrast"])
    assert {name: objections for name, objections in found.items() if objections} == {}


async def test_axe_finds_nothing_to_object_to_in_the_sandbox(axe: str, phone: Page) -> None:
    found: dict[str, list[str]] = {}
    async with running_meta() as meta, listening(Inbox().app(), "127.0.0.1") as inbox:
        customer = await ready(meta)
        body = {"messaging_product": "whatsapp", "to": ANA, "text": {"body": "Hola."}}
        await meta.graph("POST", f"{customer.number}/messages", customer.token, json=body)
        pages = (f"{meta.url}/sandbox", f"{meta.url}/sandbox/desk", f"{meta.url}/sandbox/chats", inbox.url)
        for address in (*pages, f"{inbox.url}/onboarding/success?status=success"):
            await phone.goto(address)
            await phone.evaluate(UNFOLD)
            await phone.evaluate(axe)
            found[address] = await phone.evaluate(JUDGE, None)
    assert {address: objections for address, objections in found.items() if objections} == {}
