"""A tenant's first page: how far its links come, what needs a person, and the newest links.

Owns the funnel's picture and which things are told first. The figures are `setup_links/funnel`'s.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from setuplinks.core.clock import SECOND
from setuplinks.core.db.database import Database
from setuplinks.dashboard.access import TENANT, Access, Viewer
from setuplinks.dashboard.answers import Answers
from setuplinks.dashboard.clockface import long_span
from setuplinks.dashboard.endpoint_views import EndpointLine
from setuplinks.dashboard.endpoints import EndpointPages
from setuplinks.dashboard.link_views import LinkLine
from setuplinks.dashboard.links import LAST_KEY, LinkPages
from setuplinks.dashboard.views import Frame
from setuplinks.dashboard.words import counted
from setuplinks.setup_links import lists
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.funnel import DAYS, funnel
from setuplinks.tenants.routes import END_OF_TIME

CHOICES = (7, 30, 90)
STEPS = (
    ("created", "Created"),
    ("opened", "Opened"),
    ("started", "Started"),
    ("authorized", "Authorised"),
    ("completed", "Connected"),
)
SHOWN = 6
COLUMN, HEIGHT, BEND = 100, 100, 14


@dataclass(frozen=True)
class Stage:
    """A column of the funnel: how many, and their share of the step before."""

    word: str
    count: int
    share: str


@dataclass(frozen=True)
class FunnelView:
    """The funnel; `line` and `area` are paths in a box of 500 by 100."""

    stages: tuple[Stage, ...]
    line: str
    area: str
    median: str | None
    ninetieth: str | None
    most: str | None
    of: str


@dataclass(frozen=True)
class HomePage:
    """A tenant's first page."""

    template: ClassVar[str] = "home.html"
    frame: Frame
    days: int
    choices: tuple[int, ...]
    funnel: FunnelView
    waiting: tuple[LinkLine, ...]
    ailing: tuple[EndpointLine, ...]
    newest: tuple[LinkLine, ...]
    deaf: bool
    suspended: bool


class Home:
    """The page, over what the others know."""

    def __init__(self, db: Database, links: LinkPages, endpoints: EndpointPages, answers: Answers) -> None:
        self._db, self._links, self._endpoints, self._answers = db, links, endpoints, answers

    def routes(self, access: Access) -> list[BaseRoute]:
        """The one."""
        return [Route(TENANT, access.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """The tenant's first page."""
        text = request.query_params.get("days", "")
        days = int(text) if text in {str(one) for one in CHOICES} else DAYS
        figures = await funnel(self._db, viewer.tenant_id, viewer.now, days)
        endpoints = await self._endpoints.lines(viewer)
        page = HomePage(
            viewer.frame("Home"), days, CHOICES, funnel_view(figures), await self._newest(viewer, "action_required"),
            tuple(one for one in endpoints if one.state.shape in {"warn", "fail"}), await self._newest(viewer, None),
            not endpoints, viewer.is_suspended,
        )  # fmt: skip
        return self._answers.page(page)

    async def _newest(self, viewer: Viewer, phase: str | None) -> tuple[LinkLine, ...]:
        wanted = lists.Wanted(None, None, phase, viewer.now)
        rows = await lists.rows(self._db, viewer.tenant_id, wanted, END_OF_TIME, LAST_KEY, SHOWN)
        return await self._links.lines(viewer.tenant_id, rows, viewer.now)


def funnel_view(figures: dict[str, Any]) -> FunnelView:
    """The figures as they are drawn."""
    counts = [int(figures[name]) for name, _ in STEPS]
    stages = []
    for place, (_, word) in enumerate(STEPS):
        before = counts[place - 1] if place else 0
        share = f"{round(100 * counts[place] / before)}% of {STEPS[place - 1][1].lower()}" if before else ""
        stages.append(Stage(word, counts[place], share))
    line = _line(counts)
    failed: dict[str, int] = figures["failed"]
    most = max(failed, key=lambda code: (failed[code], code), default=None)
    ended = sum(failed.values())
    return FunnelView(
        tuple(stages), line, f"{line} V{HEIGHT} H0 Z", _took(figures["secondsToConnectP50"]),
        _took(figures["secondsToConnectP90"]), None if most is None else CODES[most].message if most in CODES else most,
        "" if most is None else f"{failed[most]:,} of {counted(ended, 'link')} that ended without a connection",
    )  # fmt: skip


def _line(counts: list[int]) -> str:
    """One falling line at a scale that begins at zero; its bends stand where a step begins."""
    top = max(*counts, 1)
    heights = [HEIGHT - round(96 * count / top, 1) for count in counts]
    path = f"M0 {heights[0]}"
    for place, height in enumerate(heights[1:], 1):
        at, before = place * COLUMN, heights[place - 1]
        path += f" H{at - BEND} C{at} {before} {at} {height} {at + BEND} {height}"
    return f"{path} H{COLUMN * len(counts)}"


def _took(seconds: float | None) -> str | None:
    return None if seconds is None else long_span(round(seconds) * SECOND)
