"""A stage for pages by themselves: rendered from samples, answered from memory, with a window that plays Meta's.

Owns the answers of the company's server, ours and Meta's, so that every order and fault can be had.
"""

import asyncio
import json
from typing import Any

from playwright.async_api import BrowserContext, Request, Route
from playwright.async_api import Page as Tab

from setuplinks.signup.rendering import STATIC_DIRECTORY, Renderer
from setuplinks.signup.views import Page
from tests.e2e.person import SLOW_MS
from tests.support.page_gallery import TYPES, sample_logo
from tests.support.sample_pages import sample_brand, sample_pages

OURS = "http://127.0.0.1:9"
METAS = "http://localhost:9"
RENDERER = Renderer()
BRAND = sample_brand()
PAGES = sample_pages(BRAND)
# Meta's side: a window that does in turn what the test wrote into `acts`; ["message", text], ["object", its JSON],
# ["code", code], ["null"].
SDK = """window.FB = {init(options) { window.inited = options; }, login(answered, options) {
  window.asked = options;
  if (%(blocked)s) { setTimeout(() => answered({authResponse: null, status: "unknown"}), 50); return; }
  window.metasAnswer = answered;
  window.open("%(window)s", "facebook", "width=400,height=400");
}}; window.fbAsyncInit();"""
WINDOW = """<!doctype html><title>Facebook</title><script>
(() => { for (const [kind, text] of %(acts)s) {
  if (kind === "message") opener.postMessage(text, "*");
  if (kind === "object") opener.postMessage(JSON.parse(text), "*");
  if (kind === "code" || kind === "null") opener.postMessage("sdk:" + (text || ""), "*");
} })();</script>"""
# What Meta's own second script does: it hands the window's code to the callback. That no code comes is said so late
# after the click that it cannot be taken for a blocked window.
RELAY = """window.heard = 0; addEventListener("message", event => {
  window.heard += 1;
  if (typeof event.data !== "string" || !event.data.startsWith("sdk:")) return;
  const code = event.data.slice(4);
  if (code) window.metasAnswer({authResponse: {code}});
  else setTimeout(() => window.metasAnswer({authResponse: null}), 1000);
});"""


class Stage:
    """One person's browser on pages from memory; `posted` holds what the pages sent."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = PAGES["landing"]
        self.posted: list[tuple[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.acts: list[list[str]] = []
        self.window = f"{METAS}/window"
        self.sdk: str | None = "ready"
        self.arrived = asyncio.Condition()
        self.complaints: list[str] = []

    async def answer(self, route: Route, request: Request) -> None:
        path = request.url.partition("//")[2].partition("/")[2].partition("?")[0]
        asset = STATIC_DIRECTORY / path.removeprefix("static/signup/")
        if request.method == "POST":
            async with self.arrived:
                self.posted.append(("/" + path, request.post_data or ""))
                self.arrived.notify_all()
        if path == "signup/x" and request.method == "GET":
            await route.fulfill(body=RENDERER.render(self.page, "n"), content_type="text/html; charset=utf-8")
        elif path == "en_US/sdk.js" and self.sdk is None:
            await route.fulfill(status=404)
        elif path == "en_US/sdk.js":
            script = SDK % {"window": self.window, "blocked": "true" if self.sdk == "blocked" else "false"}
            await route.fulfill(body=RELAY + script, content_type="text/javascript")
        elif path in {"window", "elsewhere"}:
            await route.fulfill(body=WINDOW % {"acts": json.dumps(self.acts)}, content_type="text/html")
        elif path == "logo.png":
            await route.fulfill(body=sample_logo(), content_type="image/png")
        elif path.startswith("static/signup/") and asset.is_file():
            await route.fulfill(body=asset.read_bytes(), content_type=TYPES[asset.suffix])
        elif "/" + path in self.answers:
            await route.fulfill(json=self.answers["/" + path])
        else:
            await route.fulfill(body=f"<!doctype html><title>{path}</title>", content_type="text/html")

    async def open(self, page: Page) -> Tab:
        self.page = page
        tab = await self.context.new_page()
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        await tab.goto(f"{OURS}/signup/x")
        return tab

    async def sent(self, path: str) -> dict[str, Any]:
        """The JSON that was posted to the path, once it was."""
        await self.until_posted(path)
        found: dict[str, Any] = json.loads(next(body for where, body in self.posted if where == path))
        return found

    async def until_posted(self, path: str) -> None:
        """Returns once something was posted to the path. Raises TimeoutError."""
        async with asyncio.timeout(SLOW_MS / 1000), self.arrived:
            await self.arrived.wait_for(lambda: any(where == path for where, _ in self.posted))
