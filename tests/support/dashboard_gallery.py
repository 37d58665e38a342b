"""Takes the pictures of the dashboard for docs/screenshots: sample pages, without a service, in the system's Chromium.

Owns one sample of each page that the guides show. They are drawn by the dashboard's own templates and policy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from playwright.async_api import Browser, ConsoleMessage, Route
from starlette.responses import Response

from setuplinks.core.clock import DAY, MILLISECOND, MINUTE, SECOND
from setuplinks.core.wire import parse_instant
from setuplinks.dashboard.access import HOME, PLACES
from setuplinks.dashboard.answers import STATIC_DIRECTORY, Answers
from setuplinks.dashboard.asked import Asked
from setuplinks.dashboard.clockface import Clockface
from setuplinks.dashboard.delivery_views import (
    AttemptLine,
    DeliveriesPage,
    DeliveryLine,
    DeliveryPage,
    Named,
    Sent,
    Silence,
    SilentEndpoint,
)
from setuplinks.dashboard.home import CHOICES, HomePage, funnel_view
from setuplinks.dashboard.link_views import LinkLine, LinkPage, NumberLine, StepLine
from setuplinks.dashboard.views import Frame, Page, Place
from setuplinks.dashboard.words import State, delivery_state, outcome, result, step
from setuplinks.signup.rendering import STATIC_DIRECTORY as SIGNUP_FILES
from setuplinks.webhooks.silence import Happened
from tests.support.service import settings_for

ORIGIN = "http://127.0.0.1:9"
ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
NOW = parse_instant("2026-05-18T17:25:00Z")
NAME = "acme.example/hooks"
BASE = f"{HOME}/7"
WIDTHS = {390: 844, 1280: 900}
TYPES = {".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


def _frame(current: str) -> Frame:
    places = tuple(Place(name, BASE + path, icon, name == current) for name, path, icon in PLACES)
    return Frame("x", Clockface(NOW, ZONE), places, "Acme SaaS", "A", "Key “production”", BASE, True)


def _ago(minutes: float) -> int:
    return NOW - round(minutes * MINUTE)


def _links() -> tuple[LinkLine, ...]:
    rows = (
        ("Clínica San Lucas", "clinic_001", State("pass", "Connected"), 2),
        ("Óptica Belgrano", "clinic_014", State("warn", "Needs a PIN"), 18),
        ("Veterinaria Pampa", "clinic_022", State("half", "At Facebook"), 25),
        ("Dental Rivadavia", "clinic_031", State("open", "Not opened yet"), 180),
        ("Laboratorio Sur", "clinic_017", State("open", "Expired"), 1500),
    )
    return tuple(
        LinkLine(f"link-{place}", place, name, known, state, "connect", _ago(minutes))
        for place, (name, known, state, minutes) in enumerate(rows)
    )


def _home() -> HomePage:
    figures = {
        "created": 412, "opened": 356, "started": 301, "authorized": 262, "completed": 249,
        "failed": {"cancelled": 31, "link_expired": 21}, "secondsToConnectP50": 250.0, "secondsToConnectP90": 1320.0,
    }  # fmt: skip
    return HomePage(_frame("Home"), 30, CHOICES, funnel_view(figures), (_links()[1],), (), _links(), False, False)


def _deliveries() -> DeliveriesPage:
    rows = (
        ("whatsapp.phone_number.created", "delivered", 3, None, 16),
        ("whatsapp.waba.created", "delivered", 1, None, 16),
        ("setup_link.completed", "delivered", 1, None, 16),
        ("setup_link.action_required", "pending", 2, "answered 503", 18),
        ("setup_link.opened", "failed", 10, "certificate expired", 30 * 60),
    )
    lines = tuple(
        DeliveryLine(
            f"delivery-{place}", kind, 1, NAME, delivery_state(status, tries), tries, error, _ago(minutes),
            NOW + 4 * MINUTE if status == "pending" else None,
        )
        for place, (kind, status, tries, error, minutes) in enumerate(rows)
    )  # fmt: skip
    return DeliveriesPage(_frame("Deliveries"), Asked(f"{BASE}/deliveries", {}), lines, None, (Named(1, NAME),), None)


def _silence() -> DeliveriesPage:
    event = Happened("e", "whatsapp.phone_number.created", _ago(16), 1, 4)
    reasons = (
        SilentEndpoint(
            2, "acme.example/billing", "It takes only setup_link.*, so never whatsapp.phone_number.created."
        ),
        SilentEndpoint(1, NAME, "It is disabled: nothing is sent to it until you enable it."),
    )
    silence = Silence(None, False, (event,), {1: "Clínica San Lucas"}, reasons)
    asked = Asked(f"{BASE}/deliveries", {"type": event.type})
    return DeliveriesPage(_frame("Deliveries"), asked, (), None, (Named(1, NAME),), silence)


def _delivery() -> DeliveryPage:
    at = _ago(22)
    attempts = (
        AttemptLine(
            1, result(503, "answered 503"), 214 * MILLISECOND, at, None, "203.0.113.7", None, "upstream connect error"
        ),
        AttemptLine(2, result(None, "no answer within 15 s"), 15 * SECOND, at + 5 * SECOND, "5 s", "203.0.113.7",
                    None, None),
        AttemptLine(3, result(200, None), 88 * MILLISECOND, at + 320 * SECOND, "5 min 15 s", "203.0.113.7", None,
                    '{"received": true}'),
    )  # fmt: skip
    return DeliveryPage(
        _frame("Deliveries"), "019e3b07-6180-76cb-aa26-d4442ed70590", "019e3b07-6180-76cb-aa26-d4442ed7059b",
        "whatsapp.phone_number.created", NAME, 1, delivery_state("delivered", 3), outcome("delivered", 3), at, None,
        Named(1, "Clínica San Lucas"), attempts, Sent('{"type": "whatsapp.phone_number.created"}'), True, None, "", "",
    )  # fmt: skip


def _link() -> LinkPage:
    told: tuple[tuple[str, dict[str, str], int], ...] = (
        ("created", {"by": "key:3"}, 45), ("opened", {}, 30), ("continued", {"device": "phone, Safari"}, 28),
        ("at_facebook", {"connectionType": "coexistence"}, 28), ("visit_ended", {"code": "cancelled"}, 26),
        ("continued", {"device": "phone, Safari"}, 25), ("permission_granted", {}, 23),
        ("connected", {"number": "+54 9 11 5555-0100"}, 22),
    )  # fmt: skip
    steps = tuple(StepLine(*step(kind, detail, "production"), _ago(minutes)) for kind, detail, minutes in told)
    number = NumberLine(4, "+54 9 11 5555-0100", "Clínica San Lucas", State("pass", "Ready"))
    return LinkPage(
        _frame("Links"), "27084656-a36e-4315-b3eb-71c42f79cc70", 1, "Clínica San Lucas", "clinic_001",
        State("pass", "Connected"), "connect", "one that keeps the WhatsApp app", _ago(45), NOW + 7 * DAY, None, steps,
        None, (number,), (), False,
    )  # fmt: skip


PAGES: dict[str, Page] = {
    "dashboard-home": _home(),
    "dashboard-link": _link(),
    "dashboard-deliveries": _deliveries(),
    "dashboard-delivery": _delivery(),
    "dashboard-silence": _silence(),
}


async def pictures(browser: Browser) -> dict[str, bytes]:
    """PNGs by file name. Raises AssertionError when a page broke its content rules."""
    answers = Answers(settings_for(ORIGIN, ORIGIN, Path("data"), None))
    taken: dict[str, bytes] = {}
    for width, height in WIDTHS.items():
        context = await browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce"
        )
        tab = await context.new_page()
        complaints: list[str] = []
        tab.on("console", _noting(complaints))
        for name, page in PAGES.items():
            await tab.route("**/*", _serving(answers.page(page)))
            await tab.goto(f"{ORIGIN}{BASE}")
            await tab.evaluate("document.fonts.ready.then(() => true)")
            taken[f"{name}-{width}-light.png"] = await tab.screenshot(full_page=True)
            await tab.unroute("**/*")
        await context.close()
        if complaints:
            raise AssertionError(f"{width}: {complaints}")
    return taken


def _noting(complaints: list[str]) -> Callable[[ConsoleMessage], None]:
    def note(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    return note


def _serving(drawn: Response) -> Callable[[Route], Awaitable[None]]:
    """The page at its address, and the files that it asks for."""
    html, headers = bytes(drawn.body), dict(drawn.headers)
    folders = {"/static/dashboard/": STATIC_DIRECTORY, "/static/signup/": SIGNUP_FILES}

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        start = next((start for start in folders if path.startswith(start)), None)
        if path == BASE:
            await route.fulfill(body=html, headers=headers)
        elif start is not None:
            file = folders[start] / path.removeprefix(start)
            await route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
        else:
            await route.fulfill(status=404)

    return answer
