"""The system's Chromium under Playwright: one browser a test, as many people in it as the test needs.

Owns finding and starting the browser. A person is a browser context: own cookies, own storage.
"""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Names that the tests do not serve must not leave this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
)


class ChromiumMissing(RuntimeError):
    """No Chromium is on this machine."""


def executable() -> str:
    """The browser's path; the variable CHROMIUM wins over the search."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise ChromiumMissing("Chromium is not here; `make test` installs it or says what to install.")
    return found


@contextlib.asynccontextmanager
async def running_chromium(*extra_flags: str) -> AsyncIterator[Browser]:
    """A browser for the length of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *extra_flags])
        try:
            yield browser
        finally:
            await browser.close()
