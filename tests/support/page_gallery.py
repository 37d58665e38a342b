"""Takes the pictures of docs/screenshots: the signup pages and the dashboard, without a service, in Chromium.

`python -m tests.support.page_gallery [--all FOLDER]`. Without arguments it writes the committed set (phone in both
schemes, desk in light); with `--all` every width in both schemes into a folder of your choice.
Pages are served from memory under the same content rules as the real ones, so that a page which breaks them shows it.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from PIL import Image, ImageDraw
from playwright.async_api import Browser, Route
from playwright.async_api import Page as Tab

from setuplinks.signup.rendering import STATIC_DIRECTORY, Renderer
from setuplinks.signup.views import Page
from tests.support import dashboard_gallery
from tests.support.chromium import running_chromium
from tests.support.sample_pages import sample_brand, sample_landing, sample_pages, sample_sign_in

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
ORIGIN = "http://127.0.0.1:9"
NONCE = "gallery"
HEIGHTS = {320: 640, 390: 844, 768: 1024, 1280: 900}
COLOURS = 256
# The picture at the head of the README: the first view of three pages on a phone, side by side.
README_PAGES = ("landing", "finishing", "done")
README_PICTURE = "readme.png"
GAP, LINE = 24, "#E5E3DC"
CSP = (
    f"default-src 'none'; style-src 'self' 'nonce-{NONCE}'; script-src 'self' 'nonce-{NONCE}'; font-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TYPES = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
# Enough of Meta's SDK for the sign-in page to stand as it does while the window is open.
SDK = "window.FB = {init() {}, login() {}}; window.fbAsyncInit();"
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take."""

    name: str
    page: Page
    width: int
    scheme: Scheme

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.width}-{self.scheme}.png"


def sample_logo() -> bytes:
    """Acme's logo: a green tile with a dark caret."""
    image = Image.new("RGBA", (256, 256))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 255, 255), 72, fill="#10B981")
    draw.polygon([(64, 186), (112, 70), (144, 70), (192, 186), (156, 186), (128, 112), (100, 186)], fill="#14281F")
    written = io.BytesIO()
    image.resize((128, 128), Image.Resampling.LANCZOS).save(written, "PNG", optimize=True)
    return written.getvalue()


def sample_background() -> bytes:
    """A picture for the band behind the header: plain, so that only its place is judged."""
    image = Image.linear_gradient("L").rotate(90).resize((1200, 400))
    written = io.BytesIO()
    Image.merge("RGB", (image, image.point(lambda _: 150), image.point(lambda _: 110))).save(written, "PNG")
    return written.getvalue()


def every_page() -> dict[str, Page]:
    """The sample pages, and what a theme may do to them."""
    brand = sample_brand()
    pages = sample_pages(brand)
    pages["signin"] = replace(sample_sign_in(brand), sdk_url="/en_US/sdk.js")
    pages["landing-no-logo"] = sample_landing(sample_brand("#7C3AED", logo_path=None), choice=False)
    pages["landing-background"] = sample_landing(sample_brand("#EF4444", background="/background.png"))
    return pages


def committed_shots() -> Iterator[Shot]:
    """What stands in docs/screenshots."""
    for name, page in every_page().items():
        for width, scheme in ((390, "light"), (390, "dark"), (1280, "light")):
            yield Shot(name, page, width, "dark" if scheme == "dark" else "light")


def all_shots() -> Iterator[Shot]:
    """Every page at every width in both schemes."""
    for name, page in every_page().items():
        for width in HEIGHTS:
            yield Shot(name, page, width, "light")
            yield Shot(name, page, width, "dark")


async def take(browser: Browser, renderer: Renderer, shot: Shot, *, whole: bool = True) -> bytes:
    """A PNG of the whole page, or of its first view. Raises AssertionError when the page broke its content rules."""
    context = await browser.new_context(
        viewport={"width": shot.width, "height": HEIGHTS[shot.width]},
        color_scheme=shot.scheme,
        reduced_motion="reduce",
        device_scale_factor=1,
    )
    try:
        tab = await context.new_page()
        complaints: list[str] = []
        tab.on(
            "console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None
        )
        await show(tab, renderer, shot.name, shot.page)
        if complaints:
            raise AssertionError(f"{shot.file_name}: {complaints}")
        return await tab.screenshot(full_page=whole)
    finally:
        await context.close()


async def show(tab: Tab, renderer: Renderer, name: str, page: Page) -> None:
    """Brings a page of `every_page` into the tab, in the state in which it is judged."""
    html = renderer.render(page, NONCE)
    await tab.unroute("**/*")
    await tab.route("**/*", lambda route: _answer(route, html))
    await tab.goto(f"{ORIGIN}/signup/x")
    await tab.evaluate("document.fonts.ready.then(() => true)")
    if name == "signin":
        await tab.wait_for_function("() => window.FB")
        await tab.locator("[data-open]").click()
        await tab.mouse.move(0, 0)
        await tab.evaluate("document.activeElement.blur()")
    if name == "pin":
        await tab.locator("#pin").fill("481")
    if name == "numbers":
        await tab.locator(".option label").first.click()
        await tab.evaluate("document.activeElement.blur()")


async def _answer(route: Route, html: str) -> None:
    path = urlsplit(route.request.url).path
    asset = STATIC_DIRECTORY / path.removeprefix("/static/signup/")
    if path == "/signup/x":
        await route.fulfill(
            body=html, headers={"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": CSP}
        )
    elif path == "/logo.png":
        await route.fulfill(body=sample_logo(), content_type="image/png")
    elif path == "/en_US/sdk.js":
        await route.fulfill(body=SDK, content_type="text/javascript")
    elif path == "/background.png":
        await route.fulfill(body=sample_background(), content_type="image/png")
    elif path.startswith("/static/signup/") and asset.is_file():
        await route.fulfill(body=asset.read_bytes(), content_type=TYPES[asset.suffix])
    else:
        await route.fulfill(status=404)


def small(picture: bytes) -> bytes:
    """The same picture with a palette: a third of the bytes, and the eye sees no difference."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    written = io.BytesIO()
    # Maximum coverage keeps the few pixels of a rare colour, as a warning icon is.
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def side_by_side(pictures: list[bytes]) -> bytes:
    """One PNG of several of the same size, on white, each with a line around it."""
    images = [Image.open(io.BytesIO(picture)) for picture in pictures]
    width, height = images[0].size
    row = Image.new("RGB", (len(images) * (width + GAP) + GAP, height + 2 * GAP), "#FFFFFF")
    draw = ImageDraw.Draw(row)
    for place, image in enumerate(images):
        left = GAP + place * (width + GAP)
        row.paste(image, (left, GAP))
        draw.rectangle((left - 1, GAP - 1, left + width, GAP + height), outline=LINE)
    written = io.BytesIO()
    row.save(written, "PNG", optimize=True)
    return written.getvalue()


async def write(folder: Path, shots: Iterator[Shot]) -> int:
    """Take the pictures into a folder; returns how many bytes they have together."""
    renderer = Renderer()
    total = 0
    async with running_chromium() as browser:
        for shot in shots:
            picture = small(await take(browser, renderer, shot))
            (folder / shot.file_name).write_bytes(picture)
            total += len(picture)
        for name, taken in (await dashboard_gallery.pictures(browser)).items():
            picture = small(taken)
            (folder / name).write_bytes(picture)
            total += len(picture)
        if folder == FOLDER:
            pages = every_page()
            views = [Shot(name, pages[name], 390, "light") for name in README_PAGES]
            picture = side_by_side([await take(browser, renderer, view, whole=False) for view in views])
            (folder / README_PICTURE).write_bytes(picture)
            total += len(picture)
    return total


def main(arguments: list[str]) -> None:
    """Entry of `make screenshots`."""
    folder, shots = (Path(arguments[1]), all_shots()) if arguments[:1] == ["--all"] else (FOLDER, committed_shots())
    folder.mkdir(parents=True, exist_ok=True)
    total = asyncio.run(write(folder, shots))
    sys.stdout.write(f"{total / 1_000_000:.2f} MB of pictures\n")


if __name__ == "__main__":
    main(sys.argv[1:])
