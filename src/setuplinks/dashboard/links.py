"""Setup links: the list with its filters, one link with its timeline, withdrawing one.

Owns what these pages show. How a link moves is the room's of setup links.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from setuplinks.core import wire
from setuplinks.core.clock import MINUTE
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.core.problems import NotFound, Problem
from setuplinks.customers import store as customers
from setuplinks.dashboard.access import TENANT, Access, Viewer
from setuplinks.dashboard.answers import Answers
from setuplinks.dashboard.asked import PAGE, Asked
from setuplinks.dashboard.link_views import LinkLine, LinkPage, LinksPage, Matter, NumberLine, StepLine
from setuplinks.dashboard.views import Said
from setuplinks.dashboard.words import NUMBER_STATES, PHASE_WORDS, TYPES, WHO, State, link_state, step
from setuplinks.provisioning.service import Provisionings
from setuplinks.setup_links import lists
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import STATUSES, WAITING, Phase
from setuplinks.setup_links.models import SetupLink
from setuplinks.setup_links.service import SetupLinks
from setuplinks.setup_links.store import FIND_STEPS
from setuplinks.tenants import store as tenants
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.models import PhoneNumber

LIST = f"{TENANT}/links"
ONE = f"{LIST}/{{linkId}}"
LAST_KEY = "\x7f"
WITHDRAWN = Said("pass", "The link is withdrawn", "Whoever opens it reads that you have taken it back.")


class LinkPages:
    """The pages, over the verbs of two rooms."""

    def __init__(self, db: Database, links: SetupLinks, provisionings: Provisionings, answers: Answers) -> None:
        self._db, self._links, self._provisionings, self._answers = db, links, provisionings, answers

    def routes(self, access: Access) -> list[BaseRoute]:
        """All of this room."""
        return [
            Route(LIST, access.shows(self.all), methods=["GET"]),
            Route(ONE, access.shows(self.show), methods=["GET"]),
            Route(f"{ONE}/withdraw", access.changes(self.withdraw), methods=["POST"]),
        ]

    async def all(self, request: Request, viewer: Viewer) -> Response:
        """The tenant's links, newest first."""
        asked = Asked.of(request, "status", "phase", "customer")
        tenant_id = viewer.tenant_id
        wanted = lists.Wanted(
            await asked.customer("customer", self._db, tenant_id), asked.word("status", STATUSES),
            asked.word("phase", PHASE_WORDS), viewer.now,
        )  # fmt: skip
        if wanted.phase is not None:
            asked.known["phase"] = PHASE_WORDS[wanted.phase]
        at, key = asked.place(LAST_KEY)
        rows = [] if asked.faults else await lists.rows(self._db, tenant_id, wanted, at, key, PAGE + 1)
        lines = await self.lines(tenant_id, rows[:PAGE], viewer.now)
        return self._answers.page(LinksPage(viewer.frame("Links"), asked, lines, asked.older(rows)))

    async def lines(self, tenant_id: int, rows: list[Row], now: int) -> tuple[LinkLine, ...]:
        """Rows of links with the names of their customers."""
        found = [SetupLink.of(row) for row in rows]
        names = await customers.named(self._db, tenant_id, (link.customer_id for link in found))
        return tuple(
            _line(link, names.get(link.customer_id), row["updated_at"], now)
            for link, row in zip(found, rows, strict=True)
        )

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """One link with its timeline."""
        done = request.query_params.get("done") == "withdrawn"
        return await self._page(_id_in(request), viewer, WITHDRAWN if done else None)

    async def withdraw(self, request: Request, viewer: Viewer, _: dict[str, str]) -> Response:
        """Revokes the link; work that runs stops at its next step."""
        link_id = _id_in(request)
        try:
            await self._db.unit(self._provisionings.revoke, viewer.tenant_id, link_id, viewer.caller.actor)
        except NotFound:
            raise
        except Problem as problem:
            return await self._page(link_id, viewer, Said("fail", "Not withdrawn", problem.detail), problem.status)
        return self._answers.see_other(f"{viewer.base}/links/{link_id}?done=withdrawn")

    async def _page(self, link_id: str, viewer: Viewer, said: Said | None, status: int = 200) -> Response:
        tenant_id, now = viewer.tenant_id, viewer.now
        made = await self._links.get(tenant_id, link_id)
        link, phase = made.link, made.link.seen(now)
        steps = await self._db.read(FIND_STEPS, tenant_id, link_id)
        names = await customers.named(self._db, tenant_id, [link.customer_id])
        customer = names.get(link.customer_id)
        page = LinkPage(
            viewer.frame("Links", said), link.id, link.customer_id,
            None if customer is None else customer["name"], None if customer is None else customer["external_id"],
            _state(link, now), link.purpose,
            " or ".join(TYPES.get(one, one) for one in link.connection_types), link.created_at, link.expires_at,
            made.url if viewer.may_change and link.is_open(now) else None,
            tuple(_timeline(link, steps, phase, await self._maker(link))),
            _matter(link, phase), await self._numbers(link),
            tuple(link.warnings), viewer.may_change and link.is_open(now),
        )  # fmt: skip
        return self._answers.page(page, status)

    async def _maker(self, link: SetupLink) -> str | None:
        """What the key is called that made the link; None where it was no key."""
        kind, _, number = link.created_by.partition(":")
        key_id = wire.path_id(number) if kind == "key" else None
        return None if key_id is None else await tenants.key_name(self._db, link.tenant_id, key_id)

    async def _numbers(self, link: SetupLink) -> tuple[NumberLine, ...]:
        found = [await self._db.one(whatsapp.FIND_NUMBER, link.tenant_id, one) for one in link.resulting_phone_ids]
        numbers = [PhoneNumber.of(row) for row in found if row is not None]
        return tuple(
            NumberLine(
                one.id, one.display_phone_number or one.meta_phone_number_id, one.verified_name,
                NUMBER_STATES.get(one.status, State("open", one.status)),
            )
            for one in numbers
        )  # fmt: skip


def _line(link: SetupLink, customer: Row | None, last: int, now: int) -> LinkLine:
    name, external_id = (None, None) if customer is None else (customer["name"], customer["external_id"])
    return LinkLine(link.id, link.customer_id, name, external_id, _state(link, now), link.purpose, last)


def _state(link: SetupLink, now: int) -> State:
    question = (link.action_required or {}).get("kind")
    return link_state(link.seen(now), opened=link.opened_at is not None, question=question)


def _timeline(link: SetupLink, steps: list[Row], phase: Phase, maker: str | None) -> list[StepLine]:
    told: list[tuple[int, str, dict[str, Any]]] = [(link.created_at, "created", {"by": link.created_by})]
    told += [(row["at"], row["kind"], json.loads(row["detail"])) for row in steps]
    if phase is Phase.EXPIRED and not any(kind == "expired" for _, kind, _ in told):
        told.append((link.lapses_at, "expired", {}))
    lines: list[StepLine] = []
    for at, kind, detail in told:
        line = StepLine(*step(kind, detail, maker), at)
        if not (lines and _is_again(line, lines[-1])):
            lines.append(line)
    if phase in WAITING:
        lines.append(StepLine(State("open", "Waits for the customer"), "", None))
    elif phase is Phase.PROVISIONING:
        lines.append(StepLine(State("half", "Being connected"), "", None))
    return lines


def _is_again(line: StepLine, before: StepLine) -> bool:
    """Whether it is the line before once more: from the window on to the whole page, or a page loaded twice."""
    soon = (line.at or 0) - (before.at or 0) <= MINUTE
    return soon and (line.state, line.cause) == (before.state, before.cause)


def _matter(link: SetupLink, phase: Phase) -> Matter | None:
    if phase is Phase.FAILED and link.failure_code:
        known = CODES.get(link.failure_code)
        again = "A new link can help." if known is not None and known.retryable else "A new link alone does not help."
        whose = WHO[known.who] if known is not None else ""
        message = link.failure_message or (known.message if known is not None else "")
        return Matter("fail", "This link has failed", f"{message} {again}", whose, code=link.failure_code)
    if phase is Phase.EXPIRED:
        return Matter("open", "This link has expired", "Nothing was connected. A new link begins anew.", WHO["tenant"])
    asked = link.action_required if phase is Phase.ACTION_REQUIRED else None
    if asked is None:
        return None
    title = link_state(phase, opened=True, question=asked["kind"]).word
    return Matter("warn", title, asked["message"], WHO[asked["whoMustAct"]], wire.parse_instant(asked["until"]))


def _id_in(request: Request) -> str:
    found = wire.path_uuid(request.path_params["linkId"])
    if found is None:
        raise NotFound
    return found
