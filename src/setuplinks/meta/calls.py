"""The ways in which calls to Graph are alike: those that only succeed, those with fields, those with pages.

Owns the reading of `{"success": true}`, of field lists that a newer Graph no longer knows, and of pages. It owns no
path: those stand in `graph`, `messaging` and `partner`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from setuplinks.meta import errors
from setuplinks.meta.errors import Call, GraphError
from setuplinks.meta.lenient import Raw, as_object, as_rows, as_text
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Transport

T = TypeVar("T")

_PAGE_SIZE = "100"
_MOST_PAGES = 50


class Calls(Transport):
    """What every group of calls builds on. Raises GraphError and nothing else."""

    async def success(
        self,
        call: Call,
        meta_id: str,
        token: Secret,
        body: Mapping[str, Any] | None = None,
        hide: tuple[Secret, ...] = (),
        *,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """Sends a call that answers `{"success": true}`; anything else is not taken for done."""
        answer = await self.call(
            call, (meta_id,), timeout=self.timeouts.write, token=token, query=query, body=body, hide=hide
        )
        if answer.get("success") not in (True, "true"):
            raise errors.unreadable(call, 200)

    async def with_fields(
        self, call: Call, meta_id: str, token: Secret, query: Mapping[str, str], *, fields: str, plain: str
    ) -> Raw:
        """Reads with `fields`; where this version of Graph no longer has one of them, once more with the plain ones."""
        timeout = self.timeouts.read
        try:
            return await self.call(call, (meta_id,), timeout=timeout, token=token, query={**query, "fields": fields})
        except GraphError as error:
            if error.code != 100 or "nonexisting field" not in error.message:
                raise
        return await self.call(call, (meta_id,), timeout=timeout, token=token, query={**query, "fields": plain})

    async def rows(
        self, call: Call, meta_id: str, token: Secret, query: Mapping[str, str], *, fields: str = "", plain: str = ""
    ) -> list[Raw]:
        """All rows of a list. Pages are followed by their cursor, never by Meta's `next` URL: that holds the token."""
        rows: list[Raw] = []
        page = {**query, "limit": _PAGE_SIZE}
        for _ in range(_MOST_PAGES):
            if fields:
                answer = await self.with_fields(call, meta_id, token, page, fields=fields, plain=plain)
            else:
                answer = await self.call(call, (meta_id,), timeout=self.timeouts.read, token=token, query=page)
            if not isinstance(answer.get("data"), list):
                raise errors.unreadable(call, 200)
            rows += as_rows(answer["data"])
            after = _next_cursor(answer)
            if after is None or after == page.get("after"):
                return rows
            page["after"] = after
        # More than 5,000 rows, or cursors that run in a circle: a part of the list would be a wrong answer.
        raise errors.unreadable(call, 200)


def _next_cursor(answer: Raw) -> str | None:
    paging = as_object(answer.get("paging"))
    following = as_text(paging.get("next"))
    if following is None:
        return None
    after = as_text(as_object(paging.get("cursors")).get("after"))
    return after or next(iter(parse_qs(urlsplit(following).query).get("after", ())), None)


def shaped(call: Call, of: Callable[[Raw], T], answer: Raw) -> T:
    """The answer as a value. Raises Unreadable where it is not what the call promises."""
    try:
        return of(answer)
    except ValueError:
        raise errors.unreadable(call, 200) from None


def each(of: Callable[[Raw], T], rows: list[Raw]) -> list[T]:
    """The rows that can be read, each id once: pages may overlap when the list changes between two calls."""
    found: dict[object, T] = {}
    for index, row in enumerate(rows):
        try:
            item = of(row)
        except ValueError:
            continue
        found.setdefault(getattr(item, "id", None) or index, item)
    return list(found.values())
