"""The customer in a real browser: reads headings, presses buttons, opens Facebook, and is photographed on the way.

Owns one browser context and what it complained of. Whatever a page prints as an error, and whatever its policy held
back, fails the test at its end: `complaints` must be empty then.
"""

import re
from pathlib import Path

from playwright.async_api import BrowserContext, ConsoleMessage, Page, WebError, expect

from tests.support.meta_dialog import MetaDialog

ALBUM = Path("test-results/e2e")
SLOW_MS = 45_000  # two cores are shared with other tests
# Pages that leave by themselves after a few seconds wait while nobody looks: how long she reads is the test's matter,
# and not this machine's.
READS_ON = """document.addEventListener("readystatechange", () => {
  if (document.readyState !== "interactive" || !document.querySelector("[data-leave]")) return;
  const get = () => (window.hasRead ? "visible" : "hidden");
  Object.defineProperty(document, "visibilityState", {get});
});"""
READY = "() => window.FB && Object.values(FB.sandboxChecks || {x: 'pending'}).every(state => state !== 'pending')"
COEXISTENCE, DEDICATED = "Keep my WhatsApp app", "A number for Acme SaaS alone"
CONNECTED = "Your WhatsApp is connected"


class Person:
    """One browser. `page` is the tab that she looks at."""

    def __init__(self, context: BrowserContext, page: Page, album: str) -> None:
        self.context, self.page = context, page
        self.complaints: list[str] = []
        self._album, self._photographs = ALBUM / album, 0
        context.set_default_timeout(SLOW_MS)
        context.on("console", self._printed)
        context.on("weberror", self._failed)

    @classmethod
    async def of(cls, context: BrowserContext, album: str) -> "Person":
        """Somebody with this browser, in a first tab. Pages that leave by themselves wait for `has_read`."""
        await context.add_init_script(READS_ON)
        return cls(context, await context.new_page(), album)

    async def opens_a_tab(self) -> Page:
        """A new tab, which she looks at from now on."""
        self.page = await self.context.new_page()
        return self.page

    async def opens(self, url: str) -> None:
        """Goes to an address in the tab."""
        await self.page.goto(url)

    async def sees(self, heading: str, photograph: str | None = None) -> None:
        """Waits until the page with that heading is there."""
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text(heading, timeout=SLOW_MS)
        if photograph:
            await self.photograph(photograph)

    async def reads(self, text: str) -> None:
        """Waits until that text can be read on the page."""
        await expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible(timeout=SLOW_MS)

    async def presses(self, name: str) -> None:
        """Presses a button."""
        await self.page.get_by_role("button", name=name, exact=True).first.click()

    async def follows(self, name: str) -> None:
        """Follows a link of the page."""
        await self.page.get_by_role("link", name=name).first.click()

    async def begins(self, url: str, how: str | None = DEDICATED, *, photographed: bool = False) -> None:
        """Opens a setup link and goes on to Facebook's step; `how` is None where the link leaves no choice."""
        await self.opens(url)
        await self.sees("Connect your WhatsApp to Acme SaaS", "landing" if photographed else None)
        await self.presses("Continue with Facebook")
        if how:
            await self.chooses(how, photographed=photographed)

    async def chooses(self, how: str, *, photographed: bool = False) -> None:
        """Answers how the number will be used."""
        await self.sees("How will you use this number?", "choose" if photographed else None)
        await self.page.get_by_text(how).click()  # the whole card is the label
        await self.presses("Continue with Facebook")

    async def opens_facebook(self) -> MetaDialog:
        """Opens Facebook's window from the sign-in page, as soon as the page can."""
        await self.sees("Go on in the Facebook window")
        # Before Meta's script is there the same button leads to Facebook on this page: another test's matter.
        await self.is_ready_for_the_window()
        async with self.page.expect_popup() as opened:
            await self.page.locator("[data-open]").click()
        return self.at_facebook(await opened.value)

    async def is_ready_for_the_window(self) -> None:
        """Waits until Meta's script is there and has looked at the page's policy."""
        await self.page.wait_for_function(READY)

    def at_facebook(self, page: Page | None = None) -> MetaDialog:
        """The person in Facebook's dialog: in its window, or on this page."""
        return MetaDialog(page or self.page, business_name="Clínica San Lucas", number="new")

    async def has_read(self) -> None:
        """The page may count its seconds now and leave."""
        await self.page.evaluate("() => { window.hasRead = true; }")

    async def goes_back_to_the_company(self) -> None:
        """Presses the way back instead of waiting for the page to leave by itself."""
        await self.follows("Back to Acme SaaS")
        await self.is_back_at_the_company()

    async def is_back_at_the_company(self, page: str = "success") -> None:
        """The browser has left to the company's website, whose page has found the redirect's signature good."""
        await self.page.wait_for_url(re.compile(rf"//acme\.localhost:\d+/onboarding/{page}\?"), timeout=SLOW_MS)
        await self.reads("The redirect's signature is verified")
        await self.photograph("back-at-the-company")

    async def connects(self, url: str, how: str | None = DEDICATED) -> None:
        """The whole way by popup, to the page that says so."""
        await self.begins(url, how)
        await (await self.opens_facebook()).finish()
        await self.sees(CONNECTED)

    async def photograph(self, name: str) -> None:
        """Keeps a picture of the page."""
        self._photographs += 1
        await self.page.screenshot(path=self._album / f"{self._photographs:02}-{name}.png", full_page=True)

    async def fits(self, heading: str) -> None:
        """Waits for the page with that heading, which must not have to be scrolled sideways."""
        await self.sees(heading)
        await self.photograph("fits")
        wide = await self.page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= await self.page.evaluate("() => innerWidth"), f"{heading} is {wide} pixels wide"

    def _printed(self, message: ConsoleMessage) -> None:
        # A page that is itself answered with 403, 404 or 410 is no fault of the page; browsers print that as well.
        own = message.page is not None and message.location.get("url") == message.page.url
        if message.type in {"error", "warning"} and not (
            own and "the server responded with a status of" in message.text
        ):
            self.complaints.append(f"{message.type} at {message.location.get('url')}: {message.text}")

    def _failed(self, error: WebError) -> None:
        self.complaints.append(f"uncaught: {error.error}")
