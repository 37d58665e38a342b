"""What a list of the dashboard is asked for: filters and place, all in the address, so that it can be kept and shared.

Owns reading and writing that part of an address. A filter that cannot be read is a fault beside its field, and the list
is then shown without it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request

from setuplinks.core import wire
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.customers import store as customers
from setuplinks.dashboard.clockface import Clockface
from setuplinks.tenants.routes import END_OF_TIME

PAGE = 25
LONGEST = 300
AFTER = "after"
NO_SUCH_TIME = "no such time; one is written as in 2026-05-25T14:30"


@dataclass(frozen=True)
class Asked:
    """The filters of one request, by name: `given` is what was typed, `faults` what is wrong with it.

    `known`: what a filter's id or word is called, for people.
    """

    path: str
    given: dict[str, str]
    faults: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request, *names: str) -> "Asked":
        """Of a request whose list knows these filters; others, and empty ones, are left out."""
        params = request.query_params
        texts = {name: params.get(name, "").strip() for name in (*names, AFTER)}
        usable = {name: text for name, text in texts.items() if text and len(text) <= LONGEST and text.isprintable()}
        return cls(request.url.path, usable)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str) -> str:
        """What was typed; "" where nothing was."""
        return self.given.get(name, "")

    def told(self, name: str) -> str:
        """The filter as a person reads it."""
        return self.known.get(name) or self.text(name).replace("T", " ")

    def url(self, **changes: str | None) -> str:
        """The same list with these filters changed, from its beginning unless `after` is among them."""
        kept = {name: text for name, text in self.given.items() if name != AFTER}
        wanted = {name: text for name, text in {**kept, **changes}.items() if text}
        return f"{self.path}?{urlencode(wanted)}" if wanted else self.path

    @property
    def narrowed(self) -> bool:
        """Whether any filter is set."""
        return any(name != AFTER for name in self.given)

    @property
    def begun(self) -> bool:
        """Whether this is a later page of the list."""
        return AFTER in self.given

    def word(self, name: str, words: Collection[str]) -> str | None:
        """A filter that is one of `words`; anything else is a fault."""
        text = self.given.get(name)
        if text is None or text in words:
            return text
        self.faults[name] = "is none of those that there are"
        return None

    def number(self, name: str) -> int | None:
        """A filter that holds an id of ours."""
        text = self.given.get(name)
        found = None if text is None else wire.path_id(text)
        if text is not None and found is None:
            self.faults[name] = "is no id"
        return found

    def moment(self, name: str, face: Clockface) -> int | None:
        """A filter that holds a time in the tenant's zone."""
        text = self.given.get(name)
        try:
            return None if text is None else face.read(text)
        except ValueError:
            self.faults[name] = f"{NO_SUCH_TIME}."
            return None

    async def customer(self, name: str, db: Database, tenant_id: int) -> int | None:
        """A filter that names a customer by our id, or by the tenant's own."""
        text = self.given.get(name)
        if text is None:
            return None
        number = wire.path_id(text)
        found = None if number is None else await customers.find(db, tenant_id, number)
        found = found or await customers.find_external(db, tenant_id, text)
        if found is None:
            self.faults[name] = "No customer has this id or external id."
            return None
        self.known[name] = found.name
        return found.id

    def place(self, last: str) -> tuple[int, str]:
        """Where the list goes on, as (µs, key); (end of time, `last`) for its beginning and for a broken place."""
        try:
            at, key = wire.parse_cursor(self.given.get(AFTER, ""))
            if not 0 <= at <= END_OF_TIME:
                raise ValueError
        except ValueError:
            return END_OF_TIME, last
        return at, key

    def older(self, rows: list[Row]) -> str | None:
        """The address of what follows the page; `rows` are one more than it shows where anything does."""
        if len(rows) <= PAGE:
            return None
        last = rows[PAGE - 1]
        return self.url(after=wire.cursor(last["created_at"], last["id"]))
